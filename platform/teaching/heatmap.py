"""A cohort at a glance: students by units, how far each is and when something happened last.

The number of queries depends neither on how many students a cohort has nor on how many units
the course has.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from courses.models import Activity, Evidence, ObjectiveEarned, Place, QuizAttempt, Resource
from labs.models import Run
from people.models import Cohort, User

# A week without a sign of life is what an instructor asks about first.
QUIET = timedelta(days=7)
# Tries at one activity without a pass, after which a student counts as stuck.
STUCK = 3


class Kind(StrEnum):
    RESOURCE = "resource"
    ACTIVITY = "activity"


class State(StrEnum):
    NONE = "none"
    BEGUN = "begun"
    TRIED = "tried"
    PASSED = "passed"


@dataclass(frozen=True)
class Unit:
    """A column: a resource or an activity. `objectives` is how many a resource has."""

    kind: Kind
    pk: int
    key: str
    title: str
    eyebrow: str
    module: str
    objectives: int = 0


@dataclass(frozen=True)
class Cell:
    """What one student did in one unit.

    `best` is the best score as a share of 1; `tries` counts the evidence of an activity;
    `earned` counts the objectives of a resource.
    """

    unit: Unit
    state: State = State.NONE
    best: float | None = None
    tries: int = 0
    earned: int = 0
    last: datetime | None = None

    @property
    def is_stuck(self) -> bool:
        return self.state is State.TRIED and self.tries >= STUCK

    @property
    def label(self) -> str:
        if self.state is State.NONE:
            return "Nothing yet"
        if self.unit.kind is Kind.RESOURCE:
            return f"{self.earned} of {self.unit.objectives}" if self.earned else "Read in"
        if self.best is None:
            return "Begun"
        return f"{'Passed' if self.state is State.PASSED else 'Not yet'} {percent(self.best)}"


@dataclass(frozen=True)
class Row:
    student: User
    cells: tuple[Cell, ...]
    last: datetime | None
    worries: tuple[str, ...]

    @property
    def passed(self) -> int:
        return sum(
            cell.state is State.PASSED for cell in self.cells if cell.unit.kind is Kind.ACTIVITY
        )


@dataclass(frozen=True)
class HeatMap:
    units: tuple[Unit, ...]
    rows: tuple[Row, ...]
    at: datetime

    @property
    def activities(self) -> int:
        return sum(unit.kind is Kind.ACTIVITY for unit in self.units)

    @property
    def modules(self) -> list[tuple[str, int]]:
        """Each module's title and how many columns it spans."""
        spans: dict[str, int] = {}
        for unit in self.units:
            spans[unit.module] = spans.get(unit.module, 0) + 1
        return list(spans.items())

    @property
    def worrying(self) -> list[Row]:
        """The students to ask after, those silent for longest first."""
        silent = datetime.min.replace(tzinfo=self.at.tzinfo)
        return sorted((row for row in self.rows if row.worries), key=lambda row: row.last or silent)


def percent(share: float) -> str:
    """A share of 1 in whole per cent, rounded down: 79.9 % is shown as less than a mark of 80."""
    return f"{math.floor(share * 100 + 1e-9)}\N{NO-BREAK SPACE}%"


def ago(then: datetime, at: datetime) -> str:
    """How many calendar days back, in words: today, yesterday, 5 days ago."""
    days = (timezone.localdate(at) - timezone.localdate(then)).days
    if days < 1:
        return "today"
    return "yesterday" if days == 1 else f"{days} days ago"


def units() -> tuple[Unit, ...]:
    """The columns, module by module: each resource, then the activities that belong to it."""
    resources = (
        Resource.objects.published()
        .filter(module__retired=False)
        .select_related("module")
        .defer("body", "body_html", "data", "html", "near", "why", "module__plan")
        .annotate(objective_count=Count("objectives"))
    )
    activities = (
        Activity.objects.published()
        .filter(planned=False, module__retired=False)
        .exclude(url="")
        .select_related("module", "quiz__resource", "lab__resource")
        .only(
            *("kind", "key", "title", "position", "module__number", "module__title"),
            *("module__position", "quiz__resource__position", "lab__resource__position"),
        )
    )
    placed: list[tuple[tuple[int, float, int, int], Unit]] = []
    for resource in resources:
        column = Unit(
            kind=Kind.RESOURCE,
            pk=resource.pk,
            key=resource.key,
            title=resource.title,
            eyebrow=resource.get_type_display(),
            module=str(resource.module),
            objectives=resource.objective_count,
        )
        placed.append(((resource.module.position, resource.position, 0, 0), column))
    for activity in activities:
        column = Unit(
            kind=Kind.ACTIVITY,
            pk=activity.pk,
            key=activity.key,
            title=activity.title,
            eyebrow=activity.kind.capitalize(),
            module=str(activity.module),
        )
        about = resource_of(activity)
        # One reads, then answers, then measures; what is about no resource stands last.
        order = (
            activity.module.position if activity.module else 0,
            about.position if about else math.inf,
            1 if activity.kind == "quiz" else 2,
            activity.position,
        )
        placed.append((order, column))
    return tuple(column for _, column in sorted(placed, key=lambda pair: pair[0]))


