"""What Celery runs for the course. A task loads, makes one call and ends."""

import threading
from datetime import datetime

from celery import shared_task
from django.utils import timezone

from courses import links

# A round is gone through in slices, so that it never holds a thread of the worker's for long.
SLICE = 30
SLICE_SECONDS = 20.0
# Two rounds at once in one worker would ask a host twice at a time.
LOOKING = threading.Lock()


@shared_task
def look_at_links(began: str | None = None) -> None:
    """Go through a slice of the links; the rest of the round is a task of its own."""
    if not LOOKING.acquire(blocking=False):
        return
    try:
        at = datetime.fromisoformat(began) if began else timezone.now()
        if began is None:
            links.collect()
        with links.client() as client:
            left = links.look_round(client, at, most=SLICE, seconds=SLICE_SECONDS)
    finally:
        LOOKING.release()
    if left:
        look_at_links.delay(at.isoformat())
