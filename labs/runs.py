"""The life of a run: start, hand over, claim, renew, finish, cancel, reap.

    queued -> running -> succeeded | failed | timed_out | cancelled

Every step is one conditional UPDATE, so it happens once however many workers, sweepers and
students try. The database is the truth; a message in the broker is only a hint that there may be
a run to claim, and may be lost or doubled at any time.
"""

import random
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from courses import evidence
from labs import kinds
from labs.models import Draw, Fault, Lab, Prediction, Run, RunQuerySet, State, WorkerHost
from people.models import User

# A student has at most so many runs of a lane outside the database at once.
FAIR_SHARE = 2


class QuotaExceededError(Exception):
    """The student has used up today's runs. The message says so, and until when."""


class OtherDrawError(Exception):
    """The prediction was made on a draw that a run has used up since. The message says so."""


def current_draw(lab: Lab, student: User) -> Draw:
    """The draw the student is on, not yet saved where it is new.

    A draw is used up by a run that succeeded on it; until then its prediction stands. A secret
    draw is used up by any run, for a run's record tells it, be it cancelled. The seed follows from
    lab, student and number, so looking at the page twice shows the same values.
    """
    kind = kinds.REGISTRY[lab.kind]
    using_up = None if kind.secret_draw else Q(runs__state=State.SUCCEEDED)
    last = (
        Draw.objects.filter(lab=lab, student=student)
        .annotate(done=Count("runs", filter=using_up))
        .order_by("number")
        .last()
    )
    if last is not None and not last.done:
        return last
    number = last.number + 1 if last else 1
    seed = random.Random(f"{settings.SECRET_KEY}:{lab.key}:{student.pk}:{number}").getrandbits(53)
    values = kind.draw(lab.parameters, random.Random(seed))
    return Draw(
        lab=lab,
        student=student,
        number=number,
        seed=seed,
        values=values,
        created_at=timezone.now(),
    )


@transaction.atomic
def start(
    lab: Lab,
    *,
    student: User,
    draw: Draw,
    prediction: Mapping[str, Any],
    choices: Mapping[str, Any],
    key: uuid.UUID,
    at: datetime,
    predicted_on: int | None = None,
) -> Run:
    """Make the run that this submission asks for, or find the one it made already.

    The prediction is kept unless one was made on this draw before: what was predicted first is
    what counts. `predicted_on` is the number of the draw that the student saw, if it is known.
    Raises QuotaExceededError and OtherDrawError.
    """
    # Rows of one student are serialised on the student's own row, so that a double click or two
    # tabs cannot both pass the checks below. (SQLite's immediate transactions do so anyway.)
    User.objects.select_for_update().only("pk").get(pk=student.pk)
    if run := Run.objects.filter(student=student, idempotency_key=key).first():
        return run
    if predicted_on not in (None, draw.number):
        raise OtherDrawError(
            "A run has used those values up since you opened this page. These are new values: "
            "look at your answers again before you lock them."
        )
    _check_quota(student, at)
    if draw.pk is None:
        same = Draw.objects.filter(lab=lab, student=student, number=draw.number).first()
        draw = same or Draw.objects.create(
            lab=lab,
            student=student,
            number=draw.number,
            seed=draw.seed,
            values=draw.values,
            created_at=at,
        )
    if not Prediction.objects.filter(draw=draw).exists():
        Prediction.objects.create(draw=draw, values=dict(prediction), made_at=at)
    return Run.objects.create(
        lab=lab,
        student=student,
        draw=draw,
        idempotency_key=key,
        lane=kinds.REGISTRY[lab.kind].lane,
        kind=lab.kind,
        parameters=lab.parameters,
        choices=dict(choices),
        created_at=at,
    )


def _check_quota(student: User, at: datetime) -> None:
    since = at - timedelta(days=1)
    used = Run.objects.owned_by(student).counted().filter(created_at__gte=since)
    if used.count() >= settings.RUN_QUOTA_PER_DAY:
        frees_at = used.order_by("created_at")[0].created_at + timedelta(days=1)
        raise QuotaExceededError(
            f"You have used your {settings.RUN_QUOTA_PER_DAY} runs of the last 24 hours. "
            f"The next one is free at {timezone.localtime(frees_at):%H:%M}."
        )


def next_in_line(lane: str) -> list[int]:
    """The ids of the queued runs that may leave the database now, fairest first.

    Each student has at most FAIR_SHARE runs outside; the first runs of everybody go before the
    second run of anybody.
    """
    turns = Counter(
        Run.objects.handed_over().filter(lane=lane).order_by().values_list("student", flat=True)
    )
    line = []
    waiting = Run.objects.filter(lane=lane, state=State.QUEUED, handed_over_at__isnull=True)
    for pk, student in waiting.order_by("created_at", "pk").values_list("pk", "student"):
        turns[student] += 1
        if turns[student] <= FAIR_SHARE:
            line.append((turns[student], pk))
    # Sorting keeps the order of age within a turn.
    return [pk for _, pk in sorted(line, key=itemgetter(0))]


