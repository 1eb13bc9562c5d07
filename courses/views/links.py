"""What the course links to, and whether it is still there: for instructors and admins."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST
from kombu.exceptions import OperationalError

from courses import links as outside
from courses import tasks
from people.requests import SignedInRequest


@login_required
@require_GET
def links(request: SignedInRequest) -> HttpResponse:
    if request.user.is_student:
        raise Http404
    return render(request, "courses/links.html", {"links": outside.by_need()})


@login_required
@require_POST
def look(request: SignedInRequest) -> HttpResponse:
    """Begin another round."""
    if not request.user.is_campus_admin:
        raise Http404
    try:
        tasks.look_at_links.apply_async(retry=False)
    except OperationalError:
        messages.error(
            request, "Nothing was looked at: the queue does not answer. Try again in a minute."
        )
    else:
        messages.success(request, "A worker goes through the links now. Reload to see how far.")
    return redirect("courses:links")
