"""Running Python as a worker that is not root, also where the tests are root.

What such a worker needs may lie in root's home, which nobody else may enter. In a namespace of its
own that folder is replaced by one that holds only this.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NOBODY = "65534"
NEEDED = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), ROOT}


def run_as_nobody(program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program text from the repository's root, in a session of its own."""
    python = [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, '')\n{program}"]
    command = python
    if os.geteuid() == 0:
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *python]
        script = [*_opened(), f"cd {shlex.quote(str(ROOT))}", f"exec {shlex.join(become)}"]
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(script)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )


def _opened() -> list[str]:
    """Shell lines that make what is needed reachable: each closed folder holds that alone."""
    closed: dict[Path, list[Path]] = {}
    for path in sorted(NEEDED):
        above = [folder for folder in reversed(path.parents) if not _may_be_entered(folder)]
        if above:
            closed.setdefault(above[0], []).append(path)
    lines = []
    for folder, paths in closed.items():
        lines += ["mount -t tmpfs none /mnt"]
        for number, path in enumerate(paths):
            lines += [
                f"mkdir /mnt/{number}",
                f"mount --rbind {shlex.quote(str(path))} /mnt/{number}",
            ]
        lines += [f"mount -t tmpfs -o mode=755 none {shlex.quote(str(folder))}"]
        for number, path in enumerate(paths):
            place = shlex.quote(str(path))
            lines += [f"mkdir -p {place}", f"mount --rbind /mnt/{number} {place}"]
    return lines


def _may_be_entered(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)
