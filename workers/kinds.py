"""The kinds of work the engine can do: name, request, function.

A kind is one module: a frozen request dataclass that checks itself (BadRequestError), a frozen
result dataclass, and a generator that yields events and returns the result.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from workers import bench, exhibit, generate, inspection, ladder, perplexity, quantize, sleep
from workers.events import Event
from workers.exercises import grading


@dataclass(frozen=True)
class Kind:
    """`run(request)` yields events and returns a frozen dataclass."""

    name: str
    request: type[Any]
    run: Callable[[Any], Generator[Event, None, Any]]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("inspect", inspection.Inspect, inspection.inspect),
        Kind("quantize", quantize.Quantize, quantize.quantize),
        Kind("perplexity", perplexity.MeasurePerplexity, perplexity.perplexity),
        Kind("bench", bench.Bench, bench.bench),
        Kind("generate", generate.Generate, generate.generate),
        Kind("ladder", ladder.MeasureLadder, ladder.ladder),
        Kind("exhibit", exhibit.MakeExhibit, exhibit.exhibit),
        Kind("code", grading.GradeCode, grading.grade),
        Kind("sleep", sleep.Sleep, sleep.sleep),
    )
}
