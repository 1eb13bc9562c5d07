"""The laws of a run's states, whatever workers, sweepers and students do in whatever order."""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from kombu.exceptions import OperationalError
from pytest_django.fixtures import Settings

from courses.models import Evidence
from labs import broker, runs
from labs.models import FINAL, Fault, Lab, Run, State
from labs.supervisor import tidy
from people.models import User
from tests.labs.conftest import make_lab, start

ACTIONS = st.lists(
    st.sampled_from(
        ["claim", "renew", "succeed", "fail", "lose", "release", "cancel", "wait", "reap", "hand"]
    ),
    max_size=25,
)


class World:
    """One run, the claims that workers hold on it, and the clock."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.claims: list[Run] = []
        self.at: datetime = timezone.now()

    def act(self, action: str) -> None:
        # The oldest claim acts as often as the newest: it is the one that must not be able to.
        for held in (self.claims[:1] + self.claims[-1:]) or []:
            match action:
                case "renew":
                    runs.renew(held, at=self.at)
                case "succeed":
                    runs.succeed(held, {"seconds": 1.0}, at=self.at)
                case "fail":
                    runs.end(held, State.FAILED, "No.", fault=Fault.REQUEST, at=self.at)
                case "lose":
                    runs.lose(held, "Lost.", at=self.at)
                case "release":
                    runs.release(held, at=self.at)
        match action:
            case "claim":
                if claim := runs.claim(self.run.pk, worker="w", at=self.at):
                    self.claims.append(claim)
            case "cancel":
                runs.cancel(self.run, at=self.at)
            case "wait":
                self.at += timedelta(seconds=11)
            case "reap":
                runs.reap(at=self.at)
            case "hand":
                runs.hand_over(self.run.lane, at=self.at)


@pytest.mark.django_db
@examples(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(actions=ACTIONS)
def test_whatever_happens_a_run_keeps_its_laws(nap: Lab, ada: User, actions: list[str]) -> None:
    with transaction.atomic():
        world = World(start(nap, ada, predicted=1.0))
        before = Run.objects.get(pk=world.run.pk)
        for action in actions:
            world.act(action)
            after = Run.objects.get(pk=world.run.pk)
            check_step(before, after)
            before = after
        evidence = Evidence.objects.filter(student=ada).count()
        assert evidence == (before.state == State.SUCCEEDED)
        # The next example finds the database as this one did.
        transaction.set_rollback(True)


def check_step(before: Run, after: Run) -> None:
    if before.state in FINAL:
        assert (after.state, after.attempt) == (before.state, before.attempt)
        assert (after.result, after.grade) == (before.result, before.grade)
        assert after.finished_at == before.finished_at
    assert before.attempt <= after.attempt <= before.attempt + 1
    assert after.losses <= after.attempt
    assert (after.result is not None) == (after.state == State.SUCCEEDED)
    assert (after.lease_expires_at is not None) == (after.state == State.RUNNING)
    # Nobody would claim it, and nobody cancel it.
    assert not (after.state == State.QUEUED and after.cancel_requested_at)
    if after.fault == Fault.OURS:
        assert after.state == State.FAILED
        assert after.losses >= 2


def test_an_attempt_that_lost_its_lease_cannot_write(nap: Lab, ada: User) -> None:
    at = timezone.now()
    run = start(nap, ada)
    slow = runs.claim(run.pk, worker="slow", at=at)
    assert slow is not None
    runs.reap(at=at + timedelta(seconds=60))
    quick = runs.claim(run.pk, worker="quick", at=at)
    assert quick is not None

    assert not runs.succeed(slow, {"seconds": 9.0}, at=at)
    assert runs.succeed(quick, {"seconds": 1.0}, at=at)
    run.refresh_from_db()
    assert run.result == {"seconds": 1.0}
    assert Evidence.objects.filter(student=ada).count() == 1


@pytest.mark.parametrize("how", ["release", "lose"])
def test_a_run_given_back_when_it_was_to_be_cancelled_is_cancelled(
    nap: Lab, ada: User, how: str
) -> None:
    at = timezone.now()
    run = start(nap, ada)
    claim = runs.claim(run.pk, worker="w", at=at)
    assert claim is not None
    runs.cancel(run, at=at)
    if how == "release":
        runs.release(claim, at=at)
    else:
        runs.lose(claim, "The engine process died of SIGKILL.", at=at)
    run.refresh_from_db()
    assert (run.state, run.message) == (State.CANCELLED, "You cancelled it.")


def test_two_runs_of_a_student_are_outside_and_the_first_of_everybody_comes_first(
    nap: Lab, ada: User, ben: User
) -> None:
    adas = [start(nap, ada) for _ in range(5)]
    bens = [start(nap, ben) for _ in range(2)]
    at = timezone.now()

    handed = runs.hand_over("quick", at=at)
    assert handed == [adas[0].pk, bens[0].pk, adas[1].pk, bens[1].pk]
    assert runs.hand_over("quick", at=at) == []

    claim = runs.claim(adas[0].pk, worker="w", at=at)
    assert claim is not None
    assert runs.hand_over("quick", at=at) == []
    runs.succeed(claim, {"seconds": 0.0}, at=at)
    assert runs.hand_over("quick", at=at) == [adas[2].pk]


def test_the_broker_is_believed_while_it_has_messages(nap: Lab, ada: User) -> None:
    run = start(nap, ada)
    at = timezone.now()
    runs.hand_over("quick", at=at)
    later = at + timedelta(seconds=6)

    assert runs.take_back_forgotten("quick", in_broker=1, at=later) == 0
    assert runs.take_back_forgotten("quick", in_broker=0, at=later) == 1
    assert runs.hand_over("quick", at=later) == [run.pk]


def test_what_cannot_be_sent_waits_in_the_database(
    nap: Lab, ada: User, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    adas, bens = start(nap, ada), start(nap, ben)
    sent: list[int] = []

    def send(_name: str, args: Sequence[int], **_options: Any) -> None:
        if sent:
            raise OperationalError("Redis is away.")
        sent.append(args[0])

    monkeypatch.setattr(current_app, "send_task", send)
    broker.hand_over("quick")
    assert sent == [adas.pk]
    assert runs.next_in_line("quick") == [bens.pk]


def test_the_quota_counts_runs_of_a_day_but_not_what_was_our_fault(
    nap: Lab, ada: User, settings: Settings
) -> None:
    settings.RUN_QUOTA_PER_DAY = 2
    at = timezone.now()
    first = start(nap, ada)
    start(nap, ada)
    with pytest.raises(runs.QuotaExceededError, match="your 2 runs of the last 24 hours"):
        start(nap, ada)

    claim = runs.claim(first.pk, worker="w", at=at)
    assert claim is not None
    runs.end(claim, State.FAILED, "Our fault.", fault=Fault.OURS, at=at)
    start(nap, ada)


def test_the_prediction_made_first_is_the_one_that_counts(nap: Lab, ada: User) -> None:
    at = timezone.now()
    failed = start(nap, ada, predicted=5.0)
    claim = runs.claim(failed.pk, worker="w", at=at)
    assert claim is not None
    runs.end(claim, State.FAILED, "Our fault.", fault=Fault.OURS, at=at)

    again = start(nap, ada, predicted=0.0)
    assert again.draw == failed.draw
    assert again.draw is not None
    assert again.draw.prediction.values == {"seconds": 5.0}


def test_a_run_that_succeeded_uses_its_draw_up(nap: Lab, ada: User) -> None:
    at = timezone.now()
    run = start(nap, ada)
    assert runs.current_draw(nap, ada) == run.draw
    claim = runs.claim(run.pk, worker="w", at=at)
    assert claim is not None
    runs.succeed(claim, {"seconds": 0.0}, at=at)

    fresh = runs.current_draw(nap, ada)
    assert fresh.pk is None
    assert fresh.number == 2
    assert fresh.values == runs.current_draw(nap, ada).values


def test_the_place_in_the_queue_counts_who_is_ahead(nap: Lab, ada: User, ben: User) -> None:
    first, second = start(nap, ada), start(nap, ben)
    assert runs.position(first) == 0
    assert runs.position(second) == 1
    runs.claim(first.pk, worker="w", at=timezone.now())
    assert runs.position(second) == 1


def test_a_model_may_say_any_character_and_the_database_keeps_it(nap: Lab, ada: User) -> None:
    run = start(nap, ada)
    claim = runs.claim(run.pk, worker="w", at=timezone.now())
    assert claim is not None
    runs.succeed(claim, {"seconds": 1.0, "steps": ({"text": "a\0b"},)}, at=timezone.now())
    run.refresh_from_db()
    # PostgreSQL takes no NUL, neither in text nor in JSON.
    assert run.result == {"seconds": 1.0, "steps": [{"text": "a\N{REPLACEMENT CHARACTER}b"}]}


def test_what_a_killed_worker_left_is_removed_in_time(nap: Lab, ada: User) -> None:
    at = timezone.now()
    lost = runs.claim(start(nap, ada).pk, worker="killed", at=at)
    alive = runs.claim(start(nap, ada).pk, worker="w", at=at)
    assert lost is not None
    assert alive is not None
    for run in (lost, alive):
        run.scratch.mkdir(parents=True)
        (run.scratch / "stderr.txt").write_text("Something")
    runs.lose(lost, "The worker fell silent.", at=at)

    tidy(at)
    assert lost.scratch.exists()
    tidy(at + timedelta(hours=2))
    assert not lost.scratch.exists()
    assert alive.scratch.exists()
    shutil.rmtree(alive.scratch)


def test_a_lab_with_a_conclusion_counts_when_it_is_drawn_and_once_a_draw(
    db: None, ada: User
) -> None:
    at = timezone.now()
    lab = make_lab("thoughtful", "thoughtful", {"steps": 1})
    first, second = start(lab, ada, predicted=1.0), start(lab, ada, predicted=1.0)
    assert first.draw == second.draw
    for run in (first, second):
        claim = runs.claim(run.pk, worker="w", at=at)
        assert claim is not None
        runs.succeed(claim, {"seconds": 1.0}, at=at)
        run.refresh_from_db()
    assert not Evidence.objects.exists()

    runs.conclude(first, {"tired": False}, at=at)
    runs.conclude(second, {"tired": True}, at=at)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.conclusion == {"tired": False}
    assert second.conclusion is None
    assert Evidence.objects.get().score == first.grade
