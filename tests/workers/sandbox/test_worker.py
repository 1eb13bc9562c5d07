"""The sandbox in the hands of a worker: its children, its death, and one that is not root."""

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.workers.sandbox.nobody import ROOT, run_as_nobody
from workers.child import Child, Ending, started
from workers.exercises import EXERCISES
from workers.limits import Limits
from workers.sandbox.gauge import family

KEY = "exercise-rmsnorm"
# As a worker starts it, see labs/kinds/code.py.
WORKER_LIMITS = Limits(seconds=120, memory_mib=2048)
ENDLESS = "import signal\nprint('here', flush=True)\nsignal.pause()\n"


def all_gone(processes: list[int], seconds: float = 10.0) -> bool:
    """Whether all of these end within a time; they are descriptors of processes."""
    left = set(processes)
    while left:
        ended = select.select(list(left), [], [], seconds)[0]
        if not ended:
            return False
        left -= set(ended)
    return True


def ending_of(child: Child) -> Ending:
    while True:
        said = child.read(timeout=30)
        if isinstance(said, Ending):
            return said


def test_a_grading_process_that_is_killed_takes_the_sandbox_with_it() -> None:
    program = f"""
        import sys
        from workers.sandbox import Box, SandboxLimits
        box = Box(SandboxLimits(wall_seconds=600.0))
        print(box.pid, flush=True)
        box.load({ENDLESS!r})
    """
    grading = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert grading.stdout is not None
    inside = int(grading.stdout.readline())
    processes = [os.pidfd_open(pid) for pid in list(family(grading.pid))[1:]]
    assert inside in family(grading.pid)
    assert len(processes) == 3

    grading.kill()
    grading.wait()

    assert all_gone(processes)
    for descriptor in processes:
        os.close(descriptor)
    grading.stdout.close()


def test_a_workers_child_grades_and_its_memory_limit_is_not_the_sandboxes(tmp_path: Path) -> None:
    request = {"exercise": KEY, "source": EXERCISES[KEY].solution, "seed": 3}
    with started("code", request, WORKER_LIMITS, tmp_path) as child:
        ending = ending_of(child)

    assert ending.reason == "succeeded", ending
    assert ending.result is not None
    assert ending.result["passed"] is True
    assert not (tmp_path / "stderr.txt").read_text()


def test_a_memory_bomb_in_a_workers_child_is_the_codes_own(tmp_path: Path) -> None:
    source = "import numpy\ndef rms_norm(x, weight, eps):\n    return numpy.ones(1 << 30)\n"
    request = {"exercise": KEY, "source": source, "seed": 3}
    with started("code", request, WORKER_LIMITS, tmp_path) as child:
        ending = ending_of(child)

    assert ending.reason == "succeeded", ending
    assert ending.result is not None
    memory = next(use for use in ending.result["limits"] if use["name"] == "Memory")
    assert memory["hit"]
    assert memory["used"] >= 8 << 10


def test_a_workers_child_that_is_killed_takes_the_sandbox_with_it(tmp_path: Path) -> None:
    request = {"exercise": KEY, "source": ENDLESS, "seed": 3}
    with started("code", request, WORKER_LIMITS, tmp_path) as child:
        processes: list[int] = []
        # The phase of the first check begins when the sandbox is there.
        while not processes:
            said = child.read(timeout=30)
            if isinstance(said, dict) and said.get("name") == "Your code loads":
                processes = [os.pidfd_open(pid) for pid in list(family(child.pid))[1:]]
        assert len(processes) == 3

        os.kill(child.pid, signal.SIGKILL)

        assert all_gone(processes)
    for descriptor in processes:
        os.close(descriptor)


def test_a_fork_server_that_is_prepared_spares_its_children_the_trying() -> None:
    program = """
        import os, time
        import workers.sandbox.prepared
        from workers.sandbox import why_missing, jail, seccomp
        if os.fork() == 0:
            assert why_missing() is None
            assert why_missing.cache_info().misses == 1
            assert jail._files.cache_info().currsize == 1
            assert seccomp.program.cache_info().currsize == 1
            os._exit(0)
        assert os.wait()[1] == 0
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, check=True)


# --- A worker that is not root ------------------------------------------------------------------

FORKING = "import os\ndef rms_norm(x, weight, eps):\n    return os.fork()\n"
KILLING = "import os\ndef rms_norm(x, weight, eps):\n    os.kill(0, 9)\n"
BOMBING = "a = []\ndef rms_norm(x, weight, eps):\n    while True: a.append(bytearray(1 << 20))\n"
FILING = (
    "import os\ndef rms_norm(x, weight, eps):\n    for n in range(10**6): os.mkdir(f'/tmp/{n}')\n"
)


@pytest.fixture(scope="module")
def verdicts() -> list[dict[str, object]]:
    """What a worker that is nobody says of submissions, in their order."""
    sources = [EXERCISES[KEY].solution, FORKING, KILLING, BOMBING, FILING]
    program = f"""
import json, os
from dataclasses import asdict
from workers.sandbox import Box, SandboxLimits, why_missing
assert os.getuid() != 0
assert why_missing() is None, why_missing()
from tests.workers.exercises.grading import graded
for source in {sources!r}:
    print(json.dumps(asdict(graded({KEY!r}, source))), flush=True)
"""
    done = run_as_nobody(program)
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.strip().split("\n")]


def failure(verdict: dict[str, object]) -> str:
    checks = verdict["checks"]
    assert isinstance(checks, list)
    return str(next(check["message"] for check in checks if not check["passed"]))


def test_a_worker_that_is_nobody_grades(verdicts: list[dict[str, object]]) -> None:
    assert verdicts[0]["passed"] is True


def test_a_worker_that_is_nobody_holds_code_in(verdicts: list[dict[str, object]]) -> None:
    said = [failure(verdict) for verdict in verdicts[1:]]

    assert "PermissionError: [Errno 1] Operation not permitted" in said[0]
    assert "MemoryError: there was no memory left. The limit is 256 MiB" in said[2]
    assert "files; 16,384 fit" in said[3]


def test_killing_its_process_group_kills_the_code_alone(verdicts: list[dict[str, object]]) -> None:
    """Code is the same user as such a worker: a signal to a shared group would kill both."""
    assert "It was killed (SIGKILL)" in failure(verdicts[2])


def test_in_a_group_shared_with_the_worker_the_same_would_kill_it() -> None:
    program = f"""
import subprocess
from workers.sandbox import Box, SandboxLimits
start = subprocess.Popen
subprocess.Popen = lambda *given, **named: start(*given, **named | {{"process_group": None}})
with Box(SandboxLimits()) as box:
    box.load({KILLING!r})
    try:
        box.call("rms_norm", [{{"value": 1}}] * 3)
    finally:
        print("alive")
"""
    done = run_as_nobody(program)

    assert done.returncode == -signal.SIGKILL, done
    assert "alive" not in done.stdout
