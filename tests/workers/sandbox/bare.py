"""Harnesses without a sandbox, in which an attack shows that it is one.

Both run in namespaces of their own that end with them: the machine's files are there, but read-only
or as copies, its network and its other processes are not, and a clock ends whatever does not end.
In there the code is root and refused nothing.

    BareBox    the real runner, asked as ever, without its limits, its filter and its jail
    naive      a judge as one writes it first: in the student's own process, its verdict printed
"""

import base64
import functools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyseccomp

from workers.sandbox import Box, EndedError, Fault, SandboxLimits
from workers.sandbox.limits import MIB

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SANDBOX = ROOT / "workers/sandbox"
# The bound on what an attack takes of this machine where nothing else bounds it.
MOST_MEMORY = 4 << 30
SECRET = "the worker's own secret"
# What a worker's machine has and a student must not: the database and the key that signs sessions.
HOME = "/campus-home"

PACKAGES = Path(np.__file__).parents[1]

# The runner with nothing given away, its parent, and a bystander that stands for whatever else runs
# on a machine.
RUNNER = f"""
import json, os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_AS, ({MOST_MEMORY}, resource.RLIM_INFINITY))
if (child := os.fork()) or os.fork() == 0:
    os.closerange(0, 256)
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    signal.pause()
sys.path[:0] = ["/campus", {str(PACKAGES)!r}]
import runner
runner.confine = lambda limits: None
runner.Answer.limit = lambda self, size: {{}}
requests, replies = os.fdopen(int(sys.argv[1]), "rb"), os.fdopen(int(sys.argv[2]), "wb")
runner.main(requests, replies, json.loads(sys.argv[3]))
"""

# The right answer is x divided by its root mean square, row by row.
NAIVE = f"""
import json, pickle, sys, types
sys.path.append({str(PACKAGES)!r})
import numpy as np

def judge(got, expected):
    return bool(np.allclose(got, expected))

def main(source):
    rng = np.random.default_rng(1)
    questions = [rng.standard_normal((4, 8)) for _ in range(3)]
    answers = [x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True)) for x in questions]
    module = sys.modules["answer"] = types.ModuleType("answer")
    exec(compile(source, "answer.py", "exec"), vars(module))
    results = []
    for x, expected in zip(questions, answers):
        got = pickle.loads(pickle.dumps(module.rms_norm(x, np.ones(8), 0.0)))
        results.append(judge(got, expected))
    print(json.dumps({{"passed": all(results)}}))

main(sys.argv[1])
"""


@dataclass(frozen=True)
class Outcome:
    """What became of an attack: a value, a fault or an end, in words where it is no value."""

    value: Any = None
    fault: str = ""
    ended: str = ""
    printed: str = ""
    printed_bytes: int = 0


def command(home: Path, campus: Path, *words: str) -> list[str]:
    """The program that runs these words of Python's in a throwaway namespace."""
    tops = [path for path in Path("/").iterdir() if path.name not in ("proc", "dev", "tmp", "sys")]
    links = [path for path in tops if path.is_symlink()]
    folders = [path for path in tops if path.is_dir() and not path.is_symlink()]
    return [
        *("bwrap", "--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"),
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--die-with-parent", "--new-session", "--clearenv", "--setenv", "SECRET_KEY", SECRET),
        *("--setenv", "OPENBLAS_NUM_THREADS", "1"),
        *(word for path in folders for word in ("--ro-bind", str(path), str(path))),
        *(word for path in links for word in ("--symlink", str(path.readlink()), str(path))),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", str(campus), "/campus"),
        # A checkout may lie in /tmp itself.
        *(word for path in (ROOT, PACKAGES) for word in ("--ro-bind", str(path), str(path))),
        *("--ro-bind", str(home), HOME, "--chdir", "/tmp"),
        *(str(Path(sys.executable).resolve()), "-I", "-S", "-B", "-c", *words),
    ]


class BareBox(Box):
    """A box around nothing: the runner starts without any protection."""

    def __init__(self, home: Path, *, wall_seconds: float) -> None:
        self._home = home
        plenty = MOST_MEMORY // MIB
        self._campus = tempfile.TemporaryDirectory()
        for name in ("runner.py", "wire.py"):
            shutil.copy(SANDBOX / name, self._campus.name)
        super().__init__(
            SandboxLimits(
                cpu_seconds=60,
                wall_seconds=wall_seconds,
                memory_mib=plenty,
                output_kib=plenty << 10,
                answer_mib=plenty,
                files_mib=plenty,
                threads=1000,
            )
        )

    def _command(self, filter_file: int, words: list[str]) -> list[str]:
        return command(self._home, Path(self._campus.name), RUNNER, *words)

    def close(self) -> None:
        super().close()
        self._campus.cleanup()


def attempt(box: Box, source: str, calls: int = 1) -> Outcome:
    """Load code into a box and call its `attack` so often; what came of the last."""
    try:
        box.load(source)
        for _ in range(calls):
            value = box.call("attack", []).value
    except Fault as fault:
        return Outcome(fault=f"{fault.kind}: {fault.message}", printed=box.printed)
    except EndedError as end:
        return Outcome(ended=str(end), printed=box.printed, printed_bytes=box.printed_bytes)
    return Outcome(value=value, printed=box.printed, printed_bytes=box.printed_bytes)


def naive(home: Path, source: str) -> Outcome:
    """Let the naive judge judge; the value is whether it believes that the code is right."""
    with tempfile.TemporaryDirectory() as campus:
        done = subprocess.run(
            command(home, Path(campus), NAIVE, source),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    lines = done.stdout.strip().split("\n")
    try:
        value = json.loads(lines[-1])["passed"]
    except (ValueError, KeyError):
        return Outcome(ended=f"exit code {done.returncode}: {done.stderr[-500:]}")
    return Outcome(value=value, printed=done.stdout)


@functools.cache
def _native() -> str:
    """native.c as a shared library, in text that fits into a submission."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "native.so"
        # g++ is there wherever the campus was set up: it builds llama.cpp.
        flags = ("-x", "c", "-O0", "-s", "-shared", "-fPIC", "-nostartfiles")
        source = str(HERE / "native.c")
        subprocess.run(["g++", *flags, "-o", str(library), source], check=True)
        return base64.b85encode(zlib.compress(library.read_bytes(), 9)).decode()


def with_native(code: str) -> str:
    """The code with `native` in reach and every NR_name replaced by that system call's number."""
    # A library that is loaded must not be written over.
    loading = f"""import base64, importlib.util, os, zlib
if not os.path.exists("/tmp/native.so"):
    with open("/tmp/native.so", "wb") as file:
        file.write(zlib.decompress(base64.b85decode({_native()!r})))
found = importlib.util.spec_from_file_location("native", "/tmp/native.so")
native = importlib.util.module_from_spec(found)
"""

    def number(match: re.Match[str]) -> str:
        return str(pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, match[1]))

    return loading + re.sub(r"\bNR_(\w+)", number, code)
