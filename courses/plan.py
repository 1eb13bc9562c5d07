"""The plan of a module with dates: the day blocks of the file, for one student's path and hours.

The file says in which order and in what proportion the blocks come; a student's path decides what
is in them, and the hours a week how long they last. Nothing is stored but the choice itself.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from courses import paths
from courses.models import Activity, Module, StudyPlan
from courses.standing import Record, Stop, Unit

DAYS_A_WEEK = 7
# Faster than this, and a block of two days would be none.
SHORTEST = 0.5
# What a coded exercise takes while nobody has done it yet.
EXERCISE_MINUTES = 45


@dataclass(frozen=True)
class Task:
    """Something to do in a block. `planned` marks what is announced and not there yet."""

    title: str
    url: str
    kind: str
    minutes: int
    done: bool
    planned: bool = False

    @property
    def counts(self) -> bool:
        """Whether leaving it undone makes somebody late."""
        return self.kind != "extra" and not self.planned


@dataclass(frozen=True)
class Block:
    """Some days with what is done in them; `last` is the day it should be finished."""

    week: int
    title: str
    goal: str
    first: date
    last: date
    tasks: tuple[Task, ...]

    @property
    def minutes(self) -> int:
        """Without what is read only if one likes."""
        return sum(task.minutes for task in self.tasks if task.kind != "extra")

    @property
    def is_done(self) -> bool:
        return all(task.done for task in self.tasks if task.counts)


@dataclass(frozen=True)
class Schedule:
    """The whole plan on a day, and how a student stands against it."""

    plan: StudyPlan
    blocks: list[Block]
    today: date

    @property
    def minutes(self) -> int:
        return sum(block.minutes for block in self.blocks)

    @property
    def ends_on(self) -> date:
        """Without a block on the day it begins."""
        return self.blocks[-1].last if self.blocks else self.plan.starts_on

    @property
    def behind(self) -> list[Task]:
        """What should have been done before today and is not."""
        return [
            task
            for block in self.blocks
            if block.last < self.today
            for task in block.tasks
            if task.counts and not task.done
        ]

    @property
    def ahead(self) -> list[Task]:
        """What is done already and was not due before a later block."""
        return [
            task
            for block in self.blocks
            if block.first > self.today
            for task in block.tasks
            if task.counts and task.done
        ]

    @property
    def current(self) -> Block | None:
        """The block of today; before the start there is none."""
        return next(
            (block for block in self.blocks if block.first <= self.today <= block.last), None
        )

    @property
    def verdict(self) -> str:
        """Where the student stands, in words."""
        if behind := self.behind:
            minutes = sum(task.minutes for task in behind)
            return f"{_tasks(len(behind))} behind, about {minutes} minutes"
        if ahead := self.ahead:
            return f"{_tasks(len(ahead))} ahead"
        return "on time" if self.today >= self.plan.starts_on else "not begun yet"


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"


def schedule(
    plan: StudyPlan, units: Iterable[Unit], stops: Iterable[Stop], record: Record, *, on: date
) -> Schedule:
    """The dated plan. One query, for what is done beside the readings.

    `units` are the readings of the plan's path, `stops` the checkpoints of its module.
    """
    by_key = {unit.resource.key: unit for unit in units}
    activities = {activity.key: activity for activity in paths.practice(plan.path, plan.module)}
    barriers = {stop.checkpoint.key: stop for stop in stops}
    filled = [
        (week, block, _tasks_of(block, by_key, activities, barriers, record))
        for week in plan.module.plan.get("weeks", ())
        for block in week["blocks"]
    ]
    # What is read only if one likes takes nobody's days.
    every = (task for _week, _block, tasks in filled for task in tasks)
    minutes = sum(task.minutes for task in every if task.kind != "extra")
    nominal = DAYS_A_WEEK * len(plan.module.plan.get("weeks", ()))
    needed = DAYS_A_WEEK * minutes / 60 / plan.hours_a_week
    stretch = max(SHORTEST, needed / nominal) if nominal else 1.0
    blocks = []
    for week, block, tasks in filled:
        before = DAYS_A_WEEK * (week["number"] - 1)
        first = math.floor((before + min(block["days"]) - 1) * stretch)
        last = math.floor((before + max(block["days"])) * stretch) - 1
        if tasks:
            blocks.append(
                Block(
                    week=week["number"],
                    title=week["title"],
                    goal=block["goal"],
                    first=plan.starts_on + timedelta(days=first),
                    last=plan.starts_on + timedelta(days=max(first, last)),
                    tasks=tuple(tasks),
                )
            )
    return Schedule(plan, blocks, on)


def _tasks_of(
    block: Mapping[str, Any],
    units: Mapping[str, Unit],
    activities: Mapping[str, Activity],
    stops: Mapping[str, Stop],
    record: Record,
) -> list[Task]:
    tasks = [
        Task(
            title=unit.resource.title,
            url=unit.resource.get_absolute_url(),
            kind="reading",
            minutes=unit.resource.minutes_full,
            done=unit.is_answered,
        )
        for key in block["readings"]
        if (unit := units.get(key))
    ]
    tasks += [
        Task(
            title=activity.title,
            url=activity.url,
            kind=activity.kind,
            minutes=activity.minutes or EXERCISE_MINUTES,
            done=activity.pk in record.passes,
            planned=not activity.is_open,
        )
        for key in block["activities"]
        if (activity := activities.get(key))
    ]
    if tasks:
        tasks += [
            Task(item["title"], item["url"], "extra", item["minutes"], done=False)
            for item in block["extra"]
        ]
    if stop := stops.get(block["checkpoint"] or ""):
        tasks.append(
            Task(
                title=str(stop.checkpoint),
                url=stop.checkpoint.get_absolute_url(),
                kind="checkpoint",
                minutes=0,
                done=stop.is_passed,
            )
        )
    return tasks


def agenda(module: Module, units: Iterable[Unit], stops: Iterable[Stop]) -> list[Unit | Stop]:
    """The readings in their order, and each checkpoint where the plan has it."""
    places = {
        key: place
        for place, key in enumerate(
            key
            for week in module.plan.get("weeks", ())
            for block in week["blocks"]
            for key in (*block["readings"], block["checkpoint"])
            if key
        )
    }
    order: list[tuple[int, Unit | Stop]] = [
        *((places.get(unit.resource.key, len(places)), unit) for unit in units),
        *((places.get(stop.checkpoint.key, len(places)), stop) for stop in stops),
    ]
    return [item for _place, item in sorted(order, key=lambda pair: pair[0])]


def chosen(student_id: int, module: Module) -> StudyPlan | None:
    """The student's plan for a module, if there is one. One query."""
    plan = StudyPlan.objects.filter(student=student_id, module=module).first()
    if plan:
        plan.module = module
    return plan
