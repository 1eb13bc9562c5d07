"""Requests take turns: one is worked on at a time, and a page goes before a submission.

A web process has one Python interpreter. Twenty submissions that it works on all at once are done
no sooner than one after another, but every page in between takes as long as all of them.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

# A request that takes longer, for the database or Redis keeps it waiting, holds nobody else up.
LONGEST_TURN = 0.1  # seconds
# However many pages are asked for, what has waited for so long goes before them.
LONGEST_WAIT = 2.0  # seconds

# Who waits, and since when.
Line = deque[tuple[asyncio.Future[None], float]]
Handler = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class Turns:
    """Whose turn it is. Belongs to one event loop."""

    def __init__(self) -> None:
        self._taken = False
        self._first: Line = deque()
        self._then: Line = deque()

    @contextlib.asynccontextmanager
    async def turn(self, *, first: bool) -> AsyncIterator[None]:
        """Wait for a turn, before what is not `first`, unless that has waited for long."""
        await self._wait(self._first if first else self._then)
        over = asyncio.get_running_loop().call_later(LONGEST_TURN, self._pass_on)
        try:
            yield
        finally:
            # One that has run out is passed on by the timer.
            if over.when() > asyncio.get_running_loop().time():
                over.cancel()
                self._pass_on()

    async def _wait(self, line: Line) -> None:
        if not self._taken:
            self._taken = True
            return
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        line.append((called, loop.time()))
        try:
            await called
        except asyncio.CancelledError:
            # Whoever waited has left; it may have been their turn by then.
            if called.done() and not called.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        lines = [self._first, self._then]
        if self._then and self._then[0][1] <= asyncio.get_running_loop().time() - LONGEST_WAIT:
            lines.reverse()
        for line in lines:
            while line:
                called, _ = line.popleft()
                if not called.done():
                    called.set_result(None)
                    return
        self._taken = False


@sync_and_async_middleware
def turns(get_response: Handler) -> Handler:
    """The middleware. A turn ends where the response begins: streams go on without one."""
    if not iscoroutinefunction(get_response):
        return get_response  # one request at a time as it is
    line = Turns()

    async def in_turn(request: HttpRequest) -> HttpResponseBase:
        async with line.turn(first=is_page(request)):
            return await get_response(request)

    return in_turn


def is_page(request: HttpRequest) -> bool:
    """Whether somebody waits for it to read on: it changes nothing and is no stream of events."""
    streams = request.headers.get("Accept") == "text/event-stream"
    return request.method in ("GET", "HEAD") and not streams
