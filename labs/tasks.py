"""What Celery runs. A task takes ids, loads, makes one call and ends."""

import logging

import redis
from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from labs import runs, stream
from labs.models import Lane
from labs.supervisor import WORKER, stopping, supervise

logger = logging.getLogger(__name__)


@shared_task
def execute(run_id: int) -> None:
    """Do the run, if it is still there to be claimed; then let the next one in."""
    if stopping.is_set():
        return
    if run := runs.claim(run_id, worker=WORKER, at=timezone.now()):
        supervise(run)
        hand_over(run.lane)


@shared_task
def sweep() -> None:
    """Bring back what was lost: expired leases, and messages that the broker forgot."""
    for run in runs.reap(at=timezone.now()):
        stream.announce(run.pk, run.attempt)
    for lane in Lane.values:
        try:
            in_broker = stream.waiting(lane)
        except redis.RedisError:
            continue
        runs.take_back_forgotten(lane, in_broker=in_broker, at=timezone.now())
        hand_over(lane)


def hand_over(lane: str) -> None:
    """Send the next runs in line to the broker. What cannot be sent now, the sweeper sends."""
    for run_id in runs.hand_over(lane, at=timezone.now()):
        try:
            execute.apply_async((run_id,), queue=lane, retry=False)
        except OperationalError as error:
            logger.warning("the broker cannot be reached (%s); run %s waits", error, run_id)
