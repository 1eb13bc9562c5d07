"""A student in a module: the path chosen, the readings on it, and what comes next."""

from dataclasses import dataclass
from datetime import date

from django.contrib.auth.models import AnonymousUser

from courses import paths, standing
from courses import plan as plans
from courses.models import Module, Path, QuizAttempt, Resource, StudyPlan
from people.models import User


@dataclass(frozen=True)
class Track:
    """`units` are all readings of the module in their order; `on_path` those of the path."""

    module: Module
    plan: StudyPlan | None
    record: standing.Record
    units: list[standing.Unit]
    on_path: list[standing.Unit]
    stops: list[standing.Stop]

    @property
    def path(self) -> Path:
        """Who has not chosen yet is shown Standard."""
        return Path(self.plan.path) if self.plan else Path.STANDARD

    @property
    def beyond(self) -> list[standing.Unit]:
        """The readings that the path leaves out."""
        on_path = {unit.resource.pk for unit in self.on_path}
        return [unit for unit in self.units if unit.resource.pk not in on_path]

    @property
    def earned(self) -> int:
        return sum(unit.earned for unit in self.units)

    @property
    def total(self) -> int:
        return sum(len(unit.aims) for unit in self.units)

    def schedule(self, *, on: date) -> plans.Schedule | None:
        """The plan with dates, if there is one. One query."""
        if self.plan is None:
            return None
        return plans.schedule(self.plan, self.on_path, self.stops, self.record, on=on)

    def step(self, *, open_attempt: QuizAttempt | None = None) -> standing.Step | None:
        agenda = plans.agenda(self.module, self.on_path, self.stops)
        return standing.next_step(agenda, self.record, open_attempt=open_attempt)


def of(user: User | AnonymousUser, module: Module, *, chosen: StudyPlan | None = None) -> Track:
    """Six queries, whatever the size of the module; three for somebody who is not signed in."""
    if chosen is None and isinstance(user, User):
        chosen = plans.chosen(user.pk, module)
    return _track(user, module, chosen)


def current(user: User) -> Track | None:
    """The student in the module that is studied. Six queries, or seven without a plan."""
    first = Module.objects.published().filter(locked=False)[:1]
    plans = StudyPlan.objects.filter(student=user, module__in=first)
    chosen = plans.select_related("module").first()
    module = chosen.module if chosen else current_module()
    return _track(user, module, chosen) if module else None


def _track(user: User | AnonymousUser, module: Module, chosen: StudyPlan | None) -> Track:
    record = standing.record_of(user)
    units = standing.units(Resource.objects.published().filter(module=module), record)
    path = chosen.path if chosen else Path.STANDARD
    rule, left_out = paths.RULES[path], paths.LEFT_OUT[path]
    return Track(
        module=module,
        plan=chosen,
        record=record,
        units=units,
        on_path=[unit.without(left_out) for unit in units if rule.holds(unit.resource)],
        stops=standing.stops(record, module=module),
    )


def current_module() -> Module | None:
    """The module that is studied: the first one that is open."""
    return Module.objects.published().filter(locked=False).first()
