"""Where a student stands in the course, and what comes next: read from the database, not stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from courses.models import (
    Activity,
    Checkpoint,
    Evidence,
    Gate,
    Module,
    Objective,
    ObjectiveEarned,
    Place,
    QuizAttempt,
    Resource,
)
from people.models import User


@dataclass(frozen=True)
class Record:
    """What a student has: earned objectives, the best evidence of each activity, places read.

    `earned` and `best` are by the primary keys of objectives and activities, `places` by those of
    resources, the latest first.
    """

    earned: dict[int, ObjectiveEarned]
    best: dict[int, Evidence]
    places: dict[int, Place]

    def has_passed(self, activity: Activity) -> bool:
        evidence = self.best.get(activity.pk)
        return evidence is not None and evidence.passed


def record_of(user: User | AnonymousUser) -> Record:
    """Three queries, whatever the size of the course; none for somebody who is not signed in."""
    if not user.is_authenticated:
        return Record({}, {}, {})
    earned = ObjectiveEarned.objects.filter(student=user).select_related("evidence")
    # The last of an activity in this order is its best.
    evidence = Evidence.objects.filter(student=user).order_by("passed", "score", "pk")
    places = Place.objects.filter(student=user).order_by("-at")
    return Record(
        earned={row.objective_id: row for row in earned},
        best={row.activity_id: row for row in evidence},
        places={row.resource_id: row for row in places},
    )


@dataclass(frozen=True)
class Aim:
    """An objective, and whether and how it is earned."""

    objective: Objective
    activities: list[Activity]
    earned: ObjectiveEarned | None


@dataclass(frozen=True)
class Unit:
    """A resource with its objectives and the activities that earn them."""

    resource: Resource
    aims: list[Aim]
    activities: list[tuple[Activity, bool]]
    place: Place | None

    @property
    def earned(self) -> int:
        return sum(aim.earned is not None for aim in self.aims)

    @property
    def is_done(self) -> bool:
        return self.earned == len(self.aims)


def outlined(resources: QuerySet[Resource]) -> QuerySet[Resource]:
    """The resources with all that a list of them shows, without their long texts."""
    return (
        resources.defer("body", "body_html", "data", "html", "why")
        .select_related("module")
        .prefetch_related("objectives__activities")
    )


def unit(resource: Resource, record: Record) -> Unit:
    aims = [
        Aim(
            objective,
            sorted(objective.activities.all(), key=_order),
            record.earned.get(objective.pk),
        )
        for objective in resource.objectives.all()
    ]
    distinct = {activity.pk: activity for aim in aims for activity in aim.activities}
    return Unit(
        resource=resource,
        aims=aims,
        activities=[
            (activity, record.has_passed(activity))
            for activity in sorted(distinct.values(), key=_order)
        ],
        place=record.places.get(resource.pk),
    )


def _order(activity: Activity) -> tuple[bool, str, int, str]:
    """What can be done now first; quizzes before labs, for they follow the reading at once."""
    return (
        not activity.is_open,
        {"quiz": ""}.get(activity.kind, "z"),
        activity.position,
        activity.key,
    )


@dataclass(frozen=True)
class Barrier:
    """A gate, its activities, and the evidence that opened it or came closest."""

    gate: Gate
    activities: list[Activity]
    best: Evidence | None

    @property
    def is_passed(self) -> bool:
        return self.best is not None and self.best.passed

    @property
    def can_be_tried(self) -> bool:
        return any(activity.is_open for activity in self.activities)


def barrier(gate: Gate, record: Record) -> Barrier:
    activities = sorted(gate.activities.all(), key=_order)
    evidence = [record.best[item.pk] for item in activities if item.pk in record.best]
    best = max(evidence, key=lambda row: (row.passed, row.score), default=None)
    return Barrier(gate, activities, best)


def checkpoints(
    record: Record, *, module: Module | None = None
) -> list[tuple[Checkpoint, list[Barrier]]]:
    """The checkpoints of a module, or all, each with its gates. Two queries."""
    gates = (
        Gate.objects.filter(checkpoint__retired=False)
        .select_related("checkpoint")
        .prefetch_related("activities")
        .order_by("checkpoint__module__position", "checkpoint__number", "position")
    )
    if module:
        gates = gates.filter(checkpoint__module=module)
    return [
        (checkpoint, [barrier(gate, record) for gate in group])
        for checkpoint, group in groupby(gates, key=lambda gate: gate.checkpoint)
    ]


@dataclass(frozen=True)
class Step:
    """One thing to do next, and why this one."""

    verb: str
    title: str
    url: str
    reason: str
    minutes: int = 0


def next_step(
    units: Sequence[Unit],
    record: Record,
    *,
    open_attempt: QuizAttempt | None = None,
    checkpoints: Iterable[tuple[Checkpoint, list[Barrier]]] = (),
) -> Step | None:
    """The first thing undone: an attempt begun, then reading by reading, then the checkpoints."""
    if open_attempt:
        quiz = open_attempt.quiz
        return Step(
            "Go on with",
            quiz.title,
            open_attempt.get_absolute_url(),
            f"Attempt {open_attempt.number} is open; your answers so far are kept.",
        )
    for item in units:
        if item.is_done:
            continue
        resource = item.resource
        if item.place is None:
            url = resource.get_absolute_url()
            return Step("Read", resource.title, url, "Next in the module.", resource.minutes)
        for activity, passed in item.activities:
            if activity.is_open and not passed:
                tried = activity.pk in record.best
                reason = (
                    f"Not passed yet; it belongs to {resource.title}."
                    if tried
                    else f"It earns objectives of {resource.title}."
                )
                verb = {"quiz": "Take the quiz", "lab": "Do the lab"}.get(activity.kind, "Do")
                return Step(verb, activity.title, activity.url, reason, activity.minutes)
    for checkpoint, gates in checkpoints:
        if any(gate.can_be_tried and not gate.is_passed for gate in gates):
            url = checkpoint.get_absolute_url()
            return Step("Pass", str(checkpoint), url, "Its gates are not all open yet.")
    return None
