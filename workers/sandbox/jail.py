"""What sandboxed code can see and who it is: the command line of bubblewrap.

The file system inside is made of nothing but read-only binds of the interpreter with its standard
library, of NumPy, of the shared libraries that these two load, and of the two files of this package
that talk with the outside; and of one small private /tmp. No /proc, no /sys, no devices, no
network, no other process. Modules of the standard library that wrap other libraries (ctypes, ssl,
sqlite3) do not find them. The environment is empty by the time the student's code runs.

Who runs the code depends on who the worker is. A worker that is root starts bubblewrap without a
user namespace and gives all privileges up inside, for a user number that nobody else has (root
would be bound by no limit on processes). Any other worker uses a user namespace, where it can be
nobody.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np

from workers.sandbox.limits import MIB, SandboxLimits

HERE = Path(__file__).parent
# One user number a worker process: limits that the kernel counts by user are then its own.
FIRST_USER = 1_000_000
NOBODY = 65534
PYTHON = "/python/bin/python3"
# One thread computes: OpenBLAS would reserve memory for many, and so would the C library for each.
SETTINGS = (("OPENBLAS_NUM_THREADS", "1"), ("MALLOC_ARENA_MAX", "1"))


def command(limits: SandboxLimits, *, seccomp: int, words: list[str]) -> list[str]:
    """The program to start: bubblewrap, and inside it the runner with these words.

    `seccomp` is the file descriptor to read the filter from. Raises FileNotFoundError when a
    program that this needs is not installed.
    """
    tmp = ["--perms", "1777", "--size", str(limits.files_mib * MIB), "--tmpfs", "/tmp"]  # noqa: S108
    return [
        *(_program("bwrap"), "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--die-with-parent", "--seccomp", str(seccomp), "--hostname", "campus"),
        *("--clearenv", *(word for pair in SETTINGS for word in ("--setenv", *pair))),
        *_identity(),
        *_files(),
        *tmp,
        *("--remount-ro", "/", "--chdir", "/tmp"),  # noqa: S108
        *_becoming_nobody(),
        *(PYTHON, "-I", "-S", "-B", "/campus/runner.py", *words),
    ]


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed")
    return path


def _identity() -> tuple[str, ...]:
    if os.geteuid() == 0:
        # Enough to become somebody else, and lost on the way.
        needed = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
        kept = (word for name in needed for word in ("--cap-add", name))
        return ("--cap-drop", "ALL", *kept)
    # Bubblewrap forbids further namespaces through a file that containers have read-only. The
    # filter on system calls forbids them everywhere.
    fixed = os.statvfs("/proc/sys").f_flag & os.ST_RDONLY
    no_further = () if fixed else ("--disable-userns",)
    return ("--unshare-user", *no_further, "--uid", str(NOBODY), "--gid", str(NOBODY))


def _becoming_nobody() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    user = str(FIRST_USER + os.getpid())
    return (
        *("/setpriv", "--reuid", user, "--regid", user, "--clear-groups"),
        *("--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs", "--"),
    )


@functools.cache
def _files() -> tuple[str, ...]:
    """Binds of what the interpreter needs, each at a place of its own, and their directories."""
    python = Path(sys.executable).resolve()
    numpy = Path(np.__file__).resolve().parent
    library = f"/python/lib/python{sysconfig.get_python_version()}"
    binds = {
        PYTHON: python,
        library: Path(sysconfig.get_path("stdlib")),
        "/numpy/numpy": numpy,
        "/campus/runner.py": HERE / "runner.py",
        "/campus/wire.py": HERE / "wire.py",
    }
    if (bundled := numpy.with_name("numpy.libs")).exists():
        binds["/numpy/numpy.libs"] = bundled
    libraries = _shared_libraries(python, numpy.parent, *numpy.rglob("*.so"))
    if os.geteuid() == 0:
        setpriv = Path(_program("setpriv"))
        binds["/setpriv"] = setpriv
        libraries |= _shared_libraries(setpriv, numpy.parent)
    binds |= {
        place: path for place, path in libraries.items() if not path.is_relative_to(numpy.parent)
    }
    # What others may have installed for this interpreter is none of the student's business.
    masks = [
        f"{library}/{name}"
        for name in ("site-packages", "dist-packages", "test", "idlelib", "ensurepip")
        if (binds[library] / name).is_dir()
    ]
    parents = sorted({parent for place in binds for parent in Path(place).parents} - {Path("/")})
    return (
        *(word for parent in parents for word in ("--perms", "0755", "--dir", str(parent))),
        *(word for place, path in binds.items() for word in ("--ro-bind", str(path), place)),
        *(word for mask in masks for word in ("--perms", "0555", "--tmpfs", mask)),
        *(word for mask in masks for word in ("--remount-ro", mask)),
    )


def _shared_libraries(program: Path, folder: Path, *modules: Path) -> dict[str, Path]:
    """The shared libraries that a program loads, and these modules in a folder if it loads them.

    {place inside: file}: the loader at its own place, the others in /lib. It is the loader that
    tells, as it does for ldd, which would ask it once a file: "libm.so.6 =>
    /lib/x86_64-linux-gnu/libm.so.6 (0x…)", or of itself "/lib64/ld-linux-x86-64.so.2 (0x…)".
    """
    # Within the folder no name has a space or a colon, which would end it.
    names = [str(module.relative_to(folder)) for module in modules]
    said = subprocess.run(
        [str(program)],
        cwd=folder,
        env={"LD_TRACE_LOADED_OBJECTS": "1", "LD_PRELOAD": ":".join(names)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = {}
    for name, path in re.findall(r"^\s+(?:(\S+) => )?(/.+) \(0x", said, re.MULTILINE):
        found[path if not name or name.startswith("/") else f"/lib/{name}"] = Path(path).resolve()
    return found
