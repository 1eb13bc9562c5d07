"""One sandboxed process: started, asked, measured from outside, and ended whatever it does.

The process answers one question at a time and learns the next one only after that, so nothing about
a later check is in it while it works on an earlier one. What it prints is collected beside the
answers. Time, memory, files and output are measured here, not by the process itself; and whatever
it says is read as the claim of a stranger, who may put anything in the place of anything.
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
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, NoReturn, Self

from workers.sandbox import jail, seccomp, wire
from workers.sandbox.gauge import BYTES_A_FILE, Gauge, LimitName, Measured, Use, family
from workers.sandbox.limits import MIB, SandboxLimits

PIPE_BYTES = 1 << 20
CHUNK = 1 << 18
SHOWN_OUTPUT = 16 << 10  # bytes of what was printed that are kept for showing
F_SETPIPE_SZ = 1031  # linux/fcntl.h
LOOK_SECONDS = 0.1  # between two looks at what it uses
GRACE_SECONDS = 0.5  # between the end of the answers and the end of the process
GONE_SECONDS = 10.0  # for the kernel to clear away what was killed
# What is read of a claim: characters of a message, of a line of code and of a name, and how many.
SAID, SHOWN, NAMED, COUNTED = 2000, 200, 100, 200
LAST_LINE = 10**6
GARBLED = "It wrote something that is no answer where answers go."
EARLY = "It answered before it was asked."
UNITS = {unit: 1 << (10 * power) for power, unit in enumerate(("KiB", "MiB", "GiB", "TiB"), 1)}
# NumPy: "Unable to allocate 74.5 GiB for an array with shape (100000, 100000) …"
ASKED = re.compile(r"Unable to allocate ([0-9]{1,4}(?:\.[0-9]{0,3})?) ([KMGT]iB) for")


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


class Box:
    """A sandbox for one submission; use it in a `with` block.

    Raises OSError where something that it needs is missing and EndedError when it does not start.
    """

    def __init__(self, limits: SandboxLimits) -> None:
        self.limits = limits
        self.output = bytearray()
        # The functions that the loaded code defines: {name: (line, parameters)}.
        self.functions: dict[str, tuple[int, list[str]]] | None = None
        self._measured = Measured()
        self._process: subprocess.Popen[bytes] | None = None
        self._gauge: Gauge | None = None
        self._gone: EndedError | None = None
        self._looked = time.monotonic()
        # The clock runs while this waits for the process, not while others judge what it said.
        self._left = limits.wall_seconds
        self._deadline = 0.0
        self._closing = contextlib.ExitStack()
        try:
            process = self._start()
            self._receive(b"")
            # Bubblewrap, the first process of the namespace that it made, and what runs in there.
            _, first, *_, pid = family(process.pid)
            self._gauge = Gauge(pid, first=first)
            self._closing.callback(self._gauge.close)
            ceiling = self._gauge.address_space() + limits.memory_mib * MIB
            self._ask({"do": "limit", "address_space": ceiling})
            self._gauge.baseline = self._gauge.address_space()
        except EndedError as error:
            self.close()
            words = self.printed.strip().split("\n")[-1]
            raise EndedError(f"{error} {words}".strip()) from None
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
        assert self._gauge is not None
        return self._gauge.pid

    def load(self, source: str) -> dict[str, tuple[int, list[str]]]:
        """Run the module; returns its functions as {name: (line, parameters)}.

        Raises Fault, EndedError.
        """
        found = self._ask({"do": "load", "source": source}).get("functions")
        if not isinstance(found, dict):
            raise self._end(GARBLED)
        self.functions = {}
        for name, place in list(found.items())[:COUNTED]:
            match place:
                case [line, [*parameters]]:
                    names = [_text(parameter, NAMED) for parameter in parameters[:COUNTED]]
                    self.functions[_text(name, NAMED)] = (_line(line) or 1, names)
                case _:
                    raise self._end(GARBLED)
        return self.functions

    def keep(self, name: str, value: Any) -> None:
        """Hand something over once, read-only, to be an argument of many calls."""
        self._ask({"do": "keep", "name": name, "value": value})

    def call(self, function: str, arguments: list[dict[str, Any]]) -> Reply:
        """Call a function with arguments that are each {"value": …} or {"kept": name}.

        Raises Fault where it raises or cannot be called, EndedError where the process ends.
        """
        reply = self._ask({"do": "call", "function": function, "arguments": arguments})
        changed, warnings = reply.get("changed", []), reply.get("warnings", [])
        if not isinstance(changed, list) or not isinstance(warnings, list):
            raise self._end(GARBLED)
        said = []
        for warning in warnings[:COUNTED]:
            match warning:
                case [line, text]:
                    said.append((_line(line) or 1, _text(text, SHOWN)))
                case _:
                    raise self._end(GARBLED)
        known = range(len(arguments))
        return Reply(
            value=reply.get("value"),
            line=_line(reply.get("line")),
            changed=tuple(index for index in known if any(item is index for item in changed)),
            warnings=tuple(said),
        )

    @property
    def printed(self) -> str:
        """What the code printed, cut to 16 KiB."""
        return _clean(self.output.decode("utf-8", errors="replace"))

    @property
    def printed_bytes(self) -> int:
        """How much it printed in all."""
        return self._measured.printed

    def uses(self) -> tuple[Use, ...]:
        """How much of each limit was used, and which were hit."""
        self._look()
        return self._measured.uses(self.limits, self.limits.wall_seconds - max(0.0, self._left))

    def close(self) -> None:
        """End the process, with everything in it, and let go of the pipes."""
        self._look()
        self._kill()
        self._gauge = None
        self._closing.close()

    def _start(self) -> "subprocess.Popen[bytes]":
        """Start the process with its ends of the pipes; ours are closed with the box."""
        with contextlib.ExitStack() as theirs:
            requests, self._requests = self._pipe(theirs, inwards=True)
            replies, self._replies = self._pipe(theirs)
            printing, self._printing = self._pipe(theirs)
            filter_file = os.memfd_create("seccomp")
            theirs.callback(os.close, filter_file)
            os.write(filter_file, seccomp.program())
            os.lseek(filter_file, 0, os.SEEK_SET)
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._requests, F_SETPIPE_SZ, PIPE_BYTES)
            self._selector = self._closing.enter_context(selectors.DefaultSelector())
            self._selector.register(self._replies, selectors.EVENT_READ, "reply")
            self._selector.register(self._printing, selectors.EVENT_READ, "print")
            words = [str(requests), str(replies), json.dumps(asdict(self.limits))]
            self._process = subprocess.Popen(
                self._command(filter_file, words),
                stdin=subprocess.DEVNULL,
                stdout=printing,
                stderr=printing,
                pass_fds=(requests, replies, filter_file),
                env={},
                # A group reaches across namespaces: kill(0) would hit the worker's, as who it is.
                # A session of its own would count as much as the worker's whole one.
                process_group=0,
            )
        return self._process

    def _pipe(self, theirs: contextlib.ExitStack, *, inwards: bool = False) -> tuple[int, int]:
        """A pipe as (their end, ours); `theirs` closes the one end, and this box the other."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        their, our = (reading, writing) if inwards else (writing, reading)
        theirs.callback(os.close, their)
        self._closing.callback(os.close, our)
        os.set_blocking(our, False)
        return their, our

    def _command(self, filter_file: int, words: list[str]) -> list[str]:
        return jail.command(self.limits, seccomp=filter_file, words=words)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._gone is not None:
            raise self._gone
        with contextlib.suppress(BlockingIOError):
            if os.read(self._replies, 1):
                raise self._end(EARLY)
            self._died()
        reply = self._receive(wire.pack(request))
        if "error" in reply:
            raise self._fault(reply)
        return reply

    def _fault(self, reply: dict[str, Any]) -> Fault:
        """The exception that a reply tells of, and the limit behind it, if it was one."""
        self._look()
        measured, limits = self._measured, self.limits
        kind, message = _text(reply.get("error"), NAMED), _text(reply.get("message"), SAID)
        if reply.get("memory") is True:
            measured.hit.add("Memory")
            if asked := ASKED.search(message):
                measured.asked = max(measured.asked, float(asked[1]) * UNITS[asked[2]])
            message = f"{message}. The limit is {limits.memory_mib} MiB"
        if _whole(reply.get("errno")) in (errno.EFBIG, errno.ENOSPC):
            measured.hit.add("Files")
            message = f"{message}. The limit is {limits.files_mib} MiB"
        if kind == "RuntimeError" and "can't start new thread" in message:
            # It is said of both: of too many threads, and of no memory for the stack of one more.
            enough = measured.threads < limits.threads / 2
            measured.hit.add("Memory" if enough else "Threads")
            limit = f"{limits.memory_mib} MiB" if enough else f"{limits.threads} threads"
            message = f"{message}. The limit is {limit}"
        line, text = _line(reply.get("line")), _text(reply.get("text"), SHOWN)
        return Fault(kind, message, line, text)

    def _receive(self, request: bytes) -> dict[str, Any]:
        """Send a request and read one reply, collecting what is printed meanwhile."""
        pending, frame, needed = memoryview(request), bytearray(), wire.PREFIX.size
        if pending:
            self._selector.register(self._requests, selectors.EVENT_WRITE, "request")
        self._deadline = time.monotonic() + self._left
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
            self._left = self._deadline - time.monotonic()
            if self._requests in self._selector.get_map():
                self._selector.unregister(self._requests)
        whole = memoryview(frame)
        split = wire.PREFIX.size + wire.sizes(bytes(whole[: wire.PREFIX.size]))[0]
        try:
            reply = wire.unpack(bytes(whole[wire.PREFIX.size : split]), whole[split:])
        except wire.WireError as error:
            raise self._end(GARBLED) from error
        if not isinstance(reply, dict):
            raise self._end(GARBLED)
        return reply

    def _ready(self) -> list[str]:
        """What can be read or written now; nothing where that takes longer than to the next look.

        Raises EndedError at a limit.
        """
        now = time.monotonic()
        if now >= self._deadline:
            self._over("Time", f"It ran into its time limit of {self.limits.wall_seconds:g} s.")
        if now >= self._looked + LOOK_SECONDS:
            self._look()
            # The kernel bounds what is in files, and not how many there are.
            made, fit = self._measured.entries, self.limits.files_mib * MIB // BYTES_A_FILE
            if made > fit:
                self._over("Files", f"It made {made:,} files; {fit:,} fit.")
        seconds = min(self._deadline - now, LOOK_SECONDS)
        return [key.data for key, _ in self._selector.select(seconds)]

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
        self._measured.printed += len(chunk)
        self.output += chunk[: SHOWN_OUTPUT - len(self.output)]
        if self._measured.printed > self.limits.output_kib * 1024:
            self._over("Output", f"It printed more than {self.limits.output_kib} KiB, the limit.")

    def _size_of(self, prefix: bytes) -> int:
        header, body = wire.sizes(prefix)
        if header > wire.HEADER_LIMIT:
            raise self._end(GARBLED)
        self._measured.answer = max(self._measured.answer, body)
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
        self._kill()
        self._gone = EndedError(message)
        return self._gone

    def _died(self) -> NoReturn:
        """The process closed its answers: find out of what it died."""
        assert self._process is not None
        with contextlib.suppress(BlockingIOError):
            while self._printing in self._selector.get_map():
                self._read_printed()
        ended = os.pidfd_open(self._process.pid)
        try:
            # A process may close the pipe and live on.
            alive = not select.select([ended], [], [], GRACE_SECONDS)[0]
        finally:
            os.close(ended)
        if alive:
            raise self._end("It closed the way back to the campus.")
        self._gone = EndedError(self._last_words(self._process.wait()))
        raise self._gone

    def _last_words(self, status: int) -> str:
        """What to say of a process that ended by itself, from the exit status of bubblewrap."""
        measured, limits = self._measured, self.limits
        number = -status if status < 0 else status - 128
        # The kernel's first signal for too much time, which code may ignore, and its last.
        if number == signal.SIGXCPU or (
            number == signal.SIGKILL and measured.cpu_seconds >= limits.cpu_seconds
        ):
            measured.hit.add("CPU time")
            measured.cpu_seconds = max(measured.cpu_seconds, float(limits.cpu_seconds))
            return f"It used up its CPU time of {limits.cpu_seconds} s."
        if number == signal.SIGXFSZ:
            measured.hit.add("Files")
            return f"It wrote a file of more than {limits.files_mib} MiB, the limit."
        if number == signal.SIGKILL:
            return "It was killed (SIGKILL): by itself, or because this machine has no memory left."
        if number in set(signal.Signals):
            crash = f"{signal.strsignal(number)} ({signal.Signals(number).name})"
            # The stack, too, grows only while there is memory.
            if number == signal.SIGSEGV and measured.memory > 0.9 * limits.memory_mib * MIB:
                measured.hit.add("Memory")
                return (
                    f"It crashed: {crash}, its {limits.memory_mib} MiB of memory all but used up."
                )
            return f"It crashed: {crash}."
        return f"It ended its own process with exit code {status}."

    def _kill(self) -> None:
        """End the process, and wait until nothing of it is left."""
        if self._gauge is not None:
            # First what is inside: bubblewrap then sees it end, clears it away and ends too.
            self._gauge.kill()
            self._gauge.is_gone(GONE_SECONDS)
        elif self._process is not None:
            self._process.kill()
        if self._process is not None:
            try:
                self._process.wait(GONE_SECONDS)
            except subprocess.TimeoutExpired:
                # What is inside has asked the kernel to die with it.
                self._process.kill()
                self._process.wait()

    def _look(self) -> None:
        self._looked = time.monotonic()
        if self._gauge is not None:
            self._gauge.look(self._measured)


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _line(value: Any) -> int | None:
    line = _whole(value)
    return line if line is not None and 0 < line < LAST_LINE else None


def _text(value: Any, length: int) -> str:
    return _clean(value[:length]) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """The text without what a database may refuse to keep: zeros and halves of characters."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()
