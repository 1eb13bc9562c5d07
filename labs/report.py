"""What a run's page shows: live while it works, the grade and the charts when it is done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from labs import kinds, runs, stream
from labs.charts import Chart
from labs.live import Snapshot
from labs.models import Run, State
from people.models import User


@dataclass(frozen=True)
class Report:
    """A run as a page shows it. `cursor` is where the live view goes on after a reload."""

    is_mine: bool
    template: str
    live: Snapshot
    cursor: str
    waiting: str
    transcript: list[kinds.Piece]
    charts: list[Chart]
    facts: list[tuple[str, str]]
    conclusion: kinds.LabForm | None


def of(run: Run, reader: User, conclusion: Mapping[str, Any] | None = None) -> Report:
    """The report on a run for a reader who may see it; `conclusion` is what was handed in."""
    is_mine = run.student_id == reader.pk
    events: list[stream.Event] = []
    cursor = "0"
    if not run.is_final:
        events, cursor = stream.so_far(stream.name(run.pk, run.events_attempt))
    return Report(
        is_mine=is_mine,
        template=kinds.REGISTRY[run.kind].template,
        live=Snapshot.of(events),
        cursor=cursor,
        waiting=waiting_words(run),
        transcript=transcript_of(run),
        charts=charts_of(run),
        facts=facts_of(run),
        conclusion=_conclusion_form(run, conclusion) if is_mine else None,
    )


def charts_of(run: Run) -> list[Chart]:
    """The charts of a run that succeeded; none otherwise."""
    if run.result is None:
        return []
    return kinds.REGISTRY[run.kind].charts(runs.work_of(run), run.result)


def transcript_of(run: Run) -> list[kinds.Piece]:
    """The text that the run made, if its kind makes any."""
    if run.result is None:
        return []
    return kinds.REGISTRY[run.kind].transcript(runs.work_of(run), run.result)


def facts_of(run: Run) -> list[tuple[str, str]]:
    """What was drawn and what the student chose, as names and values."""
    kind = kinds.REGISTRY[run.kind]
    drawn = run.draw.values if run.draw else {}
    return kind.facts(run.parameters, drawn) + kind.chosen(run.choices)


def waiting_words(run: Run) -> str:
    """Where a queued run stands, in words; empty when it is not queued."""
    if run.state != State.QUEUED:
        return ""
    ahead = runs.position(run)
    if not ahead:
        return "You are next in line."
    words = f"{ahead} run{'s' if ahead > 1 else ''} before yours"
    if (seconds := runs.expected_seconds(run.lab)) is not None:
        words += f", about {duration(ahead * seconds)} from past runs"
    return f"{words}."


def duration(seconds: float) -> str:
    """A time for people: "40 s", "3 min"."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def as_json(run: Run) -> dict[str, Any]:
    """The run as a record to keep: all that went in and all that came out."""
    work = runs.work_of(run)
    return {
        "run": run.pk,
        "lab": run.lab.key,
        "kind": run.kind,
        "state": run.state,
        "message": run.message,
        "fault": run.fault,
        "attempt": run.attempt,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "exported_at": timezone.now(),
        "parameters": work.parameters,
        "drawn": work.drawn,
        "choices": work.choices,
        "prediction": work.prediction,
        "conclusion": work.conclusion,
        "result": run.result,
        "grade": run.grade,
        "grade_detail": run.grade_detail,
        "fingerprint": run.fingerprint,
    }


def _conclusion_form(run: Run, data: Mapping[str, Any] | None) -> kinds.LabForm | None:
    form = kinds.REGISTRY[run.kind].conclusion_form
    if form is None or run.state != State.SUCCEEDED or runs.is_concluded(run):
        return None
    return form(
        data,
        prefix="conclusion",
        parameters=run.parameters,
        drawn=run.draw.values if run.draw else {},
    )
