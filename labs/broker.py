"""Handing runs over to the broker, without importing what will do them."""

import logging

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from labs import runs

logger = logging.getLogger(__name__)


def hand_over(lane: str) -> None:
    """Send the next runs in line to the broker. What cannot be sent now, the sweeper sends."""
    for run_id in runs.hand_over(lane, at=timezone.now()):
        try:
            current_app.send_task("labs.tasks.execute", (run_id,), queue=lane, retry=False)
        except OperationalError as error:
            logger.warning("the broker cannot be reached (%s); run %s waits", error, run_id)
