"""Whether there is a sandbox is found out by trying, and said in a sentence."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from workers.exercises.grading import GradeCode, grade
from workers.sandbox import SandboxLimits, SandboxMissingError, jail, why_missing


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    """The answer is kept for a process's life; these tests change what it would be."""
    why_missing.cache_clear()
    yield
    why_missing.cache_clear()


def command_changed(change: Callable[[list[str]], list[str]]) -> Callable[..., list[str]]:
    """The command line of the jail, but for one thing."""
    command = jail.command

    def changed(limits: SandboxLimits, **rest: Any) -> list[str]:
        return change(command(limits, **rest))

    return changed


def without(*words: str) -> Callable[[list[str]], list[str]]:
    return lambda command: [word for word in command if word not in words]


def without_filter(command: list[str]) -> list[str]:
    place = command.index("--seccomp")
    return command[:place] + command[place + 2 :]


def with_word(*words: str) -> Callable[[list[str]], list[str]]:
    return lambda command: [command[0], *words, *command[1:]]


def test_this_machine_has_one() -> None:
    assert why_missing() is None


def test_it_is_asked_once() -> None:
    why_missing()
    why_missing()

    assert why_missing.cache_info().misses == 1


def test_a_machine_without_bubblewrap_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert why_missing() == "The sandbox cannot be started: bwrap is not installed."


def test_a_machine_that_is_no_linux_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert why_missing() == "The sandbox needs Linux."


def test_bubblewrap_that_may_not_do_its_work_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = command_changed(with_word("--ro-bind", "/nowhere", "/nowhere"))
    monkeypatch.setattr(jail, "command", changed)

    reason = why_missing()

    assert reason is not None
    assert reason.startswith("The sandbox does not start: It ended its own process")
    assert "bwrap: Can't find source path /nowhere" in reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_filter, "it can start processes, it can open sockets"),
        (without_filter, "its system calls are not filtered"),
        (without("--unshare-net"), "it shares the net namespace"),
        (without("--unshare-ipc"), "it shares the ipc namespace"),
        (with_word("--ro-bind", "/etc", "/etc"), "it can see this machine's files"),
    ],
)
def test_a_sandbox_with_a_hole_is_none(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[list[str]], list[str]], said: str
) -> None:
    monkeypatch.setattr(jail, "command", command_changed(change))

    reason = why_missing()

    assert reason is not None
    assert reason.startswith("The sandbox is not tight: ")
    assert said in reason


def test_a_sandbox_in_which_the_code_is_root_with_capabilities_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = ("--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL")
    monkeypatch.setattr(jail, "_identity", lambda: root)
    monkeypatch.setattr(jail, "_becoming_nobody", lambda: ())

    reason = why_missing()

    assert reason is not None
    assert "it can be root" in reason
    assert "it keeps capabilities" in reason


def test_without_a_sandbox_nothing_is_graded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(SandboxMissingError, match="bwrap is not installed"):
        list(grade(GradeCode("exercise-rmsnorm", "print('never run')")))
