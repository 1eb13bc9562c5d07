"""Where a student stands in the course, and what comes next: read from the database, not stored."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from courses.models import (
    Activity,
    Checkpoint,
    Evidence,
    Gate,
    Module,
    Objective,
    Place,
    QuizAttempt,
    Resource,
)
from people.models import User

# Which activities earn an objective, and which open a gate: one query brings both ends.
Link = Objective.activities.through
GateLink = Gate.activities.through
# What pages show of both ends.
LINKED = (
    *("objective__key", "objective__text_html", "objective__position", "objective__resource"),
    *("activity__key", "activity__kind", "activity__title", "activity__url", "activity__minutes"),
    *("activity__position", "activity__planned", "activity__retired", "activity__module"),
)


@dataclass(frozen=True)
class Record:
    """What a student has: of each activity the best evidence and the first pass, places read.

    `best` and `passes` are by the primary keys of activities, `places` by those of resources, the
    latest first. `evidence` is all of it, the latest first too.
    """

    best: dict[int, Evidence]
    passes: dict[int, Evidence]
    places: dict[int, Place]
    evidence: tuple[Evidence, ...] = ()

    @classmethod
    def of(cls, evidence: Iterable[Evidence], places: Iterable[Place]) -> "Record":
        best: dict[int, Evidence] = {}
        passes: dict[int, Evidence] = {}
        rows = sorted(evidence, key=lambda row: row.pk)
        for row in rows:
            if row.passed:
                passes.setdefault(row.activity_id, row)
            known = best.get(row.activity_id)
            if known is None or (row.passed, row.score) >= (known.passed, known.score):
                best[row.activity_id] = row
        return cls(
            best, passes, {place.resource_id: place for place in places}, tuple(reversed(rows))
        )


def record_of(user: User | AnonymousUser) -> Record:
    """Two queries, whatever the size of the course; none for somebody who is not signed in."""
    if not isinstance(user, User):
        return Record({}, {}, {})
    return Record.of(
        Evidence.objects.filter(student=user).select_related("activity"),
        Place.objects.filter(student=user).order_by("-at"),
    )


@dataclass(frozen=True)
class Aim:
    """An objective, what can earn it, and the evidence that did: the first pass of any of them.

    That is what progress.py stores as ObjectiveEarned.
    """

    objective: Objective
    activities: list[Activity]
    earned: Evidence | None


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
    def is_answered(self) -> bool:
        """Whether its quizzes are passed: with or without having read it, it is known."""
        quizzes = [passed for activity, passed in self.activities if activity.kind == "quiz"]
        return all(quizzes) if quizzes else self.place is not None

    def without(self, kinds: Collection[str]) -> "Unit":
        """The unit on a path that leaves activities of these kinds out."""
        if not kinds:
            return self
        return replace(
            self,
            aims=[
                replace(aim, activities=[a for a in aim.activities if a.kind not in kinds])
                for aim in self.aims
            ],
            activities=[pair for pair in self.activities if pair[0].kind not in kinds],
        )

    @property
    def is_done(self) -> bool:
        """Whether all is earned that can be: what is announced for later holds nobody up."""
        return bool(self.earned) and all(
            aim.earned or not any(activity.is_open for activity in aim.activities)
            for aim in self.aims
        )


def units(resources: QuerySet[Resource], record: Record) -> list[Unit]:
    """The resources as units, in their order, without their long texts. Two queries."""
    rows = list(resources.defer("body", "body_html", "data", "html", "near", "why"))
    links = links_of(rows)
    return [unit(resource, links.get(resource.pk, ()), record) for resource in rows]


def links_of(resources: Collection[Resource]) -> dict[int, list[Any]]:
    """The links of the resources' objectives to activities, by resource. One query."""
    found: dict[int, list[Any]] = {}
    links = Link.objects.filter(objective__resource__in=[resource.pk for resource in resources])
    rows = links.select_related("objective", "activity").only(*LINKED)
    for link in rows.order_by("objective__position"):
        found.setdefault(link.objective.resource_id, []).append(link)
    return found


