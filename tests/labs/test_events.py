"""The event stream of a run, over real HTTP."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from django.test import Client

from labs import broker, runs, stream
from labs.models import Lab, State
from people.models import User
from tests.labs.conftest import start
from tests.labs.test_life_of_a_run import wait_for
from tests.stack import RedisServer


class Listener:
    """Reads server-sent events as a browser does."""

    def __init__(self, address: str, user: User, headers: dict[str, str] | None = None) -> None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies["sessionid"].value
        request = urllib.request.Request(
            address, headers={"Cookie": f"sessionid={cookie}", **(headers or {})}
        )
        self.response = urllib.request.urlopen(request, timeout=20)

    def __iter__(self) -> Iterator[tuple[str, str, dict[str, object]]]:
        """(event name, id, data) until the server ends the stream."""
        fields: dict[str, str] = {}
        for raw in self.response:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                event = fields.get("event", "message")
                yield event, fields.get("id", ""), json.loads(fields["data"])
                fields = {}

    def close(self) -> None:
        self.response.close()


def test_the_events_arrive_and_the_stream_ends_with_the_run(
    campus: str, nap: Lab, ada: User
) -> None:
    run = start(nap, ada, pause=0.1)
    listener = Listener(f"{campus}/runs/{run.pk}/events/?attempt=1", ada)
    broker.hand_over(run.lane)
    events = list(listener)
    assert [data["type"] for name, _, data in events if name == "message"] == [
        "phase",
        *["progress"] * 3,
    ]
    assert events[-1][0] == "state"
    wait_for(run, State.SUCCEEDED)


@pytest.mark.parametrize("by", ["cursor", "last id"])
def test_a_reload_goes_on_behind_its_cursor_and_a_reconnect_behind_its_last_id(
    campus: str, nap: Lab, ada: User, by: str
) -> None:
    run = start(nap, ada, pause=0.3)
    broker.hand_over(run.lane)
    address = f"{campus}/runs/{run.pk}/events/?attempt=1"
    first = Listener(address, ada)
    heard = [event for _, event in zip(range(2), first, strict=False)]
    first.close()
    last = heard[-1][1]

    if by == "cursor":
        again = Listener(f"{address}&after={last}", ada)
    else:
        again = Listener(f"{address}&after=0", ada, {"Last-Event-ID": last})
    heard += [event for event in again if event[0] == "message"]
    assert [data["type"] for _, _, data in heard] == ["phase", *["progress"] * 3]
    assert [data.get("done") for _, _, data in heard] == [None, 1, 2, 3]


def test_an_attempt_that_is_over_ends_its_stream_at_once(campus: str, nap: Lab, ada: User) -> None:
    run = start(nap, ada)
    runs.cancel(run, at=run.created_at)
    events = list(Listener(f"{campus}/runs/{run.pk}/events/?attempt=1", ada))
    assert [name for name, _, _ in events] == ["state"]


def test_a_stranger_hears_nothing(campus: str, nap: Lab, ada: User, stranger: User) -> None:
    run = start(nap, ada)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        Listener(f"{campus}/runs/{run.pk}/events/?attempt=1", stranger)


def test_a_page_hears_nothing_twice_when_redis_is_wiped(
    campus: str, redis_server: RedisServer, nap: Lab, ada: User
) -> None:
    run = start(nap, ada, pause=1.5)
    broker.hand_over(run.lane)
    address = f"{campus}/runs/{run.pk}/events/?attempt=1"
    first = Listener(address, ada)
    heard = [event for _, event in zip(range(2), first, strict=False)]
    first.close()
    redis_server.kill()
    redis_server.start()

    again = Listener(address, ada, {"Last-Event-ID": heard[-1][1]})
    heard += [event for event in again if event[0] == "message"]
    assert [data.get("done") for _, _, data in heard] == [None, 1, 2, 3]
    wait_for(run, State.SUCCEEDED)
    # A reload shows what was said before the wipe as well.
    events, _ = stream.so_far(stream.name(run.pk, 1))
    assert [event.get("done") for event in events] == [None, 1, 2, 3, None]


def test_a_live_page_outlasts_redis(
    campus: str, redis_server: RedisServer, nap: Lab, ada: User
) -> None:
    run = start(nap, ada, pause=1)
    broker.hand_over(run.lane)
    listener = iter(Listener(f"{campus}/runs/{run.pk}/events/?attempt=1", ada))
    assert next(listener)[2]["type"] == "phase"
    redis_server.kill()
    redis_server.start()
    rest = list(listener)
    assert [data.get("done") for name, _, data in rest if name == "message"] == [1, 2, 3]
    assert rest[-1][0] == "state"


def test_a_cursor_that_is_none_is_refused(client: Client, nap: Lab, ada: User) -> None:
    client.force_login(ada)
    run = start(nap, ada)
    assert client.get(f"/runs/{run.pk}/events/?attempt=1&after=soon").status_code == 404
    assert client.get(f"/runs/{run.pk}/events/?attempt=first").status_code == 404
    assert client.post(f"/runs/{run.pk}/events/?attempt=1").status_code == 405
