"""The pitfalls in full, and putting a nudge away."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from courses import pitfalls as rules
from courses.models import Module, Pitfall, Resource
from people.requests import SignedInRequest


@require_GET
def pitfalls(request: HttpRequest) -> HttpResponse:
    return render(request, "courses/pitfalls.html", {"pitfalls": Pitfall.objects.all()})


@login_required
@require_POST
def dismiss(request: SignedInRequest, pitfall: str, about: str) -> HttpResponse:
    """Never show this nudge about this thing again."""
    get_object_or_404(Pitfall, key=pitfall)
    get_object_or_404(Module if pitfall == rules.RUSHING else Resource, key=about)
    rules.put_away(request.user, rules.Sign(pitfall, about), at=timezone.now())
    if "HX-Request" in request.headers:
        return HttpResponse()
    if pitfall in rules.OF_A_READING:
        return redirect("courses:resource", about)
    return redirect("home")
