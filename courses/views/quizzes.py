"""Quizzes: an attempt is begun, kept while it is written, submitted once, and shown graded."""

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from courses import attempts, placement, track
from courses.models import Quiz, QuizAttempt, Resource
from people.requests import SignedInRequest

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
    "quiz__activity__module__key",
    "quiz__activity__module__number",
    "quiz__activity__module__title",
    "quiz__resource__key",
    "quiz__resource__title",
    "quiz__resource__module__key",
    "quiz__resource__module__number",
    "quiz__resource__module__title",
)


@login_required
@require_http_methods(["GET", "POST"])
def quiz(request: SignedInRequest, key: str) -> HttpResponse:
    quiz = get_object_or_404(
        Quiz.objects.published().select_related("activity__module", "resource__module"), key=key
    )
    if request.method == "POST":
        return _start(request, quiz)
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


def _start(request: SignedInRequest, quiz: Quiz) -> HttpResponse:
    try:
        return redirect(attempts.start(student=request.user, quiz=quiz, at=timezone.now()))
    except attempts.NoQuestionsError:
        messages.error(request, "This quiz has no questions just now.")
        return redirect(quiz)


@login_required
@require_http_methods(["GET", "POST"])
def attempt(request: SignedInRequest, pk: int) -> HttpResponse:
    if request.method == "POST":
        return _submit(request, _own_attempt(request, pk))
    attempt = get_object_or_404(
        QuizAttempt.objects.visible_to(request.user)
        .select_related("student", "quiz__activity__module", "quiz__resource__module")
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
    activity = attempt.quiz.activity
    assert activity.module is not None
    found = track.of(attempt.student, activity.module)
    remedies = Resource.objects.published().only("key", "title", "module")
    gates = activity.gates.select_related("checkpoint")
    return render(
        request,
        "courses/result.html",
        {
            "attempt": attempt,
            "items": attempts.items(attempt),
            "gates": gates.prefetch_related(Prefetch("remediation", remedies)),
            "aims": [
                aim for unit in found.units for aim in unit.aims if activity in aim.activities
            ],
            "proposal": _proposal(request, attempt),
            "track": found,
            "step": found.step(),
        },
    )


def _proposal(request: SignedInRequest, attempt: QuizAttempt) -> placement.Proposal | None:
    """What the diagnostic says to its own student."""
    own = attempt.student_id == request.user.pk
    is_diagnostic = attempt.quiz.key == placement.DIAGNOSTIC
    return placement.proposal(request.user) if own and is_diagnostic else None


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
