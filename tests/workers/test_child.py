"""The child process: its ending is told as it was, and nothing of it is left behind."""

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from workers.child import Child, Ending, started
from workers.limits import Limits

PLENTY = Limits(seconds=30, memory_mib=512)


def ending_of(child: Child) -> Ending:
    while True:
        said = child.read(timeout=30)
        if isinstance(said, Ending):
            return said


def is_gone(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_events_come_in_order_and_the_result_last(tmp_path: Path) -> None:
    with started("sleep", {"steps": 3, "seconds": 0}, PLENTY, tmp_path) as child:
        said = [child.read(timeout=30) for _ in range(5)]
    assert said[0] == {"type": "phase", "name": "Sleeping"}
    assert [e["done"] for e in said[1:4] if isinstance(e, dict)] == [1, 2, 3]
    assert isinstance(said[4], Ending)
    assert said[4].reason == "succeeded"
    assert said[4].result is not None
    assert said[4].result["seconds"] >= 0


def test_a_request_out_of_range_is_refused_with_its_sentence(tmp_path: Path) -> None:
    with started("sleep", {"steps": 0}, PLENTY, tmp_path) as child:
        ending = ending_of(child)
    assert ending == Ending("refused", "steps must lie between 1 and 10000, not 0.")


def test_a_request_with_a_field_unknown_is_refused(tmp_path: Path) -> None:
    with started("sleep", {"naps": 2}, PLENTY, tmp_path) as child:
        ending = ending_of(child)
    assert ending.reason == "refused"
    assert "naps" in ending.message


def test_a_mistake_of_our_own_is_told_with_its_last_words(tmp_path: Path) -> None:
    with started("somersault", {}, PLENTY, tmp_path) as child:
        ending = ending_of(child)
    assert ending.reason == "died"
    assert "exit code 1" in ending.message
    assert "KeyError: 'somersault'" in ending.message


def test_the_time_limit_kills_and_names_itself(tmp_path: Path) -> None:
    limits = Limits(seconds=0.3, memory_mib=512)
    with started("sleep", {"steps": 100, "seconds": 1}, limits, tmp_path) as child:
        pid = child.pid
        ending = ending_of(child)
        assert is_gone(pid)
    assert ending == Ending("timed_out", "It ran into its time limit of 0.3 s.")


def test_death_by_signal_is_told_by_its_name(tmp_path: Path) -> None:
    with started("sleep", {"steps": 100, "seconds": 1}, PLENTY, tmp_path) as child:
        child.read(timeout=30)
        os.kill(child.pid, signal.SIGSEGV)
        ending = ending_of(child)
    assert ending.reason == "died"
    assert "SIGSEGV" in ending.message


def test_kill_takes_the_whole_group(tmp_path: Path) -> None:
    with started("sleep", {"steps": 100, "seconds": 1}, PLENTY, tmp_path) as child:
        child.read(timeout=30)
        child.kill()
        assert is_gone(child.pid)
        assert ending_of(child).reason == "killed"


def test_a_child_dies_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "supervisor.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            from pathlib import Path
            from workers.child import Child
            from workers.limits import Limits
            if __name__ == "__main__":
                request = {"steps": 100, "seconds": 1}
                child = Child("sleep", request, Limits(60, 512), Path(sys.argv[1]))
                child.read(timeout=30)
                print(child.pid, flush=True)
                time.sleep(60)
            """
        )
    )
    with subprocess.Popen(
        [sys.executable, script, tmp_path], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        # A pidfd becomes readable when its process ends: an event to wait for.
        watch = os.pidfd_open(pid)
        supervisor.kill()
    try:
        readable, _, _ = select.select([watch], [], [], 10)
    finally:
        os.close(watch)
    assert readable, "the child outlived its supervisor by 10 s"


@pytest.mark.parametrize("steps", [1, 50])
def test_a_closed_child_leaves_no_process(tmp_path: Path, steps: int) -> None:
    with started("sleep", {"steps": steps, "seconds": 0.01}, PLENTY, tmp_path) as child:
        pid = child.pid
    assert is_gone(pid)
