"""What there is inside: the interpreter, NumPy, two of our files, an empty /tmp, nothing else."""

import os
import re
import socket
import stat
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.sandbox.attacks import LIMITS
from workers.sandbox import Box

LIBRARY = f"/python/lib/python{sysconfig.get_python_version()}"
STDLIB = Path(sysconfig.get_path("stdlib"))
NUMPY = Path(np.__file__).parent

WALK = """
import os

def walk():
    found = {}
    for folder, folders, files in os.walk("/"):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            found[path] = [os.lstat(path).st_mode, os.access(path, os.W_OK)]
    return found
"""


@pytest.fixture(scope="module")
def inside() -> Iterator[dict[str, tuple[int, bool]]]:
    """Every path in the sandbox: its mode, and whether it can be written to."""
    with Box(LIMITS) as box:
        box.load(WALK)
        found = box.call("walk", []).value
        yield {path: (mode, writable) for path, (mode, writable) in found.items()}


def ask(code: str) -> Any:
    """The value of an expression inside."""
    with Box(LIMITS) as box:
        box.load(f"import os, sys\ndef f():\n    return {code}\n")
        return box.call("f", []).value


def test_the_top_folders_are_those_that_are_meant(inside: dict[str, tuple[int, bool]]) -> None:
    tops = {path for path in inside if path.count("/") == 1}
    root = {"/setpriv"} if os.geteuid() == 0 else set()

    loaders = {path for path in tops if re.fullmatch(r"/lib(32|64)?", path)}
    assert tops == {"/campus", "/python", "/numpy", "/tmp", *loaders, *root}


def test_every_file_is_one_of_those_that_are_meant(inside: dict[str, tuple[int, bool]]) -> None:
    files = {path for path, (mode, _) in inside.items() if not stat.S_ISDIR(mode)}
    library = {path for path in files if path.startswith(f"{LIBRARY}/")}
    numpy = {path for path in files if path.startswith("/numpy/")}
    shared = {path for path in files if re.fullmatch(r"/lib(32|64)?/[^/]+\.so[.0-9]*", path)}
    ours = {"/campus/runner.py", "/campus/wire.py", "/python/bin/python3", "/setpriv"}

    assert files - library - numpy - shared <= ours
    assert all((STDLIB / path[len(LIBRARY) + 1 :]).exists() for path in library)
    assert {path.split("/")[2] for path in numpy} <= {"numpy", "numpy.libs"}
    # What the loader named for Python and NumPy, and no library that only others would use.
    known = "c|m|pthread|dl|util|rt|z|expat|gcc_s|stdc\\+\\+|python3[.0-9]*|cap-ng"
    assert not [path for path in shared if not re.search(rf"/(ld-.*|lib({known}))\.so", path)]


def test_no_package_but_numpy_can_be_found(inside: dict[str, tuple[int, bool]]) -> None:
    for name in ("site-packages", "dist-packages", "ensurepip", "test"):
        assert not [path for path in inside if path.startswith(f"{LIBRARY}/{name}/")]
    assert not [path for path in inside if re.search(r"/(pip|django|llama_cpp|workers)(/|$)", path)]
    search = ask("sys.path")
    assert [path for path in search if path in inside] == [
        LIBRARY,
        f"{LIBRARY}/lib-dynload",
        "/campus",
        "/numpy",
    ]


def test_nothing_but_tmp_can_be_written_to(inside: dict[str, tuple[int, bool]]) -> None:
    assert {path for path, (_, writable) in inside.items() if writable} == {"/tmp"}


def test_there_are_no_devices_no_links_and_nothing_that_gives_powers(
    inside: dict[str, tuple[int, bool]],
) -> None:
    modes = {path: mode for path, (mode, _) in inside.items()}

    assert not [path for path, mode in modes.items() if stat.S_ISCHR(mode) or stat.S_ISBLK(mode)]
    assert not [path for path, mode in modes.items() if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)]
    assert not [
        path
        for path, mode in modes.items()
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)
    ]
    for path in ("/dev", "/proc", "/sys", "/etc", "/home", "/root", "/usr", "/bin", "/run"):
        assert path not in modes


