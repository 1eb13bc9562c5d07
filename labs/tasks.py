"""What Celery runs. A task takes ids, loads, makes one call and ends."""

import redis
from celery import shared_task
from django.utils import timezone

from labs import broker, runs, stream
from labs.models import Lane
from labs.supervisor import WORKER, stopping, supervise


@shared_task
def execute(run_id: int) -> None:
    """Do the run, if it is still there to be claimed; then let the next one in."""
    if stopping.is_set():
        return
    if run := runs.claim(run_id, worker=WORKER, at=timezone.now()):
        supervise(run)
        broker.hand_over(run.lane)


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
        broker.hand_over(lane)
