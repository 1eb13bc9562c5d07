"""A cohort's heat map as a table for a spreadsheet or a notebook."""

from collections.abc import Iterator

from .heatmap import HeatMap

COLUMNS = (
    "student",
    "username",
    "email",
    "unit kind",
    "unit",
    "title",
    "state",
    "best score",
    "tries",
    "objectives earned",
    "objectives",
    "last activity",
)


def lines(heat: HeatMap) -> Iterator[tuple[object, ...]]:
    """The head, then one line a student and unit. Scores are shares of 1, times are UTC."""
    yield COLUMNS
    for row in heat.rows:
        for cell in row.cells:
            yield (
                plain(row.student.name),
                plain(row.student.username),
                plain(row.student.email),
                cell.unit.kind,
                cell.unit.key,
                plain(cell.unit.title),
                cell.state,
                "" if cell.best is None else f"{cell.best:.4f}",
                cell.tries,
                cell.earned,
                cell.unit.objectives,
                cell.last.isoformat(timespec="seconds") if cell.last else "",
            )


def plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula: people choose their own names.

    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
