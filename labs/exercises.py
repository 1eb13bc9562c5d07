"""What a student does at an exercise besides running code: draft, take hints, give up, begin anew.

None of it is lost and none of it costs anything silently: a draft is kept as it is typed, a hint
says its price before it is opened, and what was handed in before keeps the price of its time.
"""

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Q

from courses.models import Evidence
from labs import runs
from labs.kinds.code import CodeForm, cost
from labs.models import Draft, GivenUp, Hint, Lab, Run, TakenHint
from people.models import User
from workers.exercises import EXERCISES
from workers.exercises.assembling import assemble
from workers.exercises.base import Exercise

# After the model solution was shown, what is handed in counts again from this much later.
PAUSE = timedelta(days=1)


class StaleDraftError(Exception):
    """Another window has saved since this one looked; `draft` is what it saved."""

    def __init__(self, draft: Draft) -> None:
        super().__init__("Another window has saved this exercise since.")
        self.draft = draft


class NoSandboxError(Exception):
    """No worker that could hold a student's code in is online."""


def of(lab: Lab) -> Exercise:
    """The engine's part of an exercise: its functions, examples, checks and solution."""
    return EXERCISES[lab.parameters["exercise"]]


def keep_draft(lab: Lab, student: User, code: str, *, version: int, at: datetime) -> Draft:
    """Save what is in the editor. `version` is that of the draft it was made from, 0 for none.

    Raises StaleDraftError when there is a newer one, unless that holds the same code.
    """
    with transaction.atomic():
        # The row of the student serialises two windows of theirs, also for the first draft.
        User.objects.select_for_update().only("pk").get(pk=student.pk)
        draft = Draft.objects.filter(lab=lab, student=student).first()
        if draft is None:
            return Draft.objects.create(lab=lab, student=student, code=code, saved_at=at)
        if draft.code == code:
            return draft
        if draft.version != version:
            raise StaleDraftError(draft)
        draft.code, draft.version, draft.saved_at = code, draft.version + 1, at
        draft.save(update_fields=["code", "version", "saved_at"])
    return draft


def take_hint(lab: Lab, student: User, *, at: datetime) -> None:
    """Open the next hint, if there is one; it costs from the next submission on."""
    number = TakenHint.objects.filter(lab=lab, student=student).count() + 1
    hint = Hint.objects.filter(lab=lab, number=number).first()
    if hint is not None:
        # What is free to see, after a pass or the solution, costs nothing any more.
        free = has_passed(lab, student) or has_given_up(lab, student)
        TakenHint.objects.get_or_create(
            lab=lab,
            student=student,
            number=number,
            defaults={"cost": 0 if free else hint.cost, "taken_at": at},
        )


def give_up(lab: Lab, student: User, *, at: datetime) -> None:
    """Show the model solution to a student who has not passed."""
    if not has_passed(lab, student):
        GivenUp.objects.get_or_create(lab=lab, student=student, defaults={"at": at})


def has_passed(lab: Lab, student: User) -> bool:
    """Whether a submission of the student's has passed every check, and counted."""
    return Evidence.objects.filter(student=student, activity=lab.activity_id, passed=True).exists()


def has_given_up(lab: Lab, student: User) -> bool:
    return GivenUp.objects.filter(lab=lab, student=student).exists()


def submit(
    lab: Lab, *, student: User, code: str, key: uuid.UUID, at: datetime, version: int
) -> Run:
    """Hand the code in: keep it as the draft and make the run that judges it.

    Raises QuotaExceededError and NoSandboxError.
    """
    # Where another window has saved since, the draft stays its, and the run keeps this code.
    with contextlib.suppress(StaleDraftError):
        keep_draft(lab, student, code, version=version, at=at)
    if not runs.workers_online(lab, at=at):
        raise NoSandboxError(
            "No worker with a sandbox is online just now, and code runs nowhere else. Your code is "
            "kept; hand it in when one is back."
        )
    return runs.start(
        lab,
        student=student,
        draw=runs.current_draw(lab, student),
        prediction={},
        choices={"code": code, **_help_taken(lab, student, at=at)},
        key=key,
        at=at,
    )


def _help_taken(lab: Lab, student: User, *, at: datetime) -> dict[str, Any]:
    """What a submission pins about the help that came before it."""
    hints = TakenHint.objects.filter(lab=lab, student=student).values_list("cost", flat=True)
    given_up = GivenUp.objects.filter(lab=lab, student=student).first()
    return {
        "hints": list(hints),
        "given_up": given_up is not None,
        "practice": given_up is not None and at < given_up.at + PAUSE,
    }


