"""A kind that does nothing for a while: the smallest whole example of one, and a probe."""

import time
from collections.abc import Generator
from dataclasses import dataclass

from workers.errors import BadRequestError
from workers.events import Event, Phase, Progress


@dataclass(frozen=True)
class Sleep:
    """Sleep for `steps` steps of `seconds` each."""

    steps: int = 10
    seconds: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 10_000:
            raise BadRequestError(f"steps must lie between 1 and 10000, not {self.steps}.")
        if not 0 <= self.seconds <= 60:
            raise BadRequestError(f"seconds must lie between 0 and 60, not {self.seconds}.")


@dataclass(frozen=True)
class Slept:
    """How long it took by the monotonic clock, in seconds."""

    seconds: float


def sleep(request: Sleep) -> Generator[Event, None, Slept]:
    """Sleep step by step, with progress after each."""
    started = time.monotonic()
    yield Phase("Sleeping")
    for step in range(request.steps):
        time.sleep(request.seconds)
        yield Progress(step + 1, request.steps, "steps")
    return Slept(seconds=time.monotonic() - started)
