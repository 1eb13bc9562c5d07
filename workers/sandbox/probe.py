"""Whether this machine can hold a student's code, found out by trying."""

import functools
import os
import sys
from pathlib import Path

from workers.sandbox.box import Box, EndedError, Fault
from workers.sandbox.limits import SandboxLimits

# What the process can do, of what it must not; tried by itself.
PROGRAM = """
import os
import socket

def fork():
    if os.fork() == 0:
        os._exit(0)

def look():
    os.stat("/etc/passwd")

def write():
    os.mkdir("/campus/here")

def tried():
    done = ["be root"] if 0 in (*os.getresuid(), *os.getresgid()) else []
    for words, attempt in (
        ("start processes", fork),
        ("open sockets", socket.socket),
        ("see this machine's files", look),
        ("write outside /tmp", write),
    ):
        try:
            attempt()
        except OSError:
            continue
        done.append(words)
    return done
"""
APART = ("pid", "net", "ipc", "uts", "mnt")


class SandboxMissingError(Exception):
    """There is no sandbox on this machine; the message says what is missing."""


@functools.cache
def why_missing() -> str | None:
    """Why code cannot run here, in one sentence; None when everything holds.

    A process is started as for a submission. It tries what it must not be able to do, and is
    looked at from outside: it has to be nobody, apart from everything here, to have no capability,
    no way to new privileges, and a filter on its system calls.
    """
    if not sys.platform.startswith("linux"):
        return "The sandbox needs Linux."
    try:
        with Box(SandboxLimits(wall_seconds=30.0)) as box:
            box.load(PROGRAM)
            loose = [f"it can {words}" for words in box.call("tried", []).value]
            loose += _seen_from_outside(box.pid)
    except (OSError, ImportError) as error:
        return f"The sandbox cannot be started: {error}."
    except (Fault, EndedError) as error:
        return f"The sandbox does not start: {error}"
    return f"The sandbox is not tight: {', '.join(loose)}." if loose else None


def _seen_from_outside(pid: int) -> list[str]:
    """What does not hold of a sandboxed process, in words. Raises OSError."""
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    capabilities = ("CapInh", "CapPrm", "CapEff", "CapAmb")
    held = {
        "it runs as root": "0" not in (status["Uid"] + "\t" + status["Gid"]).split(),
        "it keeps capabilities": not any(int(status[name], 16) for name in capabilities),
        "it could gain privileges": status["NoNewPrivs"] == "1",
        "its system calls are not filtered": status["Seccomp"] == "2",
    } | {
        f"it shares the {name} namespace": (
            os.stat(f"/proc/{pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino
        )
        for name in APART
    }
    return [words for words, holds in held.items() if not holds]
