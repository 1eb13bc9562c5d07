"""Kills what a launcher leaves behind: a program of its own, started with a pipe on its stdin.

The launcher holds the other end and never writes. When it ends, however it ends, the pipe
closes and everything that was started with its token is killed. A token is an environment
variable, so a process is found in whatever session or process group it hides, and whoever
its parent was.
"""

import os
import signal
import sys
import time
from pathlib import Path

VARIABLE = "CAMPUS_LAUNCH"


def started_with(variable: str, value: str) -> list[int]:
    """The processes, other than this one, whose environment says so."""
    mark = f"{variable}={value}".encode()
    pids = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            environ = (entry / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile, or is not ours to look at
        if mark in environ.split(b"\0"):
            pids.append(int(entry.name))
    return pids


def kill(token: str, *, within: float = 5.0) -> None:
    """Kill them again and again until none is left: one may have forked just before."""
    deadline = time.monotonic() + within
    while (pids := started_with(VARIABLE, token)) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    kill(sys.argv[1])