def resource_of(activity: Activity) -> Resource | None:
    """The resource a quiz or a lab is about, if it is about one."""
    if hasattr(activity, "quiz"):
        return activity.quiz.resource
    if hasattr(activity, "lab"):
        return activity.lab.resource
    return None


def build(cohort: Cohort, *, at: datetime) -> HeatMap:
    """The heat map of a cohort as it stands at `at`."""
    students = User.objects.filter(memberships__cohort=cohort)
    columns = units()
    cells = {**activity_facts(students), **resource_facts(students)}
    ordered = sorted(students, key=lambda student: student.name.casefold())
    return HeatMap(
        units=columns,
        rows=tuple(_row(student, columns, cells, at) for student in ordered),
        at=at,
    )


Facts = dict[tuple[int, Kind, int], dict[str, Any]]


def activity_facts(students: QuerySet[User]) -> Facts:
    """What is known of each student and activity, by (student, kind, activity)."""
    facts: Facts = {}
    mine = Q(student__in=students)
    evidence = (
        Evidence.objects.filter(mine)
        .values("student", unit=F("activity"))
        .annotate(
            best=Max("score"),
            best_passed=Max("score", filter=Q(passed=True)),
            tries=Count("pk"),
            last=Max("created_at"),
        )
    )
    attempts = (
        QuizAttempt.objects.filter(mine)
        .values("student", unit=F("quiz__activity"))
        .annotate(last=Max("started_at"))
    )
    runs = (
        Run.objects.filter(mine)
        .values("student", unit=F("lab__activity"))
        .annotate(last=Max("created_at"))
    )
    for found in _chain(evidence, attempts, runs):
        fact = facts.setdefault((found["student"], Kind.ACTIVITY, found["unit"]), {})
        fact.update(found, last=_latest(fact.get("last"), found["last"]))
    return facts


def resource_facts(students: QuerySet[User]) -> Facts:
    """What is known of each student and resource, by (student, kind, resource)."""
    facts: Facts = {}
    mine = Q(student__in=students)
    places = Place.objects.filter(mine).values("student", unit=F("resource"), last=F("at"))
    earned = (
        ObjectiveEarned.objects.filter(mine)
        .values("student", unit=F("objective__resource"))
        .annotate(earned=Count("pk"), last=Max("earned_at"))
    )
    for found in _chain(places, earned):
        fact = facts.setdefault((found["student"], Kind.RESOURCE, found["unit"]), {})
        fact.update(found, last=_latest(fact.get("last"), found["last"]))
    return facts


def cell(unit: Unit, fact: dict[str, Any]) -> Cell:
    if not fact:
        return Cell(unit)
    if unit.kind is Kind.RESOURCE:
        earned = fact.get("earned", 0)
        whole = bool(unit.objectives) and earned >= unit.objectives
        state = State.PASSED if whole else State.TRIED if earned else State.BEGUN
        return Cell(unit, state, earned=earned, last=fact["last"])
    tries = fact.get("tries", 0)
    passed = fact.get("best_passed") is not None
    state = State.PASSED if passed else State.TRIED if tries else State.BEGUN
    best = fact["best_passed"] if passed else fact.get("best")
    return Cell(unit, state, best=best, tries=tries, last=fact["last"])


def _row(student: User, columns: tuple[Unit, ...], facts: Facts, at: datetime) -> Row:
    cells = tuple(cell(unit, facts.get((student.pk, unit.kind, unit.pk), {})) for unit in columns)
    last = max((cell.last for cell in cells if cell.last), default=None)
    return Row(student, cells, last, tuple(_worries(cells, last, at)))


def _worries(cells: tuple[Cell, ...], last: datetime | None, at: datetime) -> Iterator[str]:
    activities = [cell for cell in cells if cell.unit.kind is Kind.ACTIVITY]
    if last is None:
        yield "has not begun"
    elif at - last > QUIET and any(cell.state is not State.PASSED for cell in activities):
        yield f"last active {ago(last, at)}"
    for stuck in activities:
        if stuck.is_stuck:
            yield f"{stuck.tries} tries at {stuck.unit.title}, none passed"


def _latest(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _chain(*querysets: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for queryset in querysets:
        yield from queryset
