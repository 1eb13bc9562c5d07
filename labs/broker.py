"""Handing runs over to the broker, without importing what will do them."""

import logging

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from labs import runs

logger = logging.getLogger(__name__)


def hand_over(lane: str) -> None:
    """Send the next runs in line to the broker. What cannot be sent now, the sweeper sends."""
    unsent = runs.hand_over(lane, at=timezone.now())
    try:
        while unsent:
            current_app.send_task("labs.tasks.execute", unsent[:1], queue=lane, retry=False)
            unsent.pop(0)
    except OperationalError as error:
        # One attempt tells enough: where Redis hangs, a person waits for each.
        logger.warning("the broker cannot be reached (%s); runs %s wait", error, unsent)
        runs.take_back(unsent)
