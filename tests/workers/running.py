"""Running a kind of work to its end inside a test."""

from collections.abc import Generator
from typing import TypeVar

from workers.events import Event

Result = TypeVar("Result")


def finish(work: Generator[Event, None, Result]) -> tuple[list[Event], Result]:
    """All events of the work, and its result."""
    events = []
    try:
        while True:
            events.append(next(work))
    except StopIteration as end:
        return events, end.value