@dataclass(frozen=True)
class OpenHint:
    """A hint as a student sees it: its text once taken, and what it costs or did cost."""

    number: int
    cost: int
    html: str


@dataclass(frozen=True)
class Desk:
    """Everything that an exercise's page shows of one student's work."""

    exercise: Exercise
    code: CodeForm
    version: int
    saved_at: datetime | None
    key: uuid.UUID
    hints: list[OpenHint]
    next_hint: Hint | None
    cost: int
    given_up_at: datetime | None
    counts_from: datetime | None
    passed: bool
    solution: str
    past: list[Run]
    workers: int
    parts: list["Rung"]


@dataclass(frozen=True)
class Rung:
    """An exercise on the ladder and how a student stands with it."""

    lab: Lab
    tries: int
    passed: bool
    best: float | None


def desk(lab: Lab, student: User, *, at: datetime, data: Mapping[str, Any] | None = None) -> Desk:
    """The desk as a student finds it, or with what they handed in."""
    exercise = of(lab)
    draft = Draft.objects.filter(lab=lab, student=student).first()
    help_taken = _help_taken(lab, student, at=at)
    taken = len(help_taken["hints"])
    hints = list(lab.hints.all())
    given_up = GivenUp.objects.filter(lab=lab, student=student).first()
    passed = has_passed(lab, student)
    shown = passed or given_up is not None
    initial = draft.code if draft else exercise.starter
    return Desk(
        exercise=exercise,
        code=CodeForm(data, initial={"code": initial}, parameters=lab.parameters, drawn={}),
        version=draft.version if draft else 0,
        saved_at=draft.saved_at if draft else None,
        key=uuid.uuid4(),
        hints=[
            OpenHint(hint.number, cost, hint.text_html)
            for hint, cost in zip(hints, help_taken["hints"], strict=False)
        ],
        next_hint=hints[taken] if taken < len(hints) else None,
        cost=cost(help_taken),
        given_up_at=given_up.at if given_up else None,
        counts_from=given_up.at + PAUSE if given_up and help_taken["practice"] else None,
        passed=passed,
        solution=exercise.solution if shown else "",
        past=list(
            Run.objects.owned_by(student)
            .filter(lab=lab)
            .defer("result", "grade_detail", "choices")[:10]
        ),
        workers=runs.workers_online(lab, at=at),
        parts=_parts(exercise, student),
    )


def ladder(student: User) -> list[Rung]:
    """Every exercise from the lowest rung, with how the student stands. Two queries."""
    labs = Lab.objects.visible_to(student).exercises().select_related("resource", "activity")
    tried = _tried(student)
    return [_rung(lab, tried) for lab in labs.order_by("number")]


def _tried(student: User) -> dict[int, dict[str, Any]]:
    """What the student's submissions gave, by activity."""
    rows = (
        Evidence.objects.filter(student=student, activity__kind="exercise")
        .order_by()
        .values("activity")
        .annotate(tries=Count("pk"), best=Max("score"), passes=Count("pk", filter=Q(passed=True)))
    )
    return {row["activity"]: dict(row) for row in rows}


def _rung(lab: Lab, tried: dict[int, dict[str, Any]]) -> Rung:
    row = tried.get(lab.activity_id, {"tries": 0, "passes": 0, "best": None})
    return Rung(lab, row["tries"], bool(row["passes"]), row["best"])


def _parts(exercise: Exercise, student: User) -> list[Rung]:
    """The earlier rungs that this one is put together from, for the capstone."""
    if not exercise.parts:
        return []
    keys = [key for _, key in exercise.parts]
    labs = {lab.key: lab for lab in Lab.objects.visible_to(student).filter(key__in=keys)}
    tried = _tried(student)
    return [_rung(labs[key], tried) for key in dict.fromkeys(keys) if key in labs]


def assembled(lab: Lab, student: User) -> str:
    """The starter with the student's own last passing answers to the earlier rungs put in."""
    exercise = of(lab)
    passing = (
        Run.objects.owned_by(student)
        .filter(lab__key__in=[key for _, key in exercise.parts], result__passed=True)
        .order_by("created_at")
    )
    answers = {key: choices["code"] for key, choices in passing.values_list("lab__key", "choices")}
    return assemble(answers, exercise.starter)
