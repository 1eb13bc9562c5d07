"""The table of a benchmark: its rows, and the page of the documentation that shows it."""

import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

COLUMNS = ("", "p50", "p95", "Multiple", "Handler alone", "Queries", "Aim", "")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line. `multiple` is of what the text under the table says; `met` is None without aim.

    `alone` is a page's multiple without what serving it through ASGI costs.
    """

    part: str
    what: str
    p50: str = ""
    p95: str = ""
    multiple: float | None = None
    alone: float | None = None
    queries: int | None = None
    aim: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        verdict = "" if self.met is None else "met" if self.met else "missed"
        queries = "" if self.queries is None else str(self.queries)
        ratios = (
            "" if ratio is None else f"{ratio:.2f} x" for ratio in (self.multiple, self.alone)
        )
        return self.what, self.p50, self.p95, *ratios, queries, self.aim, verdict


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class Times(TypedDict):
    """The columns that tell how long something takes."""

    p50: str
    p95: str


def times(seconds: Sequence[float]) -> Times:
    """The columns p50 and p95 of some times, in milliseconds."""
    return {
        "p50": f"{statistics.median(seconds) * 1e3:.1f} ms",
        "p95": f"{percentile(seconds, 0.95) * 1e3:.1f} ms",
    }


def markdown(rows: Sequence[Row]) -> str:
    """One table, with a line of its own wherever a part begins."""
    lines = [COLUMNS, ("---", *["---:"] * 5, "---", "---")]
    part = ""
    for row in rows:
        if row.part != part:
            part = row.part
            lines.append((f"**{part}**", *[""] * 7))
        lines.append(row.cells())
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(rows: Sequence[Row], machine: dict[str, Any], load: float, at: datetime) -> str:
    """The document: what was measured where and when, and how to read it.

    `machine` is the engine's fingerprint, `load` the machine's load average when all began.
    """
    return PAGE.format(
        table=markdown(rows),
        date=f"{at:%Y-%m-%d %H:%M} UTC",
        cpu=machine["cpu"],
        cores=machine["cores"],
        architecture=machine["architecture"],
        memory=machine["memory_mib"] / 1024,
        llama_cpp=machine["llama_cpp"],
        llama_cpp_python=machine["llama_cpp_python"],
        key=machine["key"],
        load=load,
        system=os.uname().release,
    )


PAGE = """\
# Performance

Written by `make bench`, which measures everything anew. Nothing here is typed by hand.

- Date: {date}
- Machine: {cpu}, {cores} cores, {memory:.1f} GiB, {architecture}, Linux {system}; fingerprint {key}
- Engine: llama.cpp {llama_cpp}, llama-cpp-python {llama_cpp_python}
- Load average when it began: {load:.1f}. The machine was shared with other work: the multiples
  were measured in turns within one run and hold; times in milliseconds are those of that hour.

{table}

## How to read it

**Engine.** One thread. A multiple is our cost over that of llama.cpp's own tool: CPU seconds per
token, the median of interleaved pairs, without loading and warm-up; for perplexity wall time, best
over best. The random model has 56.6 million parameters in F32. Without the native tools
(`make native` builds them) these multiples are missing.

**A live campus.** A whole campus is started for it: Redis, workers, web server. Students sign in
over HTTP and submit Lab 2 as a browser does: POST, redirect, the run's page, its event stream.
The first event is the first that comes from the engine; “queued” does not count. Beyond the
engine's own time is what is left of the time from the POST until the page with the result is
there, after taking off what the same request takes when the engine is called directly, in a warm
process, right after it.

**Code, judged.** Submissions of the RMSNorm exercise, model solution, through the sandbox: from the
POST until the verdict is on the page. Then as many as twenty students at the same instant, while
another student turns pages of the course; that multiple is of the same page on the idle campus.

**Pages.** In process, through the same ASGI application and middleware as on the web server, with
a thread and a database connection a request, as there. A multiple is the median CPU time over that
of a bare view, measured in turns: signed in, one query, a line of text. That view costs three
queries, for session and person take one each. CPU time, because on a shared machine the wall clock
also measures the others. “Handler alone” is the same without the server's share: the synchronous
handler is called in one thread that keeps its connection. The bare view then costs about half as
much, so every multiple is higher; the aims are held against pages as they are served. The cohort
has thirty students.

**Under load.** Twenty submissions of twenty students in the same instant, and two writers that each
read, then write, in one transaction, as fast as they can, beside the live campus.
"""
