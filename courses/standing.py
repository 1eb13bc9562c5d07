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


@dataclass(frozen=True)
class Stop:
    """A checkpoint and how it stands."""

    checkpoint: Checkpoint
    barriers: list[Barrier]

    @property
    def passed(self) -> int:
        return sum(barrier.is_passed for barrier in self.barriers)


def stops(record: Record, *, module: Module | None = None) -> list[Stop]:
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
        Stop(checkpoint, [barrier(gate, record) for gate in group])
        for checkpoint, group in groupby(gates, key=lambda gate: gate.checkpoint)
    ]


@dataclass(frozen=True)
class Step:
    """One thing to do next: what it is, the words of its button, and why this one."""

    title: str
    action: str
    url: str
    reason: str
    minutes: int = 0


ACTIONS = {"quiz": "Take the quiz", "lab": "Do the lab"}


def next_step(
    units: Sequence[Unit],
    record: Record,
    *,
    open_attempt: QuizAttempt | None = None,
    stops: Iterable[Stop] = (),
) -> Step | None:
    """The first thing undone: an attempt begun, then reading by reading, then the checkpoints."""
    if open_attempt:
        return Step(
            f"Quiz: {open_attempt.quiz.title}",
            f"Go on with attempt {open_attempt.number}",
            open_attempt.get_absolute_url(),
            "It is open, and your answers so far are kept.",
        )
    for item in units:
        resource = item.resource
        if not item.is_done and item.place is None:
            url = resource.get_absolute_url()
            return Step(resource.title, "Read it", url, "Next in the module.", resource.minutes)
        for activity, passed in item.activities:
            if not item.is_done and activity.is_open and not passed:
                tried = "Not passed yet; it" if activity.pk in record.best else "It"
                return Step(
                    activity.title,
                    ACTIONS.get(activity.kind, "Do it"),
                    activity.url,
                    f"{tried} earns objectives of {resource.title}.",
                    activity.minutes,
                )
    for stop in stops:
        if any(barrier.can_be_tried and not barrier.is_passed for barrier in stop.barriers):
            url = stop.checkpoint.get_absolute_url()
            reason = "Not all of its gates are open yet."
            return Step(str(stop.checkpoint), "Go to the checkpoint", url, reason)
    return None
