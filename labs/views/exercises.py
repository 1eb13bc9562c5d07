"""The ladder, and the page of an exercise: an editor, hints, and what the checks said."""

import uuid

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from labs import broker, exercises, report, runs
from labs.exercises import Desk, NoSandboxError, StaleDraftError
from labs.kinds.code import CodeForm
from labs.models import Lab, Run
from people.requests import SignedInRequest

# Long texts that no page of an exercise shows.
UNSEEN = (
    "body",
    *(f"resource__{name}" for name in ("why", "body", "body_html", "data", "html", "near")),
)


@login_required
@require_GET
def ladder(request: SignedInRequest) -> HttpResponse:
    rungs = exercises.ladder(request.user)
    context = {
        "rungs": rungs,
        "passed": sum(rung.passed for rung in rungs),
        "next": next((rung for rung in rungs if not rung.passed), None),
    }
    return render(request, "labs/ladder.html", context)


@login_required
@require_GET
@never_cache  # who comes back to the page shall find the latest draft, and its version
def exercise(request: SignedInRequest, key: str) -> HttpResponse:
    lab = _exercise(request, key)
    desk = exercises.desk(lab, request.user)
    return render(request, "labs/exercise.html", _page(request, lab, desk))


@login_required
@require_POST
def submit(request: SignedInRequest, key: str) -> HttpResponse:
    """Hand code in. The answer to htmx is what changes; to a plain form it is the whole page."""
    lab = _exercise(request, key)
    form = CodeForm(request.POST, parameters=lab.parameters, drawn={})
    version = _whole(request.POST.get("version", ""))
    run = None
    if form.is_valid():
        try:
            run = exercises.submit(
                lab,
                student=request.user,
                code=form.cleaned_data["code"],
                key=_uuid(request.POST.get("key", "")),
                version=version,
                at=timezone.now(),
            )
        except (runs.QuotaExceededError, NoSandboxError) as error:
            form.add_error(None, str(error))
        else:
            transaction.on_commit(lambda: broker.hand_over(run.lane))
            if not _is_htmx(request):
                return redirect(lab)
    desk = exercises.desk(lab, request.user, handed_in=form, version=version)
    if _is_htmx(request):
        # htmx shows no answer that has an error's status.
        judged = _judged(request, lab, desk, run)
        return render(request, "labs/_judged.html", judged | {"alone": True})
    return render(request, "labs/exercise.html", _page(request, lab, desk), status=422)


@login_required
@require_POST
def draft(request: SignedInRequest, key: str) -> JsonResponse:
    """Save what is in the editor; 409 with the other window's code where it saved first."""
    lab = _exercise(request, key)
    form = CodeForm(request.POST, parameters=lab.parameters, drawn={})
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=422)
    try:
        kept = exercises.keep_draft(
            lab,
            request.user,
            form.cleaned_data["code"],
            version=_whole(request.POST.get("version", "")),
            at=timezone.now(),
        )
    except StaleDraftError as error:
        kept = error.draft
        return JsonResponse({"version": kept.version, "code": kept.code}, status=409)
    return JsonResponse({"version": kept.version})


@login_required
@require_POST
def hint(request: SignedInRequest, key: str) -> HttpResponse:
    lab = _exercise(request, key)
    number = _whole(request.POST.get("number", ""))
    exercises.take_hint(lab, request.user, number, at=timezone.now())
    if not _is_htmx(request):
        return redirect(lab)
    offer = exercises.offer(lab, request.user, at=timezone.now())
    return render(request, "labs/_help.html", {"lab": lab, "offer": offer})


@login_required
@require_POST
def give_up(request: SignedInRequest, key: str) -> HttpResponse:
    lab = _exercise(request, key)
    exercises.give_up(lab, request.user, at=timezone.now())
    return redirect(f"{lab.get_absolute_url()}#solution")


@login_required
@require_GET
def assembled(request: SignedInRequest, key: str) -> HttpResponse:
    """The starter with the student's earlier answers in it, for the editor to take in."""
    lab = _exercise(request, key)
    try:
        code = exercises.assembled(lab, request.user)
    except ValueError as error:
        return HttpResponse(str(error), status=422, content_type="text/plain; charset=utf-8")
    return HttpResponse(code, content_type="text/x-python; charset=utf-8")


@login_required
@require_GET
def download(request: SignedInRequest, key: str) -> HttpResponse:
    """The code as it was last saved, to go on with at home."""
    lab = _exercise(request, key)
    name = f"{lab.key.replace('-', '_')}.py"
    return HttpResponse(
        exercises.draft_of(lab, request.user).code,
        content_type="text/x-python; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _is_htmx(request: SignedInRequest) -> bool:
    return "HX-Request" in request.headers


def _exercise(request: SignedInRequest, key: str) -> Lab:
    visible = Lab.objects.visible_to(request.user).exercises().select_related("resource")
    return get_object_or_404(visible.defer(*UNSEEN), key=key)


def _page(request: SignedInRequest, lab: Lab, desk: Desk) -> dict[str, object]:
    now = timezone.now()
    return _judged(request, lab, desk) | {
        "offer": exercises.offer(lab, request.user, at=now),
        "workers": runs.workers_online(lab, at=now),
        "parts": exercises.parts(lab, request.user),
    }


def _judged(
    request: SignedInRequest, lab: Lab, desk: Desk, run: Run | None = None
) -> dict[str, object]:
    """The desk with the student's last submission, if it is not this, and the report on it."""
    if run is None:
        mine = Run.objects.owned_by(request.user).select_related("draw__prediction")
        run = mine.filter(lab=lab).first()
    context: dict[str, object] = {"lab": lab, "desk": desk, "run": run}
    if run is None:
        return context
    run.lab = lab
    return context | {"report": report.of(run, request.user)}


def _uuid(text: str) -> uuid.UUID:
    # A page of another making may send none; then two clicks are two submissions.
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.uuid4()


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
