"""Whether the campus can answer: for the launcher, a load balancer or a person with curl."""

from contextlib import suppress

import redis
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labs.models import WorkerHost


def workers() -> dict[str, int]:
    """How many workers serve each lane now. Raises DatabaseError."""
    serving: dict[str, int] = {}
    for host in WorkerHost.objects.online(timezone.now()):
        for lane in host.lanes:
            serving[lane] = serving.get(lane, 0) + 1
    return serving


def redis_answers() -> bool:
    with (
        suppress(redis.RedisError),
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as r,
    ):
        return bool(r.ping())
    return False


@never_cache
@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """Pages need the database alone; without Redis or workers, runs wait and say so."""
    try:
        serving, database = workers(), True
    except DatabaseError:
        serving, database = {}, False
    return JsonResponse(
        {"database": database, "redis": redis_answers(), "workers": serving},
        status=200 if database else 503,
    )
