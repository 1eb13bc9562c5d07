"""Numbers in, plotly figure out: each chart carries the table that says the same in digits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Cell = str | int | float | None
Trace = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A plotly figure as plain data, with its table. `caption` says in words what it shows."""

    key: str
    title: str
    caption: str
    traces: Sequence[Trace]
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    layout: dict[str, Any] = field(default_factory=dict)

    @property
    def element_id(self) -> str:
        """The id of the page element that holds the figure."""
        return f"chart-{self.key}"

    @property
    def figure(self) -> dict[str, Any]:
        return {"data": list(self.traces), "layout": dict(self.layout)}


def axis(title: str, *, log: bool = False) -> dict[str, Any]:
    """A plotly axis with its title and unit, e.g. "Size (KiB)"."""
    return {"title": {"text": title}, "type": "log" if log else "linear"}


def named_axis(title: str) -> dict[str, Any]:
    """An axis of names in the order given."""
    return {"title": {"text": title}, "type": "category"}


def bars(name: str, x: Sequence[Cell], y: Sequence[Cell]) -> Trace:
    return {"type": "bar", "name": name, "x": list(x), "y": list(y)}


def points(
    name: str,
    x: Sequence[Cell],
    y: Sequence[Cell],
    *,
    y_error: Sequence[float] | None = None,
    text: Sequence[str] | None = None,
    size: Sequence[float] | None = None,
    line: bool = False,
) -> Trace:
    """Points, joined by a line if asked; `y_error` is one standard error, drawn as a bar."""
    trace: Trace = {
        "type": "scatter",
        "mode": ("lines+markers" if line else "markers") + ("+text" if text else ""),
        "name": name,
        "x": list(x),
        "y": list(y),
    }
    if text:
        trace |= {"text": list(text), "textposition": "top center"}
    if y_error:
        trace["error_y"] = {"type": "data", "array": list(y_error), "visible": True}
    if size:
        trace["marker"] = {"size": list(size)}
    return trace
