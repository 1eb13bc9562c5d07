"""One run of one kind in a child process of its own, with limits, and its death told as it was.

The children are forked from a fork server that has imported the engine but initialised no
backend, so that a child is ready in milliseconds. A child leads its own process group: killing
the group is what cancels it, for llama.cpp's long calls have no hook. A fork server's child
outlives a kill -9 of whoever asked for it; therefore each holds the reading end of a pipe, its
lifeline, and kills its own group when the other end closes.
"""

import contextlib
import json
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NoReturn

from workers.errors import EngineError, OutOfMemoryError
from workers.events import to_json
from workers.kinds import KINDS
from workers.limits import Limits
from workers.requests import from_json

CONTEXT = multiprocessing.get_context("forkserver")
# NumPy judges small arrays here: threads of its own would only wait for each other on a busy host.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
MIB = 1 << 20

Reason = Literal["succeeded", "refused", "timed_out", "out_of_memory", "died", "killed"]


@dataclass(frozen=True)
class Ending:
    """How a child ended. `message` is one sentence for a person; `result` is set on success."""

    reason: Reason
    message: str = ""
    result: Mapping[str, Any] | None = None


def preload() -> None:
    """Start the fork server now, with the engine imported.

    multiprocessing imports the main module anew in every child, unless it is a package's
    `__main__`: start a supervisor with `python -m`, or each child pays for the imports.
    """
    CONTEXT.set_forkserver_preload(["workers.child", "workers.sandbox.prepared"])
    warm_up = CONTEXT.Process(target=os.getpid)
    warm_up.start()
    warm_up.join()


class Child:
    """A child at work on `kind` with `request`; `scratch` is an existing directory for its files.

    What the engine prints goes to `scratch/stderr.txt`.
    """

    def __init__(
        self, kind: str, request: Mapping[str, Any], limits: Limits, scratch: Path
    ) -> None:
        self.limits = limits
        self.scratch = scratch
        self._deadline = time.monotonic() + limits.seconds
        self._killed = False
        self._events, events = CONTEXT.Pipe(duplex=False)
        lifeline, self._lifeline = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(
            target=_main, args=(kind, dict(request), limits, scratch, events, lifeline)
        )
        self._process.start()
        events.close()
        lifeline.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def read(self, timeout: float) -> dict[str, Any] | Ending | None:
        """The next event as JSON, or the ending, or None after `timeout` seconds of neither."""
        if not self._events.poll(max(0.0, min(timeout, self._deadline - time.monotonic()))):
            if time.monotonic() < self._deadline:
                return None
            self.kill()
            return Ending("timed_out", f"It ran into its time limit of {self.limits.seconds:g} s.")
        try:
            tag, body = self._events.recv()
        except (EOFError, OSError):
            return self._death()
        if tag == "event":
            return dict(body)
        self._process.join()
        return Ending(tag, result=body) if tag == "succeeded" else Ending(tag, message=body)

    def kill(self) -> None:
        """Kill the child and everything it started; returns when the child is gone."""
        self._killed = True
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            # Between its birth and its setpgrp the child leads no group yet.
            self._process.kill()
        self._process.join()

    def close(self) -> None:
        """Kill the child if it still lives and let go of its pipes."""
        if self._process.is_alive():
            self.kill()
        self._process.join()
        self._process.close()
        self._events.close()
        self._lifeline.close()

    def _death(self) -> Ending:
        self._process.join()
        code = self._process.exitcode or 0
        if self._killed:
            return Ending("killed", "It was stopped.")
        said = self.last_words()
        if "bad_alloc" in said or "failed to allocate" in said:
            return Ending("out_of_memory", _too_big(self.limits))
        last = said and f" Last: {said}"
        if code < 0:
            name = signal.Signals(-code).name
            return Ending("died", f"The engine process died of {name}.{last}")
        return Ending("died", f"The engine process left with exit code {code}, no result.{last}")

    def last_words(self) -> str:
        """The last line that the child printed, cut to 300 characters, or an empty string."""
        try:
            lines = (self.scratch / "stderr.txt").read_text(errors="replace").split("\n")
        except FileNotFoundError:
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


@contextlib.contextmanager
def started(
    kind: str, request: Mapping[str, Any], limits: Limits, scratch: Path
) -> Iterator[Child]:
    """A child for the length of a `with` block, gone after it whatever happened inside."""
    child = Child(kind, request, limits, scratch)
    try:
        yield child
    finally:
        child.close()


def _too_big(limits: Limits) -> str:
    return f"It needed more memory than its limit of {limits.memory_mib} MiB."


def _main(
    kind: str,
    request: dict[str, Any],
    limits: Limits,
    scratch: Path,
    events: Connection,
    lifeline: Connection,
) -> None:
    """What the child does: confine itself, run the kind, send events and one ending."""
    # A group to be killed as one, in the worker's session: the kernel shares processors among
    # sessions, and the launcher has told it what the worker's is worth.
    os.setpgrp()
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    stderr = os.open(scratch / "stderr.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(stderr, 1)
    os.dup2(stderr, 2)
    os.chdir(scratch)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    address_space = _mapped_bytes() + limits.memory_mib * MIB
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    try:
        chosen = KINDS[kind]
        work = chosen.run(from_json(chosen.request, request))
        while True:
            try:
                event = next(work)
            except StopIteration as stop:
                events.send(("succeeded", _finite(asdict(stop.value))))
                return
            events.send(("event", _finite(to_json(event))))
    except (MemoryError, OutOfMemoryError):
        events.send(("out_of_memory", _too_big(limits)))
    except EngineError as error:
        events.send(("refused", str(error)))


def _finite(value: dict[str, Any]) -> dict[str, Any]:
    """The value, if JSON can say it, which knows neither NaN nor infinity; EngineError if not."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise EngineError("The numbers are not finite: the model's weights are damaged.") from error
    return value


def _die_with(lifeline: Connection) -> NoReturn:
    """Wait for the far end of the lifeline to close, then kill the whole group."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    os.killpg(0, signal.SIGKILL)
    raise AssertionError("a SIGKILL to one's own group does not return")


def _mapped_bytes() -> int:
    """The size of this process's address space in bytes (first field of /proc/self/statm)."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
