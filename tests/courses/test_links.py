"""Outside links: found in the course, asked politely, and known only when somebody answers."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from celery import current_app
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from kombu.exceptions import OperationalError

from courses import links, loading, tasks
from courses.models import Citation, Link, Module, Resource
from people.models import User

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WEEK = timedelta(weeks=1)
# How long the tests' client waits; the silent page stays silent for longer.
PATIENCE = 0.3


class Elsewhere(BaseHTTPRequestHandler):
    """The world outside: a page for everything that can happen to a link."""

    silent_until: ClassVar[threading.Event]
    asked: ClassVar[list[str]]
    codes: ClassVar[dict[str, int]] = {
        "/there": 200,
        "/empty": 204,
        "/missing": 404,
        "/removed": 410,
        "/forbidden": 403,
        "/too-many": 429,
        "/broken": 500,
        "/teapot": 418,
        "/nowhere-to-go": 302,
    }
    redirects: ClassVar[dict[str, tuple[int, str]]] = {
        "/old": (301, "/there"),
        "/old-308": (308, "/there"),
        "/older": (301, "/old"),
        "/for-now": (302, "/there"),
        "/for-now-307": (307, "/there"),
        "/for-now-then-old": (302, "/old"),
        "/old-then-for-now": (301, "/for-now"),
        "/old-to-missing": (301, "/missing"),
        "/old-to-broken": (301, "/broken"),
        "/loop": (301, "/loop"),
        "/to-mail": (302, "mailto:ann@example.org"),
        "/to-nonsense": (301, "https://a:b/"),
        "/to-long": (301, "/long?" + 600 * "x"),
    }

    def do_HEAD(self) -> None:
        self.answer("HEAD")

    def do_GET(self) -> None:
        self.answer("GET")

    def answer(self, method: str) -> None:
        path = self.path.partition("?")[0]
        self.asked.append(f"{method} {path} {self.headers['User-Agent']}")
        if path == "/silent":
            self.silent_until.wait()
            return
        if path == "/gibberish":
            self.wfile.write(b"Who is there?\r\n\r\n")
            return
        code, location = self.redirects.get(path, (self.codes.get(path, 200), ""))
        if path.startswith("/get-alone-"):
            code = int(path[-3:]) if method == "HEAD" else 200
        self.send_response(code)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of the world outside."""
    Elsewhere.silent_until = threading.Event()
    Elsewhere.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Elsewhere.silent_until.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def client_outside() -> Iterator[httpx.Client]:
    with links.client() as client:
        client.timeout = httpx.Timeout(PATIENCE)
        yield client


@pytest.mark.parametrize(
    ("path", "status", "words", "location"),
    [
        ("/there", "ok", "200 OK", ""),
        ("/empty", "ok", "204 No Content", ""),
        ("/missing", "gone", "404 Not Found", ""),
        ("/removed", "gone", "410 Gone", ""),
        ("/forbidden", "unknown", "403 Forbidden", ""),
        ("/too-many", "unknown", "429 Too Many Requests", ""),
        ("/broken", "unknown", "500 Internal Server Error", ""),
        ("/teapot", "unknown", "418 I'm a teapot", ""),
        ("/nowhere-to-go", "unknown", "302 Found", ""),
        ("/get-alone-405", "ok", "200 OK", ""),
        ("/get-alone-501", "ok", "200 OK", ""),
        ("/get-alone-403", "ok", "200 OK", ""),
        ("/get-alone-404", "ok", "200 OK", ""),
        ("/old", "moved", "200 OK", "/there"),
        ("/old-308", "moved", "200 OK", "/there"),
        ("/older", "moved", "200 OK", "/there"),
        ("/for-now", "ok", "200 OK", ""),
        ("/for-now-307", "ok", "200 OK", ""),
        # What lies behind a redirect for now is nobody's new address.
        ("/for-now-then-old", "ok", "200 OK", ""),
        ("/old-then-for-now", "moved", "200 OK", "/for-now"),
        ("/old-to-missing", "gone", "404 Not Found", ""),
        ("/old-to-broken", "unknown", "500 Internal Server Error", ""),
        ("/loop", "unknown", "more than 8 redirects", ""),
        ("/silent", "unknown", "no answer within 5 s", ""),
        ("/gibberish", "unknown", "no answer that can be read", ""),
        ("/to-mail", "unknown", "no answer that can be read", ""),
        ("/to-nonsense", "unknown", "no answer that can be read", ""),
    ],
)
def test_what_comes_back_says_whether_it_is_there(
    elsewhere: str,
    client_outside: httpx.Client,
    path: str,
    status: str,
    words: str,
    location: str,
) -> None:
    found = links.look(elsewhere + path, client_outside)
    assert (found.status, found.location) == (status, location and elsewhere + location)
    assert words in found.detail