def hand_over(lane: str, *, at: datetime) -> list[int]:
    """Mark the next runs in line as handed over; returns their ids, to be sent to the broker."""
    return [
        pk
        for pk in next_in_line(lane)
        if Run.objects.filter(pk=pk, state=State.QUEUED, handed_over_at__isnull=True).update(
            handed_over_at=at
        )
    ]


def take_back_forgotten(lane: str, *, in_broker: int, at: datetime) -> int:
    """Let runs be handed over again whose message the broker seems to have lost.

    A run that was handed over and not claimed is waiting for a worker while the broker still has
    messages of its lane. When it has none, the message is gone, or reserved by a worker that may
    be gone as well: sending another is harmless, for a claim succeeds once.
    """
    patience = timedelta(seconds=5) if in_broker == 0 else timedelta(minutes=5)
    return Run.objects.filter(
        lane=lane, state=State.QUEUED, handed_over_at__lt=at - patience
    ).update(handed_over_at=None)


def take_back(ids: Sequence[int]) -> None:
    """Let runs be handed over again that could not be sent."""
    Run.objects.filter(pk__in=ids, state=State.QUEUED).update(handed_over_at=None)


def lease_end(at: datetime) -> datetime:
    return at + timedelta(seconds=settings.RUN_LEASE_SECONDS)


def claim(run_id: int, *, worker: str, at: datetime) -> Run | None:
    """Take the run and return it with a new attempt number; None if there is nothing to take."""
    # The row is claimed by this UPDATE; zero rows means that another worker was first, or that
    # the message was a double.
    claimed = Run.objects.filter(
        pk=run_id, state=State.QUEUED, cancel_requested_at__isnull=True
    ).update(
        state=State.RUNNING,
        attempt=F("attempt") + 1,
        worker=worker,
        started_at=at,
        lease_expires_at=lease_end(at),
    )
    if not claimed:
        return None
    return Run.objects.select_related("lab__activity", "student", "draw__prediction").get(pk=run_id)


def _held(run: Run) -> Q:
    """Only while this attempt owns the lease may anything be written about the run."""
    return Q(pk=run.pk, state=State.RUNNING, attempt=run.attempt)


def renew(run: Run, *, at: datetime) -> bool:
    """Prolong the lease; False when it is no longer ours."""
    return bool(Run.objects.filter(_held(run)).update(lease_expires_at=lease_end(at)))


def should_stop(run: Run) -> bool:
    """Whether the student asked to cancel, or the lease is no longer ours."""
    return not Run.objects.filter(_held(run), cancel_requested_at__isnull=True).exists()


@transaction.atomic
def succeed(run: Run, result: Mapping[str, Any], *, at: datetime) -> bool:
    """Store the result with its grade and the evidence; False when the lease is no longer ours."""
    result = _storable(result)
    grade = kinds.REGISTRY[run.kind].grade(work_of(run), result)
    finished = Run.objects.filter(_held(run)).update(
        state=State.SUCCEEDED,
        finished_at=at,
        result=result,
        grade=grade.score,
        grade_detail=asdict(grade),
        fingerprint=result.get("fingerprint") or {},
        lease_expires_at=None,
    )
    kind = kinds.REGISTRY[run.kind]
    # Where a conclusion is asked for, the grade is not whole before it.
    if finished and kind.conclusion_form is None and kind.counts(run.choices):
        _record(run, grade, at=at)
    return bool(finished)


