"""`manage.py bench` in its quick mode: that it measures and tells, never how fast anything is."""

from io import StringIO
from pathlib import Path

from django.core.management import call_command

from campus.bench.table import Row, markdown, percentile, times

MEASURED = (
    "tg 4, teaching model",
    "click to the engine's first event",
    "4 submissions at once, 4 succeeded",
    "two writers, 40 transactions, 0 refused",
    "a bare view, signed in, one query",
    "reading",
    "graded POST",
    "cohort of 30",
)


def test_everything_is_measured_and_written_down(tmp_path: Path) -> None:
    out = tmp_path / "docs" / "performance.md"
    told = StringIO()
    call_command("bench", quick=True, out=out, stdout=told, stderr=StringIO())
    page = out.read_text()
    assert told.getvalue().strip() in page
    assert "fingerprint" in page
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    for what in MEASURED:
        (line,) = [line for line in lines if line.startswith(f"| {what}")]
        assert any(unit in line for unit in (" ms ", " tokens/s "))


def test_a_table_says_what_met_its_aim() -> None:
    assert percentile(range(1, 21), 0.95) == 19
    assert percentile([7.0], 0.95) == 7.0
    seconds = [0.010, 0.020, 0.400]
    rows = [
        Row(part="Pages", what="home", **times(seconds), multiple=2.5, queries=7),
        Row(part="Pages", what="reading", multiple=2.04, alone=3.5, aim="≤ 2 x", met=False),
    ]
    table = markdown(rows).splitlines()
    assert table[2] == "| **Pages** |  |  |  |  |  |  |  |"
    assert table[3] == "| home | 20.0 ms | 400.0 ms | 2.50 x |  | 7 |  |  |"
    assert table[4] == "| reading |  |  | 2.04 x | 3.50 x |  | ≤ 2 x | missed |"
