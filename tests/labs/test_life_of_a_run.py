"""The life of a run through real Celery, real Redis and real child processes, kill -9 included."""

import os
import signal
import time

import pytest
from django.utils import timezone

from courses.models import Evidence
from labs import broker, runs, stream
from labs.models import Fault, Lab, Run, State
from people.models import User
from tests.labs.conftest import start
from tests.stack import RedisServer, Worker, wait_until


def child_of(run: Run) -> int:
    """The process id of the run's child: the leader of the group that works in its scratch."""
    run.refresh_from_db()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.readlink(f"/proc/{entry}/cwd") == str(run.scratch):
                    return int(entry)
            except OSError:
                continue
    return 0


def wait_for(run: Run, *states: State, seconds: float = 30) -> Run:
    def there() -> bool:
        run.refresh_from_db()
        return run.state in states

    wait_until(there, f"{run} is {'/'.join(states)}", seconds)
    return run


def wait_for_child(run: Run) -> int:
    wait_until(lambda: child_of(run) > 0, f"{run} has a child")
    return child_of(run)


def test_ada_predicts_a_nap_and_gets_it_graded(worker: Worker, nap: Lab, ada: User) -> None:
    run = start(nap, ada, predicted=0.5)
    broker.hand_over(run.lane)

    wait_for(run, State.SUCCEEDED)
    assert run.result is not None
    assert run.result["seconds"] > 0
    assert run.grade_detail is not None
    part = run.grade_detail["parts"][0]
    assert (part["predicted"], part["out_of"]) == ("0.5", 1.0)
    evidence = Evidence.objects.get(student=ada)
    assert (evidence.activity, evidence.score) == (nap.activity, run.grade)
    wait_until(lambda: run.artifacts.filter(name="events.jsonl").exists(), "the events are kept")
    wait_until(lambda: not run.scratch.exists(), "the scratch is gone")


def test_a_cancelled_run_is_final_and_its_child_gone_within_two_seconds(
    worker: Worker, nap: Lab, ada: User
) -> None:
    run = start(nap, ada, pause=20)
    broker.hand_over(run.lane)
    child = wait_for_child(run)

    clicked = time.monotonic()
    runs.cancel(run, at=timezone.now())
    wait_for(run, State.CANCELLED)
    wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child is gone")
    assert time.monotonic() - clicked < 2
    assert run.message == "You cancelled it."
    assert not Evidence.objects.filter(student=ada).exists()


def test_a_killed_child_is_our_fault_and_tried_again(worker: Worker, nap: Lab, ada: User) -> None:
    run = start(nap, ada, pause=0.3)
    broker.hand_over(run.lane)
    os.kill(wait_for_child(run), signal.SIGKILL)

    wait_for(run, State.SUCCEEDED)
    assert run.attempt == 2
    assert run.losses == 1


def test_after_three_killed_children_the_run_fails_as_ours_and_is_not_counted(
    worker: Worker, nap: Lab, ada: User
) -> None:
    run = start(nap, ada, pause=20)
    broker.hand_over(run.lane)
    for _ in range(3):
        child = wait_for_child(run)
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child is gone")  # noqa: B023

    wait_for(run, State.FAILED)
    assert run.fault == Fault.OURS
    assert "SIGKILL" in run.message
    assert "does not count" in run.message
    assert not Run.objects.owned_by(ada).counted().exists()


def test_a_killed_worker_loses_no_run(worker: Worker, nap: Lab, ada: User) -> None:
    run = start(nap, ada, pause=1)
    broker.hand_over(run.lane)
    child = wait_for_child(run)
    worker.kill(signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{child}"), "the child died with its worker")

    worker.start()
    wait_for(run, State.SUCCEEDED, seconds=60)
    assert run.attempt == 2


def test_a_worker_told_to_stop_gives_its_run_back_at_once(
    worker: Worker, nap: Lab, ada: User
) -> None:
    run = start(nap, ada, pause=20)
    broker.hand_over(run.lane)
    wait_for_child(run)
    worker.kill(signal.SIGTERM)

    run.refresh_from_db()
    assert run.state == State.QUEUED
    assert run.losses == 0


def test_a_wiped_redis_loses_no_run(
    worker: Worker, redis_server: RedisServer, nap: Lab, ada: User, ben: User
) -> None:
    running = start(nap, ada, pause=1)
    broker.hand_over(running.lane)
    wait_for_child(running)
    redis_server.kill()
    waiting = start(nap, ben, pause=0)
    broker.hand_over(waiting.lane)
    redis_server.start()

    wait_for(running, State.SUCCEEDED)
    wait_for(waiting, State.SUCCEEDED)
    assert running.attempt == 1


def test_nobody_waits_for_a_redis_that_is_away(
    worker: Worker, redis_server: RedisServer, nap: Lab, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("kombu.utils.functional.sleep", waits.append)
    redis_server.kill()
    waiting = start(nap, ada, pause=0)
    broker.hand_over(waiting.lane)
    assert runs.next_in_line(waiting.lane) == [waiting.pk]
    assert waits == []
    redis_server.start()

    wait_for(waiting, State.SUCCEEDED)


def test_a_message_the_broker_lost_is_sent_again(
    worker: Worker, redis_server: RedisServer, nap: Lab, ada: User
) -> None:
    run = start(nap, ada)
    assert runs.hand_over(run.lane, at=timezone.now()) == [run.pk]

    wait_for(run, State.SUCCEEDED)


def test_the_sweeper_sweeps_while_every_thread_is_busy(
    worker: Worker, nap: Lab, ada: User, ben: User
) -> None:
    busy = [start(nap, student, pause=60) for student in (ada, ada, ben)]
    broker.hand_over("quick")
    for run in busy:
        wait_for(run, State.RUNNING)
    forgotten = start(nap, ben)

    wait_until(lambda: runs.next_in_line("quick") == [], "it is handed over")
    for run in (forgotten, *busy):
        runs.cancel(run, at=timezone.now())
        wait_for(run, State.CANCELLED)


def test_the_events_of_an_attempt_can_be_read_from_any_point(
    worker: Worker, nap: Lab, ada: User
) -> None:
    run = start(nap, ada)
    broker.hand_over(run.lane)
    wait_for(run, State.SUCCEEDED)
    name = stream.name(run.pk, run.attempt)
    wait_until(
        lambda: {"type": "state"} in stream.so_far(name)[0], "the end of the stream is announced"
    )

    events, _ = stream.so_far(name)
    assert [event["type"] for event in events] == ["phase", *["progress"] * 3, "state"]


def test_two_claims_of_one_run_make_one_attempt(nap: Lab, ada: User) -> None:
    run = start(nap, ada)
    first = runs.claim(run.pk, worker="a", at=timezone.now())
    second = runs.claim(run.pk, worker="b", at=timezone.now())
    assert first is not None
    assert first.attempt == 1
    assert second is None
