"""What a page shows of a run under way: the events folded into one snapshot."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Snapshot:
    """The state of a run's live view. Folding the same events again gives the same snapshot."""

    phase: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    tokens: list[dict[str, Any]] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[dict[str, Any]]) -> "Snapshot":
        snapshot = cls()
        for event in events:
            snapshot.take(event)
        return snapshot

    def take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "phase":
                self.phase, self.done, self.total = event["name"], 0, 0
            case "progress":
                self.done, self.total, self.unit = event["done"], event["total"], event["unit"]
            case "token":
                self.tokens.append(event)
            case "point":
                self.points.append(event)
            case "log":
                self.log.append(event["line"])
