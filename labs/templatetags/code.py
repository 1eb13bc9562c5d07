"""Code on a page: coloured, and messages that name a line of it."""

import re
from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from courses.markdown import code_block
from labs.charts import Chart
from workers.exercises.base import Example

register = template.Library()

CODE = re.compile(r"`([^`]+)`")


@register.filter
def python(code: str) -> SafeString:
    """{{ solution|python }}: Python, coloured as on every page."""
    return mark_safe(code_block(code, "python"))  # noqa: S308  # Pygments has escaped it


@register.filter
def session(examples: Iterable[Example]) -> SafeString:
    """{{ exercise.examples|session }}: examples as one would type them at Python's prompt."""
    lines = "\n".join(f">>> {example.shown}\n{example.result}" for example in examples)
    return mark_safe(code_block(lines, "pycon"))  # noqa: S308  # Pygments has escaped it


@register.filter
def coded(message: str) -> SafeString:
    """{{ check.message|coded }}: what stands between backticks is set as code."""
    parts = CODE.split(message)
    return mark_safe(  # noqa: S308  # every part is escaped
        "".join(
            format_html("<code>{}</code>", part) if place % 2 else conditional_escape(part)
            for place, part in enumerate(parts)
        )
    )


@register.filter
def chart_of(charts: Iterable[Chart], number: int) -> Chart | None:
    """{{ report.charts|chart_of:forloop.counter }}: the error plot of the check of that number."""
    return next((chart for chart in charts if chart.key == f"error-{number}"), None)


@register.filter
def failed(checks: Iterable[dict[str, Any]]) -> int:
    """{{ checks|failed }}: how many checks were not met."""
    return sum(not check["passed"] for check in checks)
