"""Every attack works where nothing holds it, and does nothing in the sandbox but fail by name."""

import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.exercises.grading import graded
from tests.workers.sandbox import bare
from tests.workers.sandbox.attacks import ATTACKS, LIMITS, Attack
from workers.exercises import EXERCISES, grading
from workers.exercises.grading import CheckResult, Verdict
from workers.sandbox import Box, SandboxLimits, Use

KEY = "exercise-rmsnorm"
HONEST = EXERCISES[KEY].solution
# All but the check that asks llama.cpp, which takes its time outside of the sandbox.
CHECKS = [check for check in EXERCISES[KEY].checks if check.name != "Inside the model"]


def by_name(attack: Attack) -> str:
    return attack.name


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a worker's machine has and no student may read."""
    path = tmp_path_factory.mktemp("home")
    with sqlite3.connect(path / "campus.sqlite3") as database:
        database.execute("create table people (name)")
    database.close()
    (path / "secret_key").write_text("k" * 50)
    return path


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process namespaces of all boxes that grading opens, by the kernel's numbers."""
    found: list[int] = []

    class WatchedBox(Box):
        def __init__(self, limits: SandboxLimits) -> None:
            super().__init__(limits)
            found.append(os.stat(f"/proc/{self.pid}/ns/pid").st_ino)

    monkeypatch.setattr(grading, "Box", WatchedBox)
    return found


def living_in(space: int) -> list[str]:
    """The processes of a namespace, but for one that is dead and not yet cleared away.

    The first process of a namespace may be left to this machine's own first process to clear away.
    """
    living = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if not dead and (entry / "ns/pid").stat().st_ino == space:
                living.append(entry.name)
        except OSError:  # it ended, or is somebody else's
            continue
    return living


def first_failure(verdict: Verdict) -> CheckResult:
    return next(check for check in verdict.checks if not check.passed)


@pytest.fixture(scope="module")
def shared(home: Path) -> Iterator[bare.BareBox]:
    """One harness without a sandbox for all attacks that leave it as it was."""
    with bare.BareBox(home, wall_seconds=600.0) as box:
        yield box


@pytest.mark.parametrize("attack", ATTACKS, ids=by_name)
def test_without_a_sandbox_it_works(attack: Attack, home: Path, shared: bare.BareBox) -> None:
    if attack.against == "judge":
        outcome = bare.naive(home, attack.source)
    elif not attack.spoils:
        outcome = bare.attempt(shared, attack.code, attack.calls)
    else:
        with bare.BareBox(home, wall_seconds=attack.bare_seconds) as box:
            outcome = bare.attempt(box, attack.code, attack.calls)

    assert attack.worked(outcome), outcome


@pytest.mark.parametrize("attack", ATTACKS, ids=by_name)
def test_in_the_sandbox_it_fails_by_name(
    attack: Attack, spaces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    exercise = replace(EXERCISES[KEY], limits=attack.limits, checks=CHECKS)
    monkeypatch.setitem(EXERCISES, KEY, exercise)

    verdict = graded(KEY, attack.source)

    assert not verdict.passed
    failure = first_failure(verdict)
    assert re.search(attack.says, failure.message), failure
    if attack.line is not None:
        assert failure.line == attack.line
        assert f"Line {attack.line}" in failure.message
    hit = {use.name: use for use in verdict.limits if use.hit}
    assert set(hit) == ({attack.limit} if attack.limit else set()), verdict.limits
    assert all(how_far(use) for use in hit.values()), hit
    assert [living_in(space) for space in spaces] == [[]]

    monkeypatch.setitem(EXERCISES, KEY, replace(exercise, limits=LIMITS))
    after = graded(KEY, HONEST)

    assert after.points == after.out_of
    assert after.passed


def how_far(use: Use) -> bool:
    """Whether a limit that was hit is told with what was used: as much as there was, or nearly."""
    assert use.used is not None
    return use.used >= 0.9 * use.limit


def test_the_naive_judge_tells_right_from_wrong_while_nobody_cheats(home: Path) -> None:
    right = "def rms_norm(x, w, eps):\n    return x / (x * x).mean(-1, keepdims=True) ** 0.5\n"

    assert bare.naive(home, right).value is True
    assert bare.naive(home, right.replace("0.5", "0.4")).value is False
