"""What a sandboxed process uses, measured from outside for as long as it lives.

The process is held by descriptors that were opened before the student's code was loaded: of its
entry in /proc, of its /tmp and of its namespace's first process. A number could stand for another
process by the time somebody looks; a descriptor cannot.
"""

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workers.sandbox.limits import MIB, SandboxLimits

TICKS = os.sysconf("SC_CLK_TCK")
# What the kernel keeps of one file, link or folder, besides its contents and beyond any limit.
BYTES_A_FILE = 1024

LimitName = Literal["CPU time", "Time", "Memory", "Output", "Answers", "Files", "Threads"]


@dataclass(frozen=True)
class Use:
    """How much of one limit was used, at its most; `hit` says whether the limit stopped it.

    `used` is more than the limit where more was asked for.
    """

    name: LimitName
    limit: float
    used: float | None
    unit: str
    hit: bool


@dataclass
class Measured:
    """What is known of a process's use so far, each at its largest; sizes in bytes."""

    cpu_seconds: float = 0.0
    memory: int = 0  # address space beyond that of Python with NumPy
    asked: float = 0.0  # the largest array that there was no memory for
    printed: int = 0
    answer: int = 0
    files: int = 0
    entries: int = 0
    threads: int = 1
    hit: set[LimitName] = field(default_factory=set)

    def uses(self, limits: SandboxLimits, wall: float) -> tuple[Use, ...]:
        """How much of each limit was used, and which were hit."""

        def use(name: LimitName, limit: float, used: float, unit: str) -> Use:
            hit = name in self.hit
            # What was asked for beyond a limit was not used, but all there was would not have done.
            return Use(name, limit, round(max(used, limit if hit else 0.0), 2), unit, hit)

        return (
            use("CPU time", limits.cpu_seconds, self.cpu_seconds, "s"),
            use("Time", limits.wall_seconds, wall, "s"),
            use("Memory", limits.memory_mib, (self.memory + self.asked) / MIB, "MiB"),
            use("Output", limits.output_kib, self.printed / 1024, "KiB"),
            use("Answers", limits.answer_mib, self.answer / MIB, "MiB"),
            use("Files", limits.files_mib, self.files / MIB, "MiB"),
            use("Threads", limits.threads, self.threads, "threads"),
        )


class Gauge:
    """A look at one process that has not yet been given any code. Raises OSError.

    `first` is the first process of its namespace: the one whose end is the end of all in it.
    """

    def __init__(self, pid: int, *, first: int) -> None:
        self.pid = pid
        self._closing = contextlib.ExitStack()
        try:
            self._first = self._own(os.pidfd_open(first))
            self._entry = self._own(os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY))
            self._tmp = self._own(
                os.open("root/tmp", os.O_PATH | os.O_DIRECTORY, dir_fd=self._entry)
            )
            self.baseline = self.address_space()
        except BaseException:
            self.close()
            raise
        # Where the whole machine runs out of memory, this process is the one to go.
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_text("1000")

    def address_space(self) -> int:
        """The size of its address space in bytes now."""
        return int(self._status()["VmSize"].split()[0]) * 1024

    def look(self, measured: Measured) -> None:
        """Bring the measurements up to date; a process that is gone leaves them as they are."""
        space = os.fstatvfs(self._tmp)
        blocks = (space.f_blocks - space.f_bfree) * space.f_frsize
        entries = space.f_files - space.f_ffree - 1  # but for /tmp itself
        measured.files = max(measured.files, blocks + entries * BYTES_A_FILE)
        measured.entries = max(measured.entries, entries)
        with contextlib.suppress(OSError, KeyError):  # it ended a moment ago
            status = self._status()
            times = self._read("stat").rpartition(")")[2].split()
            cpu = (int(times[11]) + int(times[12])) / TICKS
            memory = int(status["VmPeak"].split()[0]) * 1024 - self.baseline
            measured.cpu_seconds = max(measured.cpu_seconds, cpu)
            measured.memory = max(measured.memory, memory)
            measured.threads = max(measured.threads, int(status["Threads"]))

    def kill(self) -> None:
        """Kill everything in the namespace, if it still lives."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first, signal.SIGKILL)

    def is_gone(self, seconds: float) -> bool:
        """Whether everything in the namespace has ended, after waiting at most so long."""
        return bool(select.select([self._first], [], [], seconds)[0])

    def close(self) -> None:
        self._closing.close()

    def _own(self, descriptor: int) -> int:
        self._closing.callback(os.close, descriptor)
        return descriptor

    def _status(self) -> dict[str, str]:
        return dict(line.split(":", 1) for line in self._read("status").splitlines())

    def _read(self, name: str) -> str:
        with open(os.open(name, os.O_RDONLY, dir_fd=self._entry)) as file:
            return file.read()


def family(pid: int) -> Iterator[int]:
    """The process and everything it started, parents first."""
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from family(int(child))
