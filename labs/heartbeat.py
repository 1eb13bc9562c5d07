"""A worker process says that it lives, what it serves and what it is, in a row of its own."""

import logging
import threading
from typing import Any

from celery.signals import celeryd_after_setup, worker_ready, worker_shutdown, worker_shutting_down
from django.db import DatabaseError, connection
from django.utils import timezone

from labs.models import Lane, WorkerHost
from labs.supervisor import WORKER, stopping, tidy
from labs.tasks import sweep
from workers import child, sandbox
from workers.fingerprint import fingerprint

logger = logging.getLogger(__name__)

SECONDS = 5.0


@celeryd_after_setup.connect
def close_without_sandbox(instance: Any, **_: Any) -> None:
    """Take no code where nothing holds it in: its lane is closed until another host serves it."""
    queues = instance.app.amqp.queues
    if Lane.CODE in queues.consume_from and (reason := sandbox.why_missing()):
        logger.error("This worker takes no code. %s", reason)
        queues.deselect(Lane.CODE)


@worker_ready.connect
def begin(sender: Any, **_: Any) -> None:
    """Start the fork server, so that the first run need not wait, and the heartbeat."""
    child.preload()
    lanes = sorted(set(sender.app.amqp.queues.consume_from) & set(Lane.values))
    threading.Thread(target=beat, args=(lanes,), daemon=True, name="heartbeat").start()


def beat(lanes: list[str]) -> None:
    """Renew this worker's row until the process is told to stop."""
    now = timezone.now()
    identity = {"lanes": lanes, "fingerprint": fingerprint(), "started_at": now, "seen_at": now}
    while not stopping.is_set():
        try:
            seen = WorkerHost.objects.filter(name=WORKER).update(seen_at=timezone.now())
            if not seen:
                WorkerHost.objects.create(name=WORKER, **identity | {"seen_at": timezone.now()})
            WorkerHost.objects.gone(timezone.now()).delete()
            tidy(timezone.now())
            # Beat's sweeps wait for a free thread of this worker's, which long runs may hold.
            sweep()
        except DatabaseError:
            logger.exception("the heartbeat could not be written")
        finally:
            connection.close()
        stopping.wait(SECONDS)


@worker_shutting_down.connect
def end(**_: Any) -> None:
    """Let supervisors give their runs back."""
    stopping.set()


@worker_shutdown.connect
def leave(**_: Any) -> None:
    WorkerHost.objects.filter(name=WORKER).delete()
