"""Code through real workers: judged in the sandbox, killed, cancelled, and many at once."""

import os
import shutil
import signal
import uuid
from pathlib import Path

import pytest
from django.utils import timezone

from courses.models import Evidence
from labs import broker, exercises, runs
from labs.models import Lab, Run, State, WorkerHost
from people.models import User
from tests.labs.test_exercises import RIGHT, WRONG
from tests.labs.test_life_of_a_run import wait_for, wait_for_child
from tests.stack import RedisServer, Worker, wait_until

ENDLESS = "def rms_norm(x, weight, eps):\n    while True:\n        pass\n"


def hand_in(lab: Lab, student: User, code: str) -> Run:
    wait_until(lambda: bool(runs.workers_online(lab, at=timezone.now())), "code is served")
    run = exercises.submit(
        lab, student=student, code=code, key=uuid.uuid4(), at=timezone.now(), version=0
    )
    broker.hand_over(run.lane)
    return run


def test_ada_hands_in_a_wrong_answer_then_a_right_one(
    worker: Worker,
    exercise: Lab,
    ada: User,
) -> None:
    wrong = wait_for(hand_in(exercise, ada, WRONG), State.SUCCEEDED)
    assert wrong.result is not None
    assert not wrong.result["passed"]

    right = wait_for(hand_in(exercise, ada, RIGHT), State.SUCCEEDED)
    assert right.grade == 1.0
    assert list(Evidence.objects.filter(student=ada).values_list("passed", flat=True)) == [
        False,
        True,
    ]


def test_an_endless_loop_is_a_verdict_that_names_the_limit(
    worker: Worker,
    exercise: Lab,
    ada: User,
) -> None:
    run = wait_for(hand_in(exercise, ada, ENDLESS), State.SUCCEEDED, seconds=60)

    assert run.result is not None
    # On a busy machine the clock on the wall runs out before the processor's.
    (limit,) = [limit for limit in run.result["limits"] if limit["hit"]]
    assert limit["name"] in {"CPU time", "Time"}
    examples = next(check for check in run.result["checks"] if check["name"] == "The examples")
    assert f"of {limit['limit']:g} s" in examples["message"]


def test_a_cancelled_submission_leaves_no_sandbox_behind(
    worker: Worker,
    exercise: Lab,
    ada: User,
) -> None:
    run = hand_in(exercise, ada, ENDLESS)
    child = wait_for_child(run)
    wait_until(lambda: bool(_descendants(child)), "the sandbox is open")
    inside = _descendants(child)
    runs.cancel(run, at=timezone.now())

    wait_for(run, State.CANCELLED)
    wait_until(lambda: not any(map(_lives, inside)), "the sandbox is gone")


def test_a_killed_worker_takes_its_sandboxes_along_and_loses_no_submission(
    worker: Worker,
    exercise: Lab,
    ada: User,
) -> None:
    run = hand_in(exercise, ada, ENDLESS)
    child = wait_for_child(run)
    wait_until(lambda: bool(_descendants(child)), "the sandbox is open")
    inside = _descendants(child)
    worker.kill(signal.SIGKILL)

    wait_until(lambda: not any(map(_lives, inside)), "the sandbox is gone")
    worker.start()
    wait_until(lambda: wait_for(run, State.RUNNING).attempt == 2, "it runs again")
    runs.cancel(run, at=timezone.now())
    wait_for(run, State.CANCELLED)


def test_a_worker_without_bubblewrap_serves_no_code(
    redis_server: RedisServer,
    exercise: Lab,
    transactional_db: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for program in ("ldd", "setpriv", "gcc", "ldconfig"):
        found = shutil.which(program) or f"/sbin/{program}"
        (tmp_path / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    bare = Worker("bare")
    bare.start()
    try:
        wait_until(
            lambda: WorkerHost.objects.filter(name__endswith=f":{bare.pid}").exists(),
            "its heartbeat",
        )
        lanes = WorkerHost.objects.get(name__endswith=f":{bare.pid}").lanes
        assert lanes == ["heavy", "quick"]
        assert "bwrap is not installed" in bare.log.read_text()
    finally:
        bare.stop()


def test_twenty_submissions_at_once_are_all_judged(
    worker: Worker,
    exercise: Lab,
    db: None,
) -> None:
    students = [User.objects.create_user(f"student-{number}") for number in range(20)]
    submissions = [hand_in(exercise, student, RIGHT) for student in students]

    for run in submissions:
        assert wait_for(run, State.SUCCEEDED, seconds=60).grade == 1.0
    assert Evidence.objects.filter(passed=True).count() == 20


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [p for child in map(int, children) for p in (child, *_descendants(child))]


def _lives(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")