def test_a_new_address_too_long_to_keep_is_not_cut(
    elsewhere: str, client_outside: httpx.Client
) -> None:
    found = links.look(f"{elsewhere}/to-long", client_outside)
    assert (found.status, found.location) == ("moved", "")


def test_refused_connections_and_unknown_names_prove_nothing(client_outside: httpx.Client) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    # RFC 6761: no resolver knows a name below .invalid; without a network none knows any.
    for url in (
        f"http://127.0.0.1:{closed}/",
        "https://campus.invalid/",
        "https://[nonsense/",
        f"https://{'a' * 64}.org/",
        "https://campus..org/",
    ):
        found = links.look(url, client_outside)
        assert found.status == Link.Status.UNKNOWN, url
        assert found.detail


def test_the_checker_says_who_it_is(elsewhere: str, client_outside: httpx.Client) -> None:
    links.look(f"{elsewhere}/there", client_outside)
    assert Elsewhere.asked == ["HEAD /there InferenceCampus link check (http://127.0.0.1:8000)"]


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_no_host_is_asked_again_before_every_other_had_its_turn(hosts: list[str]) -> None:
    named = [Link(url=f"https://{host}.org/{number}") for number, host in enumerate(hosts)]
    turns = links._hosts_in_turn(named)
    assert sorted(link.url for link in turns) == sorted(link.url for link in named)
    seen: dict[str, int] = dict.fromkeys(hosts, 0)
    for link in turns:
        host = link.url[8]
        seen[host] += 1
        others = [seen[other] for other in seen if hosts.count(other) >= seen[host]]
        assert min(others) >= seen[host] - 1


@pytest.fixture
def reading(db: None) -> Resource:
    """All that the course has: a reading with addresses in every field that takes some."""
    module = Module.objects.create(key="sand", number=1, title="Sand", weeks="1", digest="0")
    return Resource.objects.create(
        module=module,
        key="castles",
        number=1,
        type=Resource.Type.GUIDE,
        title="Castles",
        url="https://example.org/castles",
        minutes_full=10,
        body_html='<p><a href="https://example.org/sea">The sea</a>, <a href="/home/">home</a></p>',
        data={
            "companions": [{"title": "A", "url": "https://example.org/companion"}, {"url": None}],
            "supplementary": [{"title": "B", "url": "https://example.org/supplement"}],
            "corrections": [{"source": "https://example.org/six"}, {"source": "The book, p. 6"}],
        },
        html={"sections": [{"note": '<a href="https://example.org/1?a=1&amp;b=2">1</a>'}]},
    )


CASTLES = {"title": "Castles", "url": "/resources/castles/"}


