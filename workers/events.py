"""What a running kind tells the world, one small frozen dataclass each.

A kind is a generator: it yields these and returns its result. They cross the pipe from the child
process, then Redis, then the browser, as the JSON objects that `to_json` gives.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Phase:
    """A named part of the work has begun, in words for a person: "Loading the model"."""

    name: str


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units, e.g. 12 of 38 tensors."""

    done: int
    total: int
    unit: str


@dataclass(frozen=True)
class Point:
    """One point of a metric series; `low` and `high` bound its band (one standard error)."""

    series: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A token that could have come next. `probability` is of the raw softmax, in [0, 1]."""

    token: int
    text: str
    probability: float


@dataclass(frozen=True)
class Token:
    """A generated token with the most probable candidates at its step, best first."""

    token: int
    text: str
    probability: float
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Log:
    """A line of the engine's own log."""

    line: str


Event = Phase | Progress | Point | Token | Log
TYPES: dict[str, type[Event]] = {
    "phase": Phase,
    "progress": Progress,
    "point": Point,
    "token": Token,
    "log": Log,
}
NAMES = {cls: name for name, cls in TYPES.items()}


def to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object; its "type" names the class in lower case."""
    return {"type": NAMES[type(event)], **asdict(event)}
