"""One thread supervises one run: it starts the child, passes its events on, and ends the run."""

import contextlib
import hashlib
import json
import logging
import math
import os
import shutil
import socket
import threading
import time
from collections import deque
from datetime import datetime, timedelta
from pathlib import Path

import redis
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.utils import timezone

from labs import kinds, runs, stream
from labs.models import FINAL, Artifact, Fault, Run, State
from workers.child import Child, Ending, started

logger = logging.getLogger(__name__)

# How often a supervisor looks whether its run was cancelled, in seconds.
TICK = 0.25
# Events that come closer to each other than this are published together, in seconds: who watches
# sees no difference, and every publication costs the web server a few hundred microseconds.
SPACING = 0.05
# What the engine writes and is worth keeping is small; a quantized teaching model is not kept.
KEPT_BYTES = 64 << 20
# An attempt that is over may still be storing its files; not for this long.
SCRATCH_KEPT = timedelta(hours=1)
WORKER = f"{socket.gethostname()}:{os.getpid()}"

# Set when the worker is told to stop: runs go back to the queue at once.
stopping = threading.Event()


class Broadcast:
    """The events of one attempt: kept for the record, and published for whoever watches."""

    def __init__(self, run: Run) -> None:
        self.name = stream.name(run.pk, run.attempt)
        self.events: deque[stream.Event] = deque(maxlen=stream.MAX_EVENTS)
        self._pending: list[stream.Event] = []
        self._count = 0
        self._broken = False
        self._next = 0.0

    @property
    def due_in(self) -> float:
        """Seconds until what is pending may be published; infinite when nothing is."""
        return max(0.0, self._next - time.monotonic()) if self._pending else math.inf

    def add(self, event: stream.Event) -> None:
        self.events.append(event)
        self._pending.append(event)
        self._count += 1

    def flush(self) -> None:
        """Publish what is pending; everything anew where Redis has lost what was before."""
        if not self._pending:
            return
        self._next = time.monotonic() + SPACING
        try:
            if not stream.exists(self.name):
                self._pending = list(self.events)
            first = self._count - len(self._pending) + 1
            stream.publish(self.name, self._pending, first=first)
        except redis.RedisError as error:
            if not self._broken:
                logger.warning("Redis cannot be reached (%s); %s goes on", error, self.name)
            self._broken = True
        else:
            self._pending.clear()
            self._broken = False


def tidy(at: datetime) -> None:
    """Remove what workers that were killed left in the scratch of this host an hour ago."""
    for folder in Path(settings.CAMPUS_HOME).glob("scratch/*-*"):
        run_id, _, attempt = folder.name.partition("-")
        alive = Run.objects.filter(pk=run_id, attempt=attempt, state=State.RUNNING)
        with contextlib.suppress(FileNotFoundError):  # another worker was first
            old = folder.stat().st_mtime < (at - SCRATCH_KEPT).timestamp()
            if old and not alive.exists():
                shutil.rmtree(folder)


def supervise(run: Run) -> None:
    """Do the claimed run to its end, whatever that is."""
    kind = kinds.REGISTRY[run.kind]
    broadcast = Broadcast(run)
    scratch = run.scratch
    scratch.mkdir(parents=True)
    try:
        request = kind.request(runs.work_of(run))
        with started(kind.engine, request, kind.limits, scratch) as child:
            ending = _watch(run, child, broadcast)
        _conclude(run, ending, scratch)
        _keep_events(run, broadcast)
    except Exception:
        logger.exception("run %s attempt %s broke in its supervisor", run.pk, run.attempt)
        runs.lose(run, "Something of ours broke.", at=timezone.now())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        broadcast.add({"type": "state"})
        broadcast.flush()


def _watch(run: Run, child: Child, broadcast: Broadcast) -> Ending | None:
    """Pass events on until the child ends; None when the run was cancelled, lost or given back."""
    looked = renewed = time.monotonic()
    while True:
        said = child.read(timeout=min(TICK, broadcast.due_in))
        if isinstance(said, Ending):
            return said
        if said is not None:
            broadcast.add(said)
        if not broadcast.due_in:
            broadcast.flush()
        now = time.monotonic()
        if now - looked >= TICK:
            looked = now
            if stopping.is_set() or runs.should_stop(run):
                child.kill()
                return None
        if now - renewed >= settings.RUN_LEASE_SECONDS / 4:
            renewed = now
            runs.renew(run, at=timezone.now())


def _conclude(run: Run, ending: Ending | None, scratch: Path) -> None:
    now = timezone.now()
    if ending is None:
        # Where the lease was lost neither changes anything.
        if not runs.end_if_cancelled(run, at=now):
            runs.release(run, at=now)
        return
    match ending.reason:
        case "succeeded":
            assert ending.result is not None
            if runs.succeed(run, ending.result, at=now):
                _keep_files(run, scratch)
        case "refused":
            runs.end(run, State.FAILED, ending.message, fault=Fault.REQUEST, at=now)
        case "timed_out":
            runs.end(run, State.TIMED_OUT, ending.message, fault=Fault.REQUEST, at=now)
        case "out_of_memory":
            runs.end(run, State.FAILED, ending.message, fault=Fault.REQUEST, at=now)
        case "died" | "killed":
            runs.lose(run, ending.message, at=now)


def _keep_files(run: Run, scratch: Path) -> None:
    """Store the small files that the engine wrote as artifacts."""
    for path in sorted(scratch.iterdir()):
        if path.is_file() and path.name != "stderr.txt" and path.stat().st_size <= KEPT_BYTES:
            with path.open("rb") as file:
                _store(run, path.name, File(file))


def _keep_events(run: Run, broadcast: Broadcast) -> None:
    """Store what was said, however the run ended: a failure is when one wants to read it."""
    if Run.objects.filter(pk=run.pk, attempt=run.attempt, state__in=FINAL).exists():
        lines = "".join(json.dumps(event) + "\n" for event in broadcast.events)
        _store(run, "events.jsonl", ContentFile(lines.encode()))


def _store(run: Run, name: str, file: "File[bytes]") -> None:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    artifact = Artifact(run=run, name=name, size=file.size, sha256=digest.hexdigest())
    artifact.file.save(f"{run.pk}-{run.attempt}-{name}", file)