def test_using_a_module_writes_no_bytecode_anywhere() -> None:
    written = ask("(__import__('tabnanny'), os.listdir('/tmp'), sys.dont_write_bytecode)[1:]")

    assert written == ([], True)


def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "the worker's own")

    assert ask("(dict(os.environ), os.getenv('SECRET_KEY'))") == ({}, None)


def test_the_open_files_are_the_standard_three_and_the_two_pipes() -> None:
    with Box(LIMITS) as box:
        box.load(
            "import os, sys\n"
            "def kinds():\n"
            "    found = {}\n"
            "    for number in range(4096):\n"
            "        try:\n"
            "            found[number] = os.fstat(number).st_mode >> 12\n"
            "        except OSError:\n"
            "            pass\n"
            "    return found, [int(word) for word in sys.argv[1:3]]\n"
        )
        kinds, pipes = box.call("kinds", []).value

    fifo, device = stat.S_IFIFO >> 12, stat.S_IFCHR >> 12
    assert kinds == {0: device, 1: fifo, 2: fifo, pipes[0]: fifo, pipes[1]: fifo}


def test_a_descriptor_that_the_worker_left_open_is_not_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("secret")
    leak = os.open(path, os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        with Box(LIMITS) as box:
            box.load(f"import os\ndef f():\n    return os.fstat({leak}).st_mode\n")
            try:
                mode = box.call("f", []).value
            except Exception:
                return
            # The number may be one of the sandbox's own pipes.
            assert stat.S_ISFIFO(mode)
    finally:
        os.close(leak)


def test_it_is_nobody_alone_in_a_place_of_its_own() -> None:
    who = ask("(os.getuid(), os.getgid(), os.getgroups(), os.getpid(), os.uname().nodename)")
    user, group, groups, pid, name = who

    assert user == group
    assert user >= 65534
    # In a namespace of users, others' groups are nobody's.
    assert set(groups) <= {65534}
    assert pid < 10
    assert name == "campus"
    assert name != socket.gethostname()


def test_it_has_a_group_of_its_own_in_the_session_of_the_worker() -> None:
    """A group reaches across namespaces, and the kernel shares processors among sessions."""
    with Box(LIMITS) as box:
        assert os.getpgid(box.pid) != os.getpgid(0)
        assert os.getsid(box.pid) == os.getsid(0)


def test_limits_are_as_low_inside_as_they_are_said_to_be() -> None:
    names = ("CPU", "FSIZE", "NPROC", "NOFILE", "CORE", "MSGQUEUE", "MEMLOCK")
    with Box(LIMITS) as box:
        box.load(
            "import resource\n"
            "def f(names):\n"
            "    return [resource.getrlimit(getattr(resource, f'RLIMIT_{n}')) for n in names]\n"
        )
        found = dict(zip(names, box.call("f", [{"value": list(names)}]).value, strict=True))

    assert found == {
        "CPU": (1, 2),
        "FSIZE": (4 << 20, 4 << 20),
        "NPROC": (8, 8),
        "NOFILE": (64, 64),
        "CORE": (0, 0),
        "MSGQUEUE": (0, 0),
        "MEMLOCK": (0, 0),
    }


def test_what_people_use_of_the_standard_library_is_there() -> None:
    modules = (
        "math, random, itertools, functools, dataclasses, typing, collections, re, json, struct, "
        "heapq, bisect, statistics, fractions, decimal, string, time, datetime, enum, io, array, "
        "copy, operator, hashlib, pathlib, tempfile, textwrap, zlib, contextlib, abc, warnings"
    )
    with Box(LIMITS) as box:
        box.load(f"import {modules}\ndef f():\n    return hashlib.sha256(b'').hexdigest()[:6]\n")

        assert box.call("f", []).value == "e3b0c4"
        assert box.printed == ""
