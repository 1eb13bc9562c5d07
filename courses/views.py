"""The pages of the course: reading, quizzes, checkpoints, progress."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from courses import attempts, standing
from courses.models import (
    Activity,
    Checkpoint,
    Evidence,
    Module,
    Place,
    Quiz,
    QuizAttempt,
    Resource,
)
from people.models import User
from people.requests import SignedInRequest

# A visit within this many seconds of the last one on the same page is the same visit.
SAME_VISIT = 300
RECENT_ATTEMPTS = 50

# What the pages of an attempt show of it and of what it belongs to.
ATTEMPT = (
    "number",
    "seed",
    "started_at",
    "submitted_at",
    "score",
    "student__username",
    "student__first_name",
    "student__last_name",
    "quiz__key",
    "quiz__title",
    "quiz__pass_mark",
    "quiz__activity__module",
    "quiz__resource__key",
    "quiz__resource__title",
    "quiz__resource__module__key",
    "quiz__resource__module__number",
    "quiz__resource__module__title",
)


@require_GET
def module(request: HttpRequest, key: str) -> HttpResponse:
    module = get_object_or_404(Module.objects.published(), key=key)
    record = standing.record_of(request.user)
    units = standing.units(Resource.objects.published().filter(module=module), record)
    stops = standing.stops(record, module=module)
    labs = Activity.objects.published().filter(module=module, kind="lab")
    return render(
        request,
        "courses/module.html",
        {
            "module": module,
            "units": units,
            "labs": [
                (lab, lab.pk in record.passes) for lab in labs.order_by("planned", "position")
            ],
            "stops": stops,
            "step": standing.next_step(units, record, stops=stops),
            **_totals(units),
        },
    )


@require_GET
def resource(request: HttpRequest, key: str) -> HttpResponse:
    resource = get_object_or_404(
        Resource.objects.published().select_related("module").defer("why", "body"), key=key
    )
    links = standing.links_of([resource]).get(resource.pk, [])
    unit = standing.unit(resource, links, _record_for(request, resource, links))
    return render(
        request,
        "courses/resource.html",
        {
            "resource": resource,
            "unit": unit,
            "html": resource.html,
            "companions": _companions(resource, unit),
            "todo": next(
                (item for item, passed in unit.activities if item.is_open and not passed), None
            ),
        },
    )


def _record_for(request: HttpRequest, resource: Resource, links: Iterable[Any]) -> standing.Record:
    """What the student has of this resource alone; the visit is noted as their place."""
    if not isinstance(request.user, User):
        return standing.Record({}, {}, {})
    places = Place.objects.filter(student=request.user)
    latest = places.order_by("-at").first()
    is_here = latest is not None and latest.resource_id == resource.pk
    left = latest if is_here else places.filter(resource=resource).first()
    now = timezone.now()
    if not is_here or left is None or (now - left.at).total_seconds() > SAME_VISIT:
        _put_place(Place(student=request.user, resource=resource, at=now), ["at"])
    evidence = Evidence.objects.filter(
        student=request.user, activity__in={link.activity_id for link in links}
    )
    return standing.Record.of(evidence, [left] if left else [])


def _put_place(place: Place, fields: list[str]) -> None:
    """Insert the place, or update these fields of the one that is there: a single statement."""
    Place.objects.bulk_create(
        [place],
        update_conflicts=True,
        unique_fields=["student", "resource"],
        update_fields=fields,
    )


def _companions(resource: Resource, unit: standing.Unit) -> list[dict[str, str]]:
    """What goes along with a resource, each with its address; "" where there is none yet."""
    known = {activity.key: activity for activity, _passed in unit.activities}
    named = {item["activity"] for item in resource.data["companions"] if item["activity"]}
    if unknown := named - known.keys():
        known |= {item.key: item for item in Activity.objects.filter(key__in=unknown)}
    companions = []
    for item in resource.data["companions"]:
        activity = known.get(item["activity"])
        url = activity.url if activity and activity.is_open else ""
        companions.append({"title": item["title"], "url": item["url"] or url})
    return companions


@login_required
@require_POST
def place(request: SignedInRequest, key: str) -> HttpResponse:
    """The section that is being read: the anchor of a heading of the page."""
    resource = get_object_or_404(Resource.objects.published(), key=key)
    titles = {heading["id"]: heading["title"] for heading in resource.html["headings"]}
    anchor = request.POST.get("anchor", "")
    if anchor in titles:
        _put_place(
            Place(
                student=request.user,
                resource=resource,
                anchor=anchor,
                section=titles[anchor],
                at=timezone.now(),
            ),
            ["anchor", "section", "at"],
        )
    return HttpResponse(status=204)


@login_required
@require_http_methods(["GET", "POST"])
def quiz(request: SignedInRequest, key: str) -> HttpResponse:
    quiz = get_object_or_404(
        Quiz.objects.published().select_related("activity", "resource__module"), key=key
    )
    if request.method == "POST":
        return redirect(attempts.start(student=request.user, quiz=quiz, at=timezone.now()))
    mine = QuizAttempt.objects.filter(student=request.user, quiz=quiz).order_by("-number")
    past = list(mine[:RECENT_ATTEMPTS])
    for attempt in past:
        attempt.quiz = quiz
    return render(
        request,
        "courses/quiz.html",
        {
            "quiz": quiz,
            "open": next((attempt for attempt in past if attempt.submitted_at is None), None),
            "past": [attempt for attempt in past if attempt.submitted_at],
            "passed": any(attempt.passed for attempt in past),
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def attempt(request: SignedInRequest, pk: int) -> HttpResponse:
    if request.method == "POST":
        return _submit(request, _own_attempt(request, pk))
    attempt = get_object_or_404(
        QuizAttempt.objects.visible_to(request.user)
        .select_related("student", "quiz__activity", "quiz__resource__module")
        .only(*ATTEMPT),
        pk=pk,
    )
    if attempt.submitted_at:
        return _result(request, attempt)
    if attempt.student_id != request.user.pk:
        return render(request, "courses/attempt_open.html", {"attempt": attempt})
    return _form(request, attempt, attempts.items(attempt))


def _form(
    request: SignedInRequest, attempt: QuizAttempt, items: list[attempts.Item], **more: Any
) -> HttpResponse:
    context = {"attempt": attempt, "items": items, **more}
    return render(request, "courses/attempt.html", context, status=422 if more else 200)


def _own_attempt(request: SignedInRequest, pk: int) -> QuizAttempt:
    """An attempt to write to: that is for its student alone."""
    attempt = get_object_or_404(
        QuizAttempt.objects.select_related("quiz__activity"), pk=pk, student=request.user
    )
    attempt.student = request.user
    return attempt


def _submit(request: SignedInRequest, attempt: QuizAttempt) -> HttpResponse:
    if attempt.submitted_at:
        return redirect(attempt)
    items = attempts.items(attempt)
    wrong = attempts.take_in(items, dict(request.POST.lists()))
    blank = [item for item in items if item.is_blank and not item.error]
    with suppress(attempts.AlreadySubmittedError):  # Another tab was first: its result is shown.
        if wrong or (blank and "blanks" not in request.POST):
            attempts.save_draft(attempt, items)
            return _form(request, attempt, items, wrong=wrong, blank=blank)
        attempts.submit(attempt, items, at=timezone.now())
    return redirect(attempt)


def _result(request: SignedInRequest, attempt: QuizAttempt) -> HttpResponse:
    record = standing.record_of(attempt.student)
    activity = attempt.quiz.activity
    resources = Resource.objects.published().filter(module=activity.module_id)
    units = standing.units(resources, record)
    return render(
        request,
        "courses/result.html",
        {
            "attempt": attempt,
            "items": attempts.items(attempt),
            "aims": [aim for unit in units for aim in unit.aims if activity in aim.activities],
            "step": standing.next_step(units, record),
        },
    )


@login_required
@require_POST
def draft(request: SignedInRequest, pk: int) -> HttpResponse:
    """Keep what is typed so far; says so in a line."""
    attempt = _own_attempt(request, pk)
    items = attempts.items(attempt)
    attempts.take_in(items, dict(request.POST.lists()))
    kept = True
    try:
        attempts.save_draft(attempt, items)
    except attempts.AlreadySubmittedError:
        kept = False
    context = {"attempt": attempt, "kept": kept, "at": timezone.now()}
    return render(request, "courses/_kept.html", context)


@require_GET
def checkpoint(request: HttpRequest, key: str) -> HttpResponse:
    checkpoint = get_object_or_404(
        Checkpoint.objects.published()
        .select_related("module")
        .prefetch_related(
            "gates__activities",
            Prefetch(
                "gates__remediation", Resource.objects.published().only("key", "title", "module")
            ),
        ),
        key=key,
    )
    record = standing.record_of(request.user)
    gates = [
        standing.barrier(gate, gate.activities.all(), record) for gate in checkpoint.gates.all()
    ]
    return render(
        request,
        "courses/checkpoint.html",
        {
            "checkpoint": checkpoint,
            "gates": gates,
            "passed": sum(gate.is_passed for gate in gates),
        },
    )


@login_required
@require_GET
def progress(request: SignedInRequest) -> HttpResponse:
    record = standing.record_of(request.user)
    units = standing.units(Resource.objects.published(), record)
    stops = standing.stops(record)
    latest = Evidence.objects.filter(student=request.user).select_related("activity")
    return render(
        request,
        "courses/progress.html",
        {
            "units": units,
            "stops": stops,
            "evidence": latest.order_by("-pk")[:20],
            "step": standing.next_step(units, record, stops=stops),
            **_totals(units),
        },
    )


def _totals(units: list[standing.Unit]) -> dict[str, int]:
    return {
        "earned": sum(unit.earned for unit in units),
        "total": sum(len(unit.aims) for unit in units),
    }
