"""Whether this machine can hold a student's code, found out by trying."""

import functools
import sys
from pathlib import Path

from workers.sandbox.box import Box, EndedError, Fault
from workers.sandbox.limits import SandboxLimits

PROGRAM = "def whoami():\n    import os\n    return os.getuid()\n"


class SandboxMissingError(Exception):
    """There is no sandbox on this machine; the message says what is missing."""


@functools.cache
def why_missing() -> str | None:
    """Why code cannot run here, in one sentence; None when everything holds.

    A process is started as for a submission, and looked at from outside: it has to be nobody, to
    have no capability, no way to new privileges, and a filter on its system calls.
    """
    if not sys.platform.startswith("linux"):
        return "The sandbox needs Linux."
    try:
        with Box(SandboxLimits(wall_seconds=30.0)) as box:
            box.load(PROGRAM)
            said = box.call("whoami", []).value
            status = dict(
                line.split(":\t", 1)
                for line in Path(f"/proc/{box.pid}/status").read_text().splitlines()
                if ":\t" in line
            )
    except (OSError, ImportError) as error:
        return f"The sandbox cannot be started: {error}."
    except (Fault, EndedError) as error:
        return f"The sandbox does not start: {error}"
    held = {
        "it would run as root": said != 0 and "0" not in status["Uid"].split(),
        "it would keep capabilities": int(status["CapEff"], 16) == 0,
        "it could gain privileges": status["NoNewPrivs"] == "1",
        "its system calls are not filtered": status["Seccomp"] == "2",
    }
    loose = [words for words, holds in held.items() if not holds]
    return f"The sandbox is not tight: {', '.join(loose)}." if loose else None
