"""The numbers behind the interactive figures of the readings, as JSON."""

import functools
import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import condition, require_safe

from workers import catalogue, figures


@dataclass(frozen=True)
class Served:
    """A figure's JSON, and what a browser asks about it to keep it."""

    body: bytes
    etag: str
    changed_at: datetime


def served(name: str) -> Served:
    """The figure of this name; Http404 if there is none."""
    if name not in figures.FIGURES:
        raise Http404("No such figure.")
    return _computed(name)


@functools.cache
def _computed(name: str) -> Served:
    """Computed once a process: a new model or new code comes with a new process."""
    words = json.dumps(
        asdict(figures.compute(name)), allow_nan=False, ensure_ascii=False, separators=(",", ":")
    )
    body = words.encode()
    sources = (Path(catalogue.main_model().path), *Path(figures.__file__).parent.glob("*.py"))
    changed_at = max(source.stat().st_mtime for source in sources)
    return Served(
        body=body,
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        # An HTTP date has no fraction of a second.
        changed_at=datetime.fromtimestamp(int(changed_at), UTC),
    )


def _etag(_request: HttpRequest, name: str) -> str:
    return served(name).etag


def _changed_at(_request: HttpRequest, name: str) -> datetime:
    return served(name).changed_at


@require_safe
@condition(etag_func=_etag, last_modified_func=_changed_at)
def figure(_request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(
        served(name).body,
        content_type="application/json",
        # Kept by the browser, and asked about each time: 304 costs nothing.
        headers={"Cache-Control": "public, no-cache"},
    )
