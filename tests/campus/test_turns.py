"""Requests take turns: pages first, and whoever is kept waiting holds nobody up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory

from campus import turns


class Site:
    """Views that note when they begin, and end when they are told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.handle = turns.turns(self._work)

    async def _work(self, request: HttpRequest) -> HttpResponseBase:
        self.begun.append(request.path)
        await self.ends.setdefault(request.path, asyncio.Event()).wait()
        if "broken" in request.path:
            raise RuntimeError("broken")
        return HttpResponse(request.path)

    def asks(self, method: str, path: str, **headers: str) -> asyncio.Task[HttpResponseBase]:
        request = RequestFactory().generic(method, path, headers=headers)
        return asyncio.ensure_future(self.handle(request))

    def end(self, path: str) -> None:
        self.ends.setdefault(path, asyncio.Event()).set()


async def settled() -> None:
    """Let everything happen that can without time going by."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn runs out."""
    monkeypatch.setattr(turns, "LONGEST_TURN", 60.0)


def play(story: Callable[[Site], Awaitable[None]]) -> None:
    async def played() -> None:
        await story(Site())

    asyncio.run(played())


@pytest.mark.usefixtures("patient")
def test_a_page_goes_before_submissions_that_came_earlier() -> None:
    async def story(site: Site) -> None:
        answers = [site.asks("POST", "/first/")]
        await settled()
        answers += [site.asks("POST", "/second/"), site.asks("GET", "/page/")]
        answers += [site.asks("GET", "/events/", Accept="text/event-stream")]
        await settled()
        assert site.begun == ["/first/"]
        for path in ("/first/", "/page/", "/second/", "/events/"):
            site.end(path)
        await asyncio.gather(*answers)
        assert site.begun == ["/first/", "/page/", "/second/", "/events/"]

    play(story)


@pytest.mark.usefixtures("patient")
def test_a_submission_gets_its_turn_however_many_pages_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "LONGEST_WAIT", 0.0)

    async def story(site: Site) -> None:
        answers = [site.asks("GET", "/first/")]
        await settled()
        answers += [site.asks("POST", "/submission/"), site.asks("GET", "/page/")]
        for path in ("/first/", "/page/", "/submission/"):
            site.end(path)
        await asyncio.gather(*answers)
        assert site.begun == ["/first/", "/submission/", "/page/"]

    play(story)


@pytest.mark.usefixtures("patient")
def test_who_leaves_while_waiting_takes_nobodys_turn() -> None:
    async def story(_: Site) -> None:
        line = turns.Turns()

        async def take() -> None:
            async with line.turn(first=False):
                pass

        async with line.turn(first=True):
            gone, called, last = (asyncio.ensure_future(take()) for _ in range(3))
            await settled()
            gone.cancel()
            await settled()
        # The turn is the second's by now, who leaves before it begins.
        called.cancel()
        await asyncio.wait_for(last, 10)
        assert gone.cancelled()
        assert called.cancelled()

    play(story)


@pytest.mark.usefixtures("patient")
def test_a_view_that_breaks_ends_its_turn() -> None:
    async def story(site: Site) -> None:
        broken, page = site.asks("GET", "/broken/"), site.asks("GET", "/page/")
        site.end("/broken/")
        site.end("/page/")
        with pytest.raises(RuntimeError):
            await broken
        assert (await asyncio.wait_for(page, 10)).status_code == 200

    play(story)


def test_a_request_that_is_kept_waiting_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONGEST_TURN", 0.01)

    async def story(site: Site) -> None:
        stuck, page = site.asks("POST", "/stuck/"), site.asks("GET", "/page/")
        site.end("/page/")
        await asyncio.wait_for(page, 10)
        assert not stuck.done()
        site.end("/stuck/")
        await stuck
        # What it gave up once it does not give up again: the next two take turns.
        monkeypatch.setattr(turns, "LONGEST_TURN", 60.0)
        one, two = site.asks("GET", "/one/"), site.asks("GET", "/two/")
        await settled()
        assert site.begun == ["/stuck/", "/page/", "/one/"]
        site.end("/one/")
        site.end("/two/")
        await asyncio.gather(one, two)

    play(story)


def test_where_requests_come_one_by_one_there_are_no_turns() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    handle: Any = turns.turns
    assert handle(view) is view