def unit(resource: Resource, links: Iterable[Any], record: Record) -> Unit:
    """One resource with its objectives, from their links in order."""
    aims = []
    distinct: dict[int, Activity] = {}
    for _objective, group in groupby(links, key=lambda link: link.objective_id):
        own = list(group)
        activities = sorted((link.activity for link in own), key=_order)
        distinct |= {activity.pk: activity for activity in activities}
        passes = [record.passes[item.pk] for item in activities if item.pk in record.passes]
        earned = min(passes, key=lambda evidence: evidence.pk, default=None)
        aims.append(Aim(own[0].objective, activities, earned))
    return Unit(
        resource=resource,
        aims=aims,
        activities=[
            (activity, activity.pk in record.passes)
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


def barrier(gate: Gate, activities: Iterable[Activity], record: Record) -> Barrier:
    ordered = sorted(activities, key=_order)
    evidence = [record.best[item.pk] for item in ordered if item.pk in record.best]
    best = max(evidence, key=lambda row: (row.passed, row.score), default=None)
    return Barrier(gate, ordered, best)


@dataclass(frozen=True)
class Stop:
    """A checkpoint and how it stands."""

    checkpoint: Checkpoint
    barriers: list[Barrier]

    @property
    def passed(self) -> int:
        return sum(barrier.is_passed for barrier in self.barriers)

    @property
    def is_passed(self) -> bool:
        return self.passed == len(self.barriers)


def stops(record: Record, *, module: Module | None = None) -> list[Stop]:
    """The checkpoints of a module, or all, each with its gates. One query."""
    links = GateLink.objects.filter(gate__checkpoint__retired=False)
    if module:
        links = links.filter(gate__checkpoint__module=module)
    ordered = links.select_related("gate__checkpoint", "activity").order_by(
        "gate__checkpoint__module__position", "gate__checkpoint__number", "gate__position"
    )
    found: dict[int, Stop] = {}
    for _gate, group in groupby(ordered, key=lambda link: link.gate_id):
        own = list(group)
        gate: Gate = own[0].gate
        stop = found.setdefault(gate.checkpoint_id, Stop(gate.checkpoint, []))
        stop.barriers.append(barrier(gate, [link.activity for link in own], record))
    return list(found.values())


@dataclass(frozen=True)
class Step:
    """One thing to do next: what it is, the words of its button, and why this one.

    `reading` is the key of the resource that it belongs to.
    """

    title: str
    action: str
    url: str
    reason: str
    minutes: int = 0
    reading: str = ""


ACTIONS = {"quiz": "Take the quiz", "lab": "Do the lab", "exercise": "Write the code"}


def next_step(
    agenda: Iterable[Unit | Stop], record: Record, *, open_attempt: QuizAttempt | None = None
) -> Step | None:
    """The first thing undone: an attempt begun, else what comes first in the agenda."""
    if open_attempt:
        return Step(
            f"Quiz: {open_attempt.quiz.title}",
            f"Go on with attempt {open_attempt.number}",
            open_attempt.get_absolute_url(),
            "It is open, and your answers so far are kept.",
        )
    steps = (
        _step_of(item, record) if isinstance(item, Unit) else _step_at(item) for item in agenda
    )
    return next((step for step in steps if step), None)


def _step_of(unit: Unit, record: Record) -> Step | None:
    """What is next in a reading: to read it, then what earns its objectives."""
    resource = unit.resource
    if unit.is_done:
        return None
    if unit.place is None and not unit.earned:
        url = resource.get_absolute_url()
        action = "Watch it" if resource.type == Resource.Type.VIDEO else "Read it"
        reason = "Next in the module."
        return Step(resource.title, action, url, reason, resource.minutes, resource.key)
    for activity, passed in unit.activities:
        if activity.is_open and not passed:
            tried = "Not passed yet; it" if activity.pk in record.best else "It"
            return Step(
                activity.title,
                ACTIONS.get(activity.kind, "Do it"),
                activity.url,
                f"{tried} earns objectives of {resource.title}.",
                activity.minutes,
                resource.key,
            )
    return None


def _step_at(stop: Stop) -> Step | None:
    if not any(barrier.can_be_tried and not barrier.is_passed for barrier in stop.barriers):
        return None
    url = stop.checkpoint.get_absolute_url()
    reason = "Not all of its gates are open yet."
    return Step(str(stop.checkpoint), "Go to the checkpoint", url, reason)
