"""What a student does at an exercise besides running code: draft, take hints, give up, begin anew.

None of it is lost and none of it costs anything silently: a draft is kept as it is typed, a hint
says its price before it is opened, and what was handed in before keeps the price of its time.
"""

import contextlib
import uuid
from collections.abc import Iterable
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


def draft_of(lab: Lab, student: User) -> Draft:
    """The draft; the starter, as one that was never saved, where there is none."""
    draft = Draft.objects.filter(lab=lab, student=student).first()
    return draft or Draft(lab=lab, student=student, code=of(lab).starter, version=0)


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


@dataclass(frozen=True)
class Help:
    """The help that a student has taken: what hints cost, by number, and when they gave up."""

    hints: dict[int, int]
    given_up_at: datetime | None

    @property
    def counts_from(self) -> datetime | None:
        """From when on submissions count again; None for who has not given up."""
        return self.given_up_at and self.given_up_at + PAUSE

    def pinned(self, at: datetime, *, passed: bool) -> dict[str, Any]:
        """What a submission carries of it. `practice` says why it will count for nothing."""
        paused = self.counts_from is not None and at < self.counts_from
        return {
            "hints": list(self.hints.values()),
            "given_up": self.given_up_at is not None,
            "practice": "passed" if passed else "given up" if paused else "",
        }

    def next_of(self, hints: Iterable[Hint]) -> Hint | None:
        return next((hint for hint in hints if hint.number not in self.hints), None)


def help_of(lab: Lab, student: User) -> Help:
    taken = TakenHint.objects.filter(lab=lab, student=student).values_list("number", "cost")
    given_up = GivenUp.objects.filter(lab=lab, student=student).first()
    return Help(dict(taken), given_up.at if given_up else None)


def take_hint(lab: Lab, student: User, number: int, *, at: datetime) -> None:
    """Open the hint of this number if it is the next; it costs from the next submission on.

    A second click on one offer asks for the same number, and so never buys another hint.
    """
    taken = help_of(lab, student)
    hint = taken.next_of(lab.hints.all())
    if hint is not None and hint.number == number:
        # What is free to see, after a pass or the solution, costs nothing any more.
        free = taken.given_up_at is not None or has_passed(lab, student)
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


def submit(
    lab: Lab, *, student: User, code: str, key: uuid.UUID, at: datetime, version: int
) -> Run:
    """Hand the code in: keep it as the draft and make the run that judges it.

    `key` is that of the page it came from. Raises QuotaExceededError and NoSandboxError.
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
        choices={
            "code": code,
            **help_of(lab, student).pinned(at, passed=has_passed(lab, student)),
        },
        # One went back to the page, or its answer was lost: other code is another submission.
        key=uuid.uuid5(key, code),
        at=at,
    )


@dataclass(frozen=True)
class OpenHint:
    """A hint as a student sees it: its text once taken, and what it costs or did cost."""

    number: int
    cost: int
    html: str


@dataclass(frozen=True)
class Offer:
    """The help that an exercise's page offers, with what was taken of it and what that cost."""

    hints: list[OpenHint]
    next_hint: Hint | None
    cost: int
    given_up_at: datetime | None
    counts_from: datetime | None
    passed: bool
    solution: str

    @property
    def worth(self) -> int:
        """What a submission counts for after the help so far, in percent of its points."""
        return 100 - self.cost


def offer(lab: Lab, student: User, *, at: datetime) -> Offer:
    """The help as it stands: the solution is in it once the student has passed or given up."""
    taken = help_of(lab, student)
    hints = list(lab.hints.all())
    passed = has_passed(lab, student)
    pinned = taken.pinned(at, passed=passed)
    shown = passed or taken.given_up_at is not None
    return Offer(
        hints=[
            OpenHint(hint.number, taken.hints[hint.number], hint.text_html)
            for hint in hints
            if hint.number in taken.hints
        ],
        next_hint=taken.next_of(hints),
        cost=cost(pinned),
        given_up_at=taken.given_up_at,
        counts_from=taken.counts_from if pinned["practice"] == "given up" else None,
        passed=passed,
        solution=of(lab).solution if shown else "",
    )


@dataclass(frozen=True)
class Desk:
    """The editor with the code in it, and what was handed in before."""

    exercise: Exercise
    code: CodeForm
    version: int
    saved_at: datetime | None
    key: uuid.UUID
    past: list[Run]


def desk(lab: Lab, student: User, *, handed_in: CodeForm | None = None, version: int = 0) -> Desk:
    """The desk as a student finds it; or with what they handed in, validated.

    `version` is then that of the draft which what they handed in was made from.
    """
    draft = draft_of(lab, student)
    if handed_in is None or handed_in.cleaned_data.get("code") == draft.code:
        # Only who has its code before them may go on from the draft: otherwise the next save
        # would write over what another window has saved.
        version = draft.version
    return Desk(
        exercise=of(lab),
        code=handed_in
        or CodeForm(initial={"code": draft.code}, parameters=lab.parameters, drawn={}),
        version=version,
        saved_at=draft.saved_at,
        key=uuid.uuid4(),
        past=list(Run.objects.owned_by(student).filter(lab=lab).in_lists()[:10]),
    )


# What of an exercise and its reading the ladder shows, without their long texts.
RUNG = (
    *("key", "kind", "number", "title", "question", "minutes", "activity_id"),
    *("resource__key", "resource__title"),
)


@dataclass(frozen=True)
class Rung:
    """An exercise on the ladder and how a student stands with it."""

    lab: Lab
    tries: int
    passed: bool
    best: float | None


def ladder(student: User) -> list[Rung]:
    """Every exercise from the lowest rung, with how the student stands. Two queries."""
    labs = Lab.objects.visible_to(student).exercises().select_related("resource")
    tried = _tried(student)
    return [_rung(lab, tried) for lab in labs.only(*RUNG).order_by("number")]


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


def parts(lab: Lab, student: User) -> list[Rung]:
    """The earlier rungs that this one is put together from, for the capstone."""
    keys = [key for _, key in of(lab).parts]
    if not keys:
        return []
    visible = Lab.objects.visible_to(student).select_related("resource").only(*RUNG)
    labs = {lab.key: lab for lab in visible.filter(key__in=keys)}
    tried = _tried(student)
    return [_rung(labs[key], tried) for key in dict.fromkeys(keys) if key in labs]


def assembled(lab: Lab, student: User) -> str:
    """The starter with the student's own last passing answers to the earlier rungs put in.

    Raises ValueError where one of them cannot be taken apart.
    """
    exercise = of(lab)
    passing = (
        Run.objects.owned_by(student)
        .filter(lab__key__in=[key for _, key in exercise.parts], result__passed=True)
        .order_by("created_at")
    )
    answers = {key: choices["code"] for key, choices in passing.values_list("lab__key", "choices")}
    return assemble(answers, exercise.starter, owners=dict(exercise.parts))
