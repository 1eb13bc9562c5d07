"""Notes: one beside each reading, kept while it is written, and all of them together."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from courses import notes
from courses.models import Note, Resource
from people.requests import SignedInRequest


@login_required
@require_http_methods(["GET", "POST"])
def note(request: SignedInRequest, key: str) -> HttpResponse:
    """One's own note: its form alone for htmx. A POST keeps it: for htmx it says so in a line."""
    resource = get_object_or_404(Resource.objects.published().select_related("module"), key=key)
    if request.method == "POST":
        return _keep(request, resource)
    note = notes.of(request.user, resource)
    context = {"resource": resource, "note": note, "version": note.version}
    htmx = "HX-Request" in request.headers
    template = "courses/_note.html" if htmx else "courses/note.html"
    return render(request, template, context)


def _keep(request: SignedInRequest, resource: Resource) -> HttpResponse:
    text, version = request.POST.get("text", ""), request.POST.get("version", "")
    try:
        note = notes.keep(
            student=request.user,
            resource=resource,
            text=text,
            version=version,
            at=timezone.now(),
        )
    except notes.NotKeptError as error:
        return _not_kept(request, resource, error)
    if "HX-Request" in request.headers:
        context = {"note": note, "version": note.version}
        return render(request, "courses/_note_kept.html", context)
    return redirect("courses:note", resource.key)


def _not_kept(
    request: SignedInRequest, resource: Resource, error: notes.NotKeptError
) -> HttpResponse:
    """Why not, with all that was typed; if another tab was first, beside what that kept."""
    version = request.POST.get("version", "")
    context = {"resource": resource, "problem": str(error), "version": version}
    if "HX-Request" in request.headers:
        # What was typed is still in the page. htmx shows no answer that has an error's status.
        return render(request, "courses/_note_kept.html", context)
    context["note"] = Note(
        student=request.user, resource=resource, text=request.POST.get("text", "")
    )
    if isinstance(error, notes.ChangedElsewhereError):
        context |= {"other": error.note, "version": error.note.version}
    return render(request, "courses/note.html", context, status=422)


@login_required
@require_GET
def every(request: SignedInRequest) -> HttpResponse:
    return render(request, "courses/notes.html", {"written": notes.every(request.user)})


@login_required
@require_GET
def markdown(request: SignedInRequest) -> HttpResponse:
    """All of one's notes as a file."""
    return HttpResponse(
        notes.markdown(request.user, address=request.build_absolute_uri("/").rstrip("/")),
        content_type="text/markdown; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="notes.md"'},
    )
