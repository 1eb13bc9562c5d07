"""The pages of runs: live while they work, then the record of what came out."""

import contextlib
import csv
import io
import json
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import connection
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from labs import report, runs, stream
from labs.models import Artifact, Run
from people.requests import SignedInRequest

# How long an event stream waits in silence before it looks at the database, in milliseconds.
GLANCE_MS = 2000


@login_required
@require_GET
def history(request: SignedInRequest) -> HttpResponse:
    page = Paginator(Run.objects.owned_by(request.user).in_lists(), 25).get_page(
        request.GET.get("page")
    )
    return render(request, "labs/history.html", {"page": page})


@login_required
@require_GET
def run(request: SignedInRequest, pk: int) -> HttpResponse:
    return _show(request, _visible(request, pk), "labs/run.html")


@login_required
@require_GET
def state(request: SignedInRequest, pk: int) -> HttpResponse:
    """The part of the run page that changes."""
    run = _visible(request, pk)
    response = _show(request, run, "labs/_run.html")
    if run.is_final:
        # What stands beside it on an exercise's page may show more now.
        response.headers["HX-Trigger"] = "judged"
    return response


def _visible(request: SignedInRequest, pk: int) -> Run:
    runs = Run.objects.visible_to(request.user)
    return get_object_or_404(runs.select_related("lab", "student", "draw__prediction"), pk=pk)


def _show(request: SignedInRequest, run: Run, template: str) -> HttpResponse:
    return render(request, template, {"run": run, "report": report.of(run, request.user)})


@login_required
@require_POST
def cancel(request: SignedInRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(Run.objects.owned_by(request.user), pk=pk)
    if runs.cancel(run, at=timezone.now()):
        stream.announce(run.pk, run.events_attempt)
    return redirect(run)


@login_required
@require_POST
def conclude(request: SignedInRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(
        Run.objects.owned_by(request.user).select_related(
            "lab__activity", "student", "draw__prediction"
        ),
        pk=pk,
    )
    if run.conclusion is not None:
        return redirect(run)
    page = report.of(run, request.user, conclusion=request.POST)
    if page.conclusion is None:
        raise Http404("This run has nothing to conclude.")
    if page.conclusion.is_valid():
        runs.conclude(run, page.conclusion.cleaned_data, at=timezone.now())
        return redirect(run)
    return render(request, "labs/run.html", {"run": run, "report": page}, status=422)


@require_GET
async def events(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The events of one attempt behind the cursor `after`, until the run's state changes."""
    try:
        attempt = int(request.GET.get("attempt", ""))
    except ValueError as error:
        raise Http404("The attempt is missing.") from error
    after = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    if not stream.CURSOR.fullmatch(after):
        raise Http404("No such cursor.")
    glance = await _glance(request, pk, attempt)
    if glance is None:
        raise Http404("No such run.")
    response = StreamingHttpResponse(
        _ended() if glance["over"] else _events(request, pk, attempt, after),
        content_type="text/event-stream",
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


STATE = b"event: state\ndata: {}\n\n"


async def _ended() -> AsyncIterator[bytes]:
    yield STATE


async def _events(request: HttpRequest, pk: int, attempt: int, after: str) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    came = stream.follow(stream.name(pk, attempt), after, patience_ms=GLANCE_MS)
    async with contextlib.aclosing(came):
        async for events in came:
            if not events:
                glance = await _glance(request, pk, attempt)
                if glance is None or glance["over"]:
                    break
                yield f"event: waiting\ndata: {json.dumps(glance)}\n\n".encode()
            lines = [
                f"id: {cursor}\ndata: {json.dumps(event)}\n\n"
                for cursor, event in events
                if event["type"] != "state"
            ]
            if lines:
                # One piece for all that came together: each costs the server anew.
                yield "".join(lines).encode()
            if len(lines) < len(events):
                break
    yield STATE


@sync_to_async
def _glance(request: HttpRequest, pk: int, attempt: int) -> dict[str, object] | None:
    """What the database says of the attempt; None where there is no such run for this person.

    It gives the database connection back: a hundred open streams must not hold a hundred.
    """
    try:
        run = Run.objects.in_lists().visible_to(request.user).filter(pk=pk).first()
        if run is None:
            return None
        over = run.is_final or run.events_attempt != attempt
        return {"over": over, "words": report.waiting_words(run)}
    finally:
        connection.close()


@login_required
@require_GET
def run_json(request: SignedInRequest, pk: int) -> JsonResponse:
    run = get_object_or_404(Run.objects.visible_to(request.user).select_related("lab"), pk=pk)
    return JsonResponse(report.as_json(run), json_dumps_params={"indent": 2})


@login_required
@require_GET
def run_csv(request: SignedInRequest, pk: int) -> HttpResponse:
    run = get_object_or_404(
        Run.objects.visible_to(request.user).select_related("lab", "draw__prediction"), pk=pk
    )
    text = io.StringIO()
    writer = csv.writer(text)
    for chart in report.charts_of(run):
        writer.writerow([chart.title])
        writer.writerow(chart.columns)
        writer.writerows(chart.rows)
        writer.writerow([])
    return HttpResponse(
        text.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="run-{run.pk}.csv"'},
    )


@login_required
@require_GET
def artifact(request: SignedInRequest, pk: int, name: str) -> FileResponse:
    artifact = get_object_or_404(
        Artifact, run__in=Run.objects.visible_to(request.user), run=pk, name=name
    )
    try:
        file = artifact.file.open()
    except FileNotFoundError as error:
        raise Http404("The file is not on this host.") from error
    return FileResponse(file, as_attachment=True, filename=artifact.name)
