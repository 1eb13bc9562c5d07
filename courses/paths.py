"""Paths through a module: how much of it somebody studies, as queries over stars and kinds.

A path is a view of the same course. Switching it moves nothing and loses nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from courses.models import Activity, AdvancedReading, Module, Path, Resource

VIDEO = Q(type=Resource.Type.VIDEO)


@dataclass(frozen=True)
class Rule:
    """Which readings a path has: as a query, and for one that is at hand."""

    fewest_stars: int
    videos: bool

    @property
    def query(self) -> Q:
        readings = Q(stars__gte=self.fewest_stars) & ~VIDEO
        return readings | VIDEO if self.videos else readings

    def holds(self, resource: Resource) -> bool:
        if resource.type == Resource.Type.VIDEO:
            return self.videos
        return resource.stars is not None and resource.stars >= self.fewest_stars


# The reading list has no one-star items, so Deep cannot be "everything down to one star".
RULES: Mapping[str, Rule] = {
    Path.FAST: Rule(fewest_stars=3, videos=False),
    Path.STANDARD: Rule(fewest_stars=2, videos=False),
    Path.DEEP: Rule(fewest_stars=1, videos=True),
}
PRACTICE = ("exercise", "lab")
# Fast asks for no code of one's own; an exercise earns there as everywhere, but is never next.
LEFT_OUT: Mapping[str, frozenset[str]] = {
    Path.FAST: frozenset(("exercise",)),
    Path.STANDARD: frozenset(),
    Path.DEEP: frozenset(),
}


def resources(path: str, module: Module) -> QuerySet[Resource]:
    """What is read and watched on a path."""
    return Resource.objects.published().filter(RULES[path].query, module=module)


def practice(path: str, module: Module) -> QuerySet[Activity]:
    """The labs and exercises of a path: on Fast those that take no code of one's own."""
    kinds = set(PRACTICE) - LEFT_OUT[path]
    return Activity.objects.published().filter(module=module, kind__in=kinds)


def advanced(path: str, module: Module) -> QuerySet[AdvancedReading]:
    """Deep goes on after the checkpoints."""
    every = AdvancedReading.objects.filter(module=module)
    return every if path == Path.DEEP else every.none()


def reading_minutes(path: str, module: Module) -> int:
    """What the originals take, as the reading list counts it."""
    total = resources(path, module).aggregate(total=Sum("minutes_full"))["total"]
    return int(total or 0)


@dataclass(frozen=True)
class Choice:
    """A path as one chooses it: what it is for and what it takes."""

    path: Path
    purpose: str
    readings: int
    minutes: int
    practice: int
    advanced: int

    @property
    def hours(self) -> float:
        return self.minutes / 60


PURPOSES: Mapping[str, str] = {
    Path.FAST: "The essentials: the three-star readings, our summaries first, and the labs.",
    Path.STANDARD: "Every reading, the labs and the exercises.",
    Path.DEEP: "All of Standard, the videos, every implementation, and the advanced readings.",
}


def choices(module: Module, resources: Iterable[Resource]) -> list[Choice]:
    """The three paths through a module with these resources. Two queries."""
    every = list(resources)
    kinds = Activity.objects.published().filter(module=module, kind__in=PRACTICE)
    by_kind = dict(kinds.order_by().values_list("kind").annotate(Count("pk")))
    further = list(AdvancedReading.objects.filter(module=module).values_list("minutes", flat=True))
    found = []
    for path in Path:
        own = [resource for resource in every if RULES[path].holds(resource)]
        beyond = further if path is Path.DEEP else []
        kinds_on_path = set(PRACTICE) - LEFT_OUT[path]
        found.append(
            Choice(
                path=path,
                purpose=PURPOSES[path],
                readings=len(own),
                minutes=sum(resource.minutes_full for resource in own) + sum(beyond),
                practice=sum(by_kind.get(kind, 0) for kind in kinds_on_path),
                advanced=len(beyond),
            )
        )
    return found
