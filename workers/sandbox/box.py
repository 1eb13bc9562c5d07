"""One sandboxed process: started, asked, measured from outside, and ended whatever it does.

The process answers one question at a time and learns the next one only after that, so nothing about
a later check is in it while it works on an earlier one. What it prints is collected beside the
answers. Time, memory and output are measured here, not by the process itself.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, Self

from workers.sandbox import jail, seccomp, wire
from workers.sandbox.limits import MIB, SandboxLimits

PIPE_BYTES = 1 << 20
CHUNK = 1 << 18
SHOWN_OUTPUT = 16 << 10  # bytes of what was printed that are kept for showing
TICKS = os.sysconf("SC_CLK_TCK")
F_SETPIPE_SZ = 1031  # linux/fcntl.h
GARBLED = "It wrote something that is no answer where answers go."
GRACE_SECONDS = 0.5  # between the end of the answers and the end of the process
UNITS = {"KiB": 2**-10, "MiB": 1.0, "GiB": 2.0**10, "TiB": 2.0**20, "PiB": 2.0**30}
# NumPy: "Unable to allocate 74.5 GiB for an array with shape (100000, 100000) …"
ASKED = re.compile(r"Unable to allocate ([\d.]+) ([KMGTP]iB) for")

LimitName = Literal["CPU time", "Time", "Memory", "Output", "Answers", "Files", "Threads"]


@dataclass(frozen=True)
class Use:
    """How much of one limit was used; `used` is None where nobody can tell from outside."""

    name: LimitName
    limit: float
    used: float | None
    unit: str
    hit: bool


@dataclass(frozen=True)
class Reply:
    """What a function returned. `line` is that of its last return statement.

    `changed` are the indices of array arguments that it changed in place; `warnings` are NumPy's,
    as (line, text).
    """

    value: Any
    line: int | None = None
    changed: tuple[int, ...] = ()
    warnings: tuple[tuple[int, str], ...] = ()


class Fault(Exception):  # noqa: N818  # the student's, not ours
    """The student's code raised. `line` is the deepest of their own lines, if any was involved."""

    def __init__(self, kind: str, message: str, line: int | None, text: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.line = line
        self.text = text


class EndedError(Exception):
    """The process is gone: it ran into a limit, crashed or ended itself. The message says which."""


@dataclass
class _Measured:
    """What is known of the process's use so far."""

    cpu_seconds: float = 0.0
    address_space: int = 0  # bytes, at its largest
    asked_mib: float = 0.0  # the largest array that there was no memory for
    hit: set[LimitName] = field(default_factory=set)


class Box:
    """A sandbox for one submission; use it in a `with` block.

    Raises FileNotFoundError where bubblewrap is missing and EndedError when it does not start.
    """

    def __init__(self, limits: SandboxLimits) -> None:
        self.limits = limits
        self.output = bytearray()
        self._printed = 0
        self._measured = _Measured()
        self._baseline = 0
        self._gone: EndedError | None = None
        # The functions that the loaded code defines: {name: (line, parameters)}.
        self.functions: dict[str, tuple[int, list[str]]] | None = None
        self._started = time.monotonic()
        self._deadline = self._started + limits.wall_seconds
        requests, self._requests = os.pipe2(os.O_CLOEXEC)
        self._replies, replies = os.pipe2(os.O_CLOEXEC)
        self._printing, printing = os.pipe2(os.O_CLOEXEC)
        filter_file = os.memfd_create("seccomp")
        os.write(filter_file, seccomp.program())
        os.lseek(filter_file, 0, os.SEEK_SET)
        words = [str(requests), str(replies), json.dumps(asdict(limits))]
        self._process = subprocess.Popen(
            jail.command(limits, seccomp=filter_file, words=words),
            stdin=subprocess.DEVNULL,
            stdout=printing,
            stderr=printing,
            pass_fds=(requests, replies, filter_file),
            env={},
        )
        for descriptor in (requests, replies, printing, filter_file):
            os.close(descriptor)
        for descriptor in (self._requests, self._replies, self._printing):
            os.set_blocking(descriptor, False)
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._requests, F_SETPIPE_SZ, PIPE_BYTES)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._replies, selectors.EVENT_READ, "reply")
        self._selector.register(self._printing, selectors.EVENT_READ, "print")
        try:
            self._receive(b"")
            self._baseline = self._look()
            ceiling = self._baseline + limits.memory_mib * MIB
            self._ask({"do": "limit", "address_space": ceiling})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process that runs the student's code, as this machine numbers it."""
        return list(_family(self._process.pid))[-1]

    def load(self, source: str) -> dict[str, tuple[int, list[str]]]:
        """Run the module; returns its functions as {name: (line, parameters)}.

        Raises Fault, EndedError.
        """
        found = self._ask({"do": "load", "source": source}).get("functions")
        try:
            self.functions = {
                str(name): (int(line), [str(parameter) for parameter in parameters])
                for name, (line, parameters) in dict(found or {}).items()
            }
        except (TypeError, ValueError) as error:
            raise self._end(GARBLED) from error
        return self.functions

    def keep(self, name: str, value: Any) -> None:
        """Hand something over once, read-only, to be an argument of many calls."""
        self._ask({"do": "keep", "name": name, "value": value})

    def call(self, function: str, arguments: list[dict[str, Any]]) -> Reply:
        """Call a function with arguments that are each {"value": …} or {"kept": name}.

        Raises Fault where it raises or cannot be called, EndedError where the process ends.
        """
        reply = self._ask({"do": "call", "function": function, "arguments": arguments})
        try:
            return Reply(
                value=reply.get("value"),
                line=_line(reply.get("line")),
                changed=tuple(int(index) for index in reply.get("changed", ())),
                warnings=tuple((int(line), str(text)) for line, text in reply.get("warnings", ())),
            )
        except (TypeError, ValueError) as error:
            raise self._end(GARBLED) from error

    @property
    def printed(self) -> str:
        """What the code printed, cut to 16 KiB."""
        return self.output.decode("utf-8", errors="replace")

    @property
    def printed_bytes(self) -> int:
        """How much it printed in all."""
        return self._printed

    def uses(self) -> tuple[Use, ...]:
        """How much of each limit was used, and which were hit."""
        self._look()
        measured, limits = self._measured, self.limits
        wall = time.monotonic() - self._started
        memory = max(0, measured.address_space - self._baseline) / MIB + measured.asked_mib

        def use(name: LimitName, limit: float, used: float | None, unit: str) -> Use:
            rounded = None if used is None else round(used, 2)
            return Use(name, limit, rounded, unit, name in measured.hit)

        return (
            use("CPU time", limits.cpu_seconds, measured.cpu_seconds, "s"),
            use("Time", limits.wall_seconds, wall, "s"),
            use("Memory", limits.memory_mib, memory, "MiB"),
            use("Output", limits.output_kib, self._printed / 1024, "KiB"),
            use("Answers", limits.answer_mib, None, "MiB"),
            use("Files", limits.files_mib, None, "MiB"),
            use("Threads", limits.threads, None, "threads"),
        )

    def close(self) -> None:
        """End the process, with everything in it, and let go of the pipes."""
        if self._process.returncode is None:
            self._look()
            self._process.kill()
            self._reap()
        self._selector.close()
        for descriptor in (self._requests, self._replies, self._printing):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._requests = self._replies = self._printing = -1

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._gone is not None:
            raise self._gone
        reply = self._receive(wire.pack(request))
        if "error" in reply:
            raise self._fault(reply)
        return reply

    def _fault(self, reply: dict[str, Any]) -> Fault:
        kind, message = str(reply.get("error")), str(reply.get("message", ""))
        if reply.get("memory"):
            self._measured.hit.add("Memory")
            if asked := ASKED.search(message):
                mib = float(asked[1]) * UNITS[asked[2]]
                self._measured.asked_mib = max(self._measured.asked_mib, mib)
            message = f"{message}. The limit is {self.limits.memory_mib} MiB"
        match (kind, reply.get("errno")):
            case (_, errno.EFBIG | errno.ENOSPC):
                self._measured.hit.add("Files")
            case ("RuntimeError", _) if "can't start new thread" in message:
                self._measured.hit.add("Threads")
        return Fault(kind, message, _line(reply.get("line")), str(reply.get("text") or ""))

    def _receive(self, request: bytes) -> dict[str, Any]:
        """Send a request and read one reply, collecting what is printed meanwhile."""
        pending, frame, needed = memoryview(request), bytearray(), wire.PREFIX.size
        if pending:
            self._selector.register(self._requests, selectors.EVENT_WRITE, "request")
        try:
            while len(frame) < needed:
                for what in self._ready():
                    if what == "request":
                        pending = self._write(pending)
                    elif what == "print":
                        self._read_printed()
                    else:
                        self._read(frame, needed)
                if needed == wire.PREFIX.size <= len(frame):
                    needed = self._size_of(bytes(frame[:needed]))
        finally:
            if self._requests in self._selector.get_map():
                self._selector.unregister(self._requests)
        header, _ = wire.sizes(bytes(frame[: wire.PREFIX.size]))
        split = wire.PREFIX.size + header
        try:
            reply = wire.unpack(bytes(frame[wire.PREFIX.size : split]), bytes(frame[split:needed]))
        except wire.WireError as error:
            raise self._end(GARBLED) from error
        if not isinstance(reply, dict):
            raise self._end(GARBLED)
        return reply

    def _ready(self) -> list[str]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            self._over("Time", f"It ran into its time limit of {self.limits.wall_seconds:g} s.")
        return [key.data for key, _ in self._selector.select(left)]

    def _write(self, pending: memoryview) -> memoryview:
        try:
            pending = pending[os.write(self._requests, pending[:CHUNK]) :]
        except BrokenPipeError:
            pending = pending[len(pending) :]
        except BlockingIOError:
            return pending
        if not pending:
            self._selector.unregister(self._requests)
        return pending

    def _read(self, frame: bytearray, needed: int) -> None:
        chunk = os.read(self._replies, min(CHUNK, needed - len(frame)))
        if not chunk:
            self._died()
        frame += chunk

    def _read_printed(self) -> None:
        chunk = os.read(self._printing, CHUNK)
        if not chunk:
            self._selector.unregister(self._printing)
            return
        self._printed += len(chunk)
        self.output += chunk[: SHOWN_OUTPUT - len(self.output)]
        if self._printed > self.limits.output_kib * 1024:
            self._over("Output", f"It printed more than {self.limits.output_kib} KiB, the limit.")

    def _size_of(self, prefix: bytes) -> int:
        header, body = wire.sizes(prefix)
        if header > wire.HEADER_LIMIT:
            raise self._end(GARBLED)
        if body > self.limits.answer_mib * MIB:
            said = f"It returned {body / MIB:,.0f} MiB at once; {self.limits.answer_mib} MiB fit."
            self._over("Answers", said)
        return wire.PREFIX.size + header + body

    def _over(self, limit: LimitName, message: str) -> NoReturn:
        self._measured.hit.add(limit)
        raise self._end(message)

    def _end(self, message: str) -> EndedError:
        """Kill the process, and remember why for whoever asks next."""
        self._look()
        self._process.kill()
        self._reap()
        self._gone = EndedError(message)
        return self._gone

    def _died(self) -> NoReturn:
        """The process closed its answers: find out of what it died."""
        with contextlib.suppress(BlockingIOError):
            while self._printing in self._selector.get_map():
                self._read_printed()
        # A process may close the pipe and live on.
        ended = os.pidfd_open(self._process.pid)
        alive = not select.select([ended], [], [], GRACE_SECONDS)[0]
        os.close(ended)
        if alive:
            self._look()
            self._process.kill()
        status = self._reap()
        cpu = self.limits.cpu_seconds
        wall = time.monotonic() - self._started
        match -status if status < 0 else status - 128:
            # The kernel's first signal for too much time, which code may ignore, and its second.
            case signal.SIGXCPU | signal.SIGKILL as number if (
                number == signal.SIGXCPU or wall > cpu
            ):
                self._measured.hit.add("CPU time")
                self._measured.cpu_seconds = max(self._measured.cpu_seconds, float(cpu))
                message = f"It used up its CPU time of {cpu} s."
            case number if not alive and number in set(signal.Signals):
                message = f"It crashed: {signal.strsignal(number)} ({signal.Signals(number).name})."
            case _ if alive:
                message = "It closed the way back to the campus."
            case _:
                message = f"It ended its own process with exit code {status}."
        self._gone = EndedError(message)
        raise self._gone

    def _reap(self) -> int:
        """Wait for the process, which takes everything inside with it; its exit status."""
        return self._process.wait()

    def _look(self) -> int:
        """Measure the living process from outside; returns its address space in bytes now."""
        if self._process.returncode is not None:
            return 0
        cpu, size = 0.0, 0
        for pid in _family(self._process.pid):
            with contextlib.suppress(OSError, KeyError):  # it ended a moment ago
                status = dict(
                    line.split(":", 1)
                    for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                )
                times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                cpu += (int(times[11]) + int(times[12])) / TICKS
                peak = int(status["VmPeak"].split()[0]) * 1024
                self._measured.address_space = max(self._measured.address_space, peak)
                size = int(status["VmSize"].split()[0]) * 1024
        self._measured.cpu_seconds = max(self._measured.cpu_seconds, cpu)
        return size


def _line(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _family(pid: int) -> Iterator[int]:
    """The process and everything it started, parents first."""
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))