def _storable(value: Any) -> Any:
    """The value without the character NUL, which a model may well say: PostgreSQL keeps none."""
    match value:
        case str():
            return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        case dict():
            return {key: _storable(item) for key, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
    return value


@transaction.atomic
def conclude(run: Run, conclusion: Mapping[str, Any], *, at: datetime) -> None:
    """Keep the student's conclusion, grade the run with it and record the evidence.

    The first conclusion on a draw counts: what the page says of it gives the next one away.
    """
    assert run.result is not None
    if is_concluded(run):
        return
    grade = kinds.REGISTRY[run.kind].grade(work_of(run).concluded(conclusion), run.result)
    concluded = Run.objects.filter(
        pk=run.pk, state=State.SUCCEEDED, conclusion__isnull=True
    ).update(conclusion=dict(conclusion), grade=grade.score, grade_detail=asdict(grade))
    if concluded:
        _record(run, grade, at=at)


def is_concluded(run: Run) -> bool:
    """Whether a conclusion was drawn already, here or from another run on the same values."""
    return Run.objects.filter(draw=run.draw_id, conclusion__isnull=False).exists()


def _record(run: Run, grade: kinds.Grade, *, at: datetime) -> None:
    evidence.record(
        student=run.student,
        activity=run.lab.activity,
        score=grade.score,
        passed=grade.passed,
        source=f"Run {run.pk}",
        url=run.get_absolute_url(),
        at=at,
        observed=None if kinds.REGISTRY[run.kind].observes(grade) else (),
    )


def work_of(run: Run) -> kinds.Work:
    """Everything about the run that its kind may look at."""
    draw = run.draw
    return kinds.Work(
        parameters=run.parameters,
        drawn=draw.values if draw else {},
        choices=run.choices,
        prediction=draw.prediction.values if draw else {},
        conclusion=run.conclusion,
    )


def end(run: Run, state: State, message: str, *, fault: Fault, at: datetime) -> bool:
    """End the attempt without a result; False when the lease is no longer ours."""
    return bool(
        Run.objects.filter(_held(run)).update(
            state=state,
            message=_storable(message),
            fault=fault,
            finished_at=at,
            lease_expires_at=None,
        )
    )


def lose(run: Run, reason: str, *, at: datetime) -> None:
    """The attempt came to nothing through our fault: queue it again, or give up as ours."""
    again = _wanted(run).filter(losses__lt=settings.RUN_MAX_ATTEMPTS - 1)
    if again.update(**_BACK_IN_THE_QUEUE, losses=F("losses") + 1) or end_if_cancelled(run, at=at):
        return
    words = (
        f"{reason} It was tried {settings.RUN_MAX_ATTEMPTS} times. That was our fault: "
        "it does not count, and you can run it again."
    )
    end(run, State.FAILED, words, fault=Fault.OURS, at=at)


def release(run: Run, *, at: datetime) -> None:
    """Give the run back untouched, as a worker does that is told to stop."""
    if not _wanted(run).update(**_BACK_IN_THE_QUEUE):
        end_if_cancelled(run, at=at)


def _wanted(run: Run) -> RunQuerySet:
    """The run, unless it is to be cancelled: from the queue nobody would claim it again."""
    return Run.objects.filter(_held(run), cancel_requested_at__isnull=True)


_BACK_IN_THE_QUEUE: dict[str, Any] = {
    "state": State.QUEUED,
    "handed_over_at": None,
    "lease_expires_at": None,
    "started_at": None,
    "worker": "",
}


def end_if_cancelled(run: Run, *, at: datetime) -> bool:
    """End the attempt if the student asked for it; False when nobody did."""
    asked = Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists()
    return asked and end(run, State.CANCELLED, "You cancelled it.", fault=Fault.NONE, at=at)


def cancel(run: Run, *, at: datetime) -> bool:
    """Cancel at once what is queued (True); ask the supervisor of what is running."""
    Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=True).unfinished().update(
        cancel_requested_at=at
    )
    cancelled = Run.objects.filter(pk=run.pk, state=State.QUEUED).update(
        state=State.CANCELLED, message="You cancelled it before it started.", finished_at=at
    )
    return bool(cancelled)


def reap(*, at: datetime) -> list[Run]:
    """End or queue again the runs whose lease has expired; returns them as they were."""
    expired = list(Run.objects.filter(state=State.RUNNING, lease_expires_at__lt=at))
    for run in expired:
        lose(run, "The worker fell silent.", at=at)
    return expired


def workers_online(lab: Lab, *, at: datetime) -> int:
    """How many workers serve the lab's lane just now."""
    lane = kinds.REGISTRY[lab.kind].lane
    return sum(
        lane in lanes for lanes in WorkerHost.objects.online(at).values_list("lanes", flat=True)
    )


def position(run: Run) -> int:
    """How many runs of the lane go before this one; 0 for the next in line."""
    before = Q(created_at__lt=run.created_at) | Q(created_at=run.created_at, pk__lt=run.pk)
    line = Run.objects.filter(lane=run.lane).unfinished()
    return line.filter(Q(state=State.RUNNING) | before).count()


def expected_seconds(lab: Lab) -> float | None:
    """The median wall time of the lab's last 20 successful runs, in seconds."""
    past = Run.objects.filter(lab=lab, state=State.SUCCEEDED).order_by("-finished_at")[:20]
    # Only the times: the results of twenty runs are megabytes, and this is asked for every page.
    timed = past.only("started_at", "finished_at")
    times = sorted(run.seconds for run in timed if run.seconds is not None)
    return times[len(times) // 2] if times else None
