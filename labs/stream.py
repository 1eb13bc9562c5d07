"""The events of a running attempt, in a bounded Redis stream. Losing it loses no result.

Whoever publishes keeps the events too and stores them with the run at its end, so that Redis may
be wiped at any moment: what is then missing is the live view of one run, for a moment.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from functools import cache
from typing import Any, cast

import redis
import redis.asyncio
from django.conf import settings

MAX_EVENTS = 5000
KEPT_SECONDS = 3600

Event = dict[str, Any]
# What the client gives, with answers decoded: (id, fields) each.
Entries = list[tuple[str, dict[str, str]]]


@cache
def client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, decode_responses=True)


def name(run_id: int, attempt: int) -> str:
    return f"run:{run_id}:{attempt}"


def publish(stream: str, events: Iterable[Event]) -> None:
    """Append the events. Raises redis.RedisError where Redis cannot be reached."""
    with client().pipeline(transaction=False) as pipe:
        for event in events:
            pipe.xadd(stream, {"event": json.dumps(event)}, maxlen=MAX_EVENTS, approximate=True)
        pipe.expire(stream, KEPT_SECONDS)
        pipe.execute()


def announce(run_id: int, attempt: int) -> None:
    """Tell whoever watches this attempt that the run's state has changed."""
    with contextlib.suppress(redis.RedisError):
        publish(name(run_id, attempt), [{"type": "state"}])


def exists(stream: str) -> bool:
    return bool(client().exists(stream))


def so_far(stream: str) -> tuple[list[Event], str]:
    """The events published until now and the cursor behind them; empty where Redis is away."""
    try:
        entries = cast(Entries, client().xrange(stream))
    except redis.RedisError:
        return [], "0"
    events = [json.loads(fields["event"]) for _, fields in entries]
    return events, entries[-1][0] if entries else "0"


async def follow(
    stream: str, after: str, *, patience_ms: int
) -> AsyncIterator[tuple[str, Event] | None]:
    """The events behind the cursor as they come; None after each `patience_ms` of silence."""
    connection = redis.asyncio.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    try:
        while True:
            answer = cast(
                list[tuple[str, Entries]],
                await connection.xread({stream: after}, block=patience_ms, count=500),
            )
            if not answer:
                yield None
                continue
            for _, entries in answer:
                for cursor, fields in entries:
                    yield cursor, json.loads(fields["event"])
                after = entries[-1][0]
    finally:
        await connection.aclose()


def waiting(lane: str) -> int:
    """How many messages of the lane lie in the broker. Raises redis.RedisError."""
    return int(client().llen(lane))