@pytest.mark.django_db
class TestCollecting:
    def test_every_address_is_kept_with_the_pages_it_is_on(self, reading: Resource) -> None:
        Citation.objects.create(key="six", content={"url": "https://example.org/six"}, bibtex="")
        extra = {"title": "C", "url": "https://example.org/extra"}
        reading.module.plan = {"weeks": [{"blocks": [{"extra": [extra]}]}]}
        reading.module.save()
        links.collect()
        assert {link.url: link.places for link in Link.objects.all()} == {
            "https://example.org/castles": [CASTLES],
            "https://example.org/sea": [CASTLES],
            "https://example.org/companion": [CASTLES],
            "https://example.org/supplement": [CASTLES],
            "https://example.org/1?a=1&b=2": [CASTLES],
            "https://example.org/six": [
                CASTLES,
                {"title": "Bibliography", "url": "/bibliography/#six"},
            ],
            "https://example.org/extra": [{"title": "Plan: Sand", "url": "/modules/sand/plan/"}],
        }

    def test_texts_plans_quizzes_and_lists_are_looked_through(self, files: Path) -> None:
        toys = files / "toys"
        body = toys / "resources" / "02-blocks.md"
        body.write_text(
            body.read_text()
            .replace("One, two", "[One](https://a.example/?x=1&y=2#z), <https://b.example/>")
            .replace("note: Read it all", "note: Read [it](https://c.example/)")
            .replace("source: https", "source: See page 6 of https")
        )
        quiz = toys / "quizzes" / "quiz-blocks.yaml"
        before = quiz.read_text()
        quiz.write_text(
            before.replace("explanation: ", "explanation: '[e](https://d.example/)' #", 1)
        )
        assert quiz.read_text() != before
        (toys / "glossary.yaml").write_text(
            "- key: block\n  term: Building block\n  definition: See [it](https://f.example/).\n"
        )
        (toys / "advanced.yaml").write_text(
            "- key: more\n  topic: More\n  title: More\n  url: https://g.example/\n"
            "  why: As [Ann](https://h.example/) says.\n  minutes: 10\n"
        )
        checkpoint = toys / "checkpoints" / "building.yaml"
        text = checkpoint.read_text()
        checkpoint.write_text(text.replace("summary: ", "summary: '[s](https://i.example/)' #", 1))
        loading.load(files)
        links.collect()
        found = {link.url: [place["url"] for place in link.places] for link in Link.objects.all()}
        assert (
            found.items()
            >= {
                "https://a.example/?x=1&y=2#z": ["/resources/blocks/"],
                "https://b.example/": ["/resources/blocks/"],
                "https://c.example/": ["/resources/blocks/"],
                "https://example.org/six": ["/resources/blocks/"],
                "https://d.example/": ["/quizzes/quiz-blocks/"],
                "https://f.example/": ["/glossary/block/"],
                "https://g.example/": ["/modules/toys/advanced/"],
                "https://h.example/": ["/modules/toys/advanced/"],
                "https://i.example/": ["/checkpoints/building/"],
            }.items()
        )

    def test_collecting_again_changes_nothing(self, reading: Resource) -> None:
        links.collect()
        Link.objects.filter(url=reading.url).update(status="gone", checked_at=NOON)
        before = list(Link.objects.values())
        links.collect()
        assert list(Link.objects.values()) == before

    def test_what_is_named_no_more_is_retired_and_comes_back(self, reading: Resource) -> None:
        for retired in (False, True, False):
            Resource.objects.update(retired=retired)
            links.collect()
            assert Link.objects.get(url=reading.url).retired is retired
            assert bool(links.by_need()) is not retired

    def test_an_address_too_long_for_anybody_is_left_out(self, reading: Resource) -> None:
        long = "https://example.org/" + 600 * "x"
        Resource.objects.update(body_html=f'<a href="{long}">here</a>')
        links.collect()
        assert Link.objects.exists()
        assert not Link.objects.filter(url=long).exists()

    def test_it_takes_a_constant_number_of_queries(
        self, toys: loading.Loaded, django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(16):
            links.collect()


@pytest.mark.django_db
class TestChecking:
    def test_a_look_is_added_and_the_link_keeps_the_latest(
        self, elsewhere: str, client_outside: httpx.Client
    ) -> None:
        link = Link.objects.create(url=f"{elsewhere}/old")
        links.check(link, client_outside, NOON)
        link.refresh_from_db()
        assert (link.status, link.location) == ("moved", f"{elsewhere}/there")
        assert (link.detail, link.checked_at) == ("200 OK", NOON)
        assert list(link.checks.values_list("status", "at")) == [("moved", NOON)]

    def test_what_was_there_and_does_not_answer_says_both(
        self, elsewhere: str, client_outside: httpx.Client
    ) -> None:
        link = Link.objects.create(url=f"{elsewhere}/there")
        links.check(link, client_outside, NOON)
        link.url = f"{elsewhere}/broken"
        for weeks in (1, 2):
            links.check(link, client_outside, NOON + weeks * WEEK)
            link.refresh_from_db()
            assert link.status == "unknown"
            assert link.detail == "500 Internal Server Error; on 2 March 2026 it was there"
            link.url = f"{elsewhere}/broken"
        assert link.checks.count() == 3

    def test_a_round_looks_at_each_link_once_in_slices(
        self, elsewhere: str, client_outside: httpx.Client
    ) -> None:
        for number in range(3):
            Link.objects.create(url=f"{elsewhere}/{number}")
        Link.objects.create(url=f"{elsewhere}/retired", retired=True)
        waits: list[float] = []

        def slice_of(at: datetime) -> int:
            return links.look_round(client_outside, at, most=2, seconds=60, wait=waits.append)

        assert [slice_of(NOON), slice_of(NOON), slice_of(NOON)] == [1, 0, 0]
        assert [line.split()[1] for line in Elsewhere.asked] == ["/0", "/1", "/2"]
        # Within a slice the host was asked twice: the second time after a pause.
        assert len(waits) == 1
        assert 0 < waits[0] <= links.PAUSE
        assert slice_of(NOON + WEEK) == 1

    def test_a_round_whose_time_is_up_goes_on_with_what_was_not_seen(
        self, elsewhere: str, client_outside: httpx.Client
    ) -> None:
        for number in range(3):
            Link.objects.create(url=f"{elsewhere}/{number}")
        lefts = [links.look_round(client_outside, NOON, most=9, seconds=0) for _ in range(3)]
        assert lefts == [2, 1, 0]

    def test_the_task_collects_looks_and_hands_the_rest_on(
        self, reading: Resource, elsewhere: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Resource.objects.update(
            data={},
            html={},
            url=f"{elsewhere}/missing",
            body_html=f'<a href="{elsewhere}/old">here</a>',
        )
        monkeypatch.setattr(tasks, "SLICE", 1)
        monkeypatch.setattr(tasks.look_at_links, "delay", tasks.look_at_links)
        tasks.look_at_links()
        assert [(link.status, link.url) for link in links.by_need()] == [
            ("gone", f"{elsewhere}/missing"),
            ("moved", f"{elsewhere}/old"),
        ]
        assert len(set(Link.objects.published().values_list("checked_at", flat=True))) == 1

    def test_one_round_at_a_time(self, reading: Resource) -> None:
        with tasks.LOOKING:
            tasks.look_at_links()
        assert not Link.objects.exists()

    def test_the_command_says_what_it_found(
        self, reading: Resource, elsewhere: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(links, "PAUSE", 0)
        Resource.objects.update(
            data={},
            html={},
            url=f"{elsewhere}/old",
            body_html=f'<a href="{elsewhere}/missing">here</a>',
        )
        out = StringIO()
        call_command("checklinks", stdout=out)
        assert out.getvalue().splitlines() == [
            f"Gone: {elsewhere}/missing (404 Not Found; on /resources/castles/)",
            f"Moved to {elsewhere}/there: {elsewhere}/old (200 OK; on /resources/castles/)",
            "2 links: 0 there, 0 not known, 1 moved, 1 gone.",
        ]


def test_beat_looks_once_a_week_and_never_among_the_runs() -> None:
    entry = current_app.conf.beat_schedule["look at links"]
    assert entry["schedule"] == WEEK
    assert entry["task"] == tasks.look_at_links.name
    route = current_app.amqp.router.route({}, tasks.look_at_links.name)
    assert route["queue"].name == "sweep"


@pytest.fixture
def found(db: None) -> list[Link]:
    """A link of each status, in the order of their addresses."""
    place = {"title": "Blocks", "url": "/resources/blocks/"}
    return [
        Link.objects.create(
            url=f"https://example.org/{status}",
            status=status,
            detail="so it is",
            location="https://example.org/new" if status == "moved" else "",
            places=[place],
            checked_at=NOON,
        )
        for status in ("ok", "gone", "unknown", "moved")
    ]


PAGE = "/links/"


def test_the_page_shows_what_needs_somebody_first(
    client: Client, found: list[Link], iris: User, django_assert_max_num_queries: Any
) -> None:
    client.force_login(iris)
    with django_assert_max_num_queries(12):
        page = client.get(PAGE).content.decode()
    order = [page.index(f">https://example.org/{s}<") for s in ("gone", "moved", "unknown", "ok")]
    assert order == sorted(order)
    assert "https://example.org/new" in page
    assert '<a href="/resources/blocks/">Blocks</a>' in page
    assert "2 March 2026" in page
    assert "Look again now" not in page


def test_a_link_that_was_never_looked_at_says_so(client: Client, db: None, iris: User) -> None:
    client.force_login(iris)
    assert "No links yet" in client.get(PAGE).content.decode()
    Link.objects.create(url="https://example.org/")
    assert "not looked at yet" in client.get(PAGE).content.decode()


def test_students_find_no_links_and_cannot_begin_a_round(
    client: Client, found: list[Link], ada: User
) -> None:
    assert client.get(PAGE).status_code == 302
    client.force_login(ada)
    assert client.get(PAGE).status_code == 404
    assert client.post(reverse("courses:look")).status_code == 404


def test_an_instructor_cannot_begin_a_round_and_nobody_does_by_a_link(
    client: Client, iris: User, olga: User
) -> None:
    client.force_login(iris)
    assert client.post(reverse("courses:look")).status_code == 404
    client.force_login(olga)
    assert client.get(reverse("courses:look")).status_code == 405


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tasks that are sent to the broker."""
    sent: list[str] = []
    monkeypatch.setattr(
        tasks.look_at_links, "apply_async", lambda **_options: sent.append("look_at_links")
    )
    return sent


def test_an_admin_begins_a_round(client: Client, queued: list[str], olga: User) -> None:
    client.force_login(olga)
    assert "Look again now" in client.get(PAGE).content.decode()
    page = client.post(reverse("courses:look"), follow=True)
    assert "goes through the links now" in page.content.decode()
    assert queued == ["look_at_links"]


def test_a_broker_that_is_away_is_named(
    client: Client, monkeypatch: pytest.MonkeyPatch, olga: User
) -> None:
    def away(**_options: object) -> None:
        raise OperationalError

    monkeypatch.setattr(tasks.look_at_links, "apply_async", away)
    client.force_login(olga)
    page = client.post(reverse("courses:look"), follow=True)
    assert "Nothing was looked at" in page.content.decode()


def test_instructors_find_the_page_from_their_cohorts(client: Client, iris: User) -> None:
    client.force_login(iris)
    assert f'href="{PAGE}"' in client.get("/cohorts/").content.decode()
