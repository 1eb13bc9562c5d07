"""Running a student's code where it can do no harm, and talking with it.

Nobody judges in here: the sandboxed process is asked for values and returns them, and whoever asks
compares. So it holds nothing worth stealing, no expected result and no verdict.

    jail.py     what the process can see and who it is: the bubblewrap command line
    seccomp.py  the system calls it is refused
    box.py      start it, ask it, end it
    gauge.py    what it uses, measured from outside
    wire.py     the messages, as both sides read and write them
    runner.py   the program inside
    probe.py    whether this machine has what all this needs
"""

from workers.sandbox.box import Box, EndedError, Fault, Reply
from workers.sandbox.gauge import Use
from workers.sandbox.limits import SandboxLimits
from workers.sandbox.probe import SandboxMissingError, why_missing

__all__ = [
    "Box",
    "EndedError",
    "Fault",
    "Reply",
    "SandboxLimits",
    "SandboxMissingError",
    "Use",
    "why_missing",
]
