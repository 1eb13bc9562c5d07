"""The events of a running attempt, in a bounded Redis stream. Losing it loses no result.

Whoever publishes keeps the events too and stores them with the run at its end, so that Redis may
be wiped at any moment: what is then missing is the live view of one run, for a moment.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Iterable
from functools import cache
from typing import Any, cast

import redis
import redis.asyncio
from django.conf import settings

MAX_EVENTS = 5000
KEPT_SECONDS = 3600
CURSOR = re.compile(r"\d{1,19}(-\d{1,19})?")

Event = dict[str, Any]
# What the client gives, with answers decoded: (id, fields) each.
Entries = list[tuple[str, dict[str, str]]]


@cache
def client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5, decode_responses=True)


def name(run_id: int, attempt: int) -> str:
    return f"run:{run_id}:{attempt}"


def publish(stream: str, events: Iterable[Event], *, first: int = 1) -> None:
    """Append the attempt's events from number `first`. Raises redis.RedisError: Redis is away.

    An event's id is its number in the attempt, so a cursor holds although Redis was wiped and the
    events were sent again; and Redis refuses what it has already.
    """
    with client().pipeline(transaction=False) as pipe:
        for number, event in enumerate(events, first):
            pipe.xadd(
                stream,
                {"event": json.dumps(event)},
                id=f"{number}-0",
                maxlen=MAX_EVENTS,
                approximate=True,
            )
        pipe.expire(stream, KEPT_SECONDS)
        pipe.execute(raise_on_error=False)


def announce(run_id: int, attempt: int) -> None:
    """Tell whoever watches this attempt that it is over: the last word of its stream."""
    stream = name(run_id, attempt)
    with contextlib.suppress(redis.RedisError):
        client().xadd(stream, {"event": json.dumps({"type": "state"})})
        client().expire(stream, KEPT_SECONDS)


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
) -> AsyncGenerator[list[tuple[str, Event]], None]:
    """The events behind the cursor as they come; none of them after `patience_ms` of silence.

    While Redis is away there is silence.
    """
    connection = redis.asyncio.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    try:
        while True:
            try:
                answer = cast(
                    list[tuple[str, Entries]],
                    await connection.xread({stream: after}, block=patience_ms, count=500),
                )
            except (redis.ConnectionError, redis.TimeoutError):
                await asyncio.sleep(patience_ms / 1000)
                answer = []
            entries = answer[0][1] if answer else []
            yield [(cursor, json.loads(fields["event"])) for cursor, fields in entries]
            if entries:
                after = entries[-1][0]
    finally:
        await connection.aclose()


def waiting(lane: str) -> int:
    """How many messages of the lane lie in the broker. Raises redis.RedisError."""
    return int(client().llen(lane))
