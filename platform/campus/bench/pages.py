"""The main pages in process: time, queries, and CPU time as a multiple of a bare view's."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse
from django.utils import timezone

from courses import attempts
from courses.models import Module, Quiz, QuizAttempt, Resource
from labs import runs, sheet, supervisor
from labs.models import Lab, Run
from people.models import Cohort, Membership, User
from teaching import demo

from .table import Row, times

PART = "Pages"
STUDENTS = 30
NEWCOMER = "newcomer-"
BARE = "/bare/"
WARM_UP = 3  # rounds
LAB = "lab-2-gguf-exploration"
TOKEN = "a" * 32  # of CSRF: the same in the cookie and in the header


@dataclass(frozen=True)
class Visit:
    """Who asks for what; a `form` is posted."""

    reader: User
    address: str
    form: dict[str, Any] | None = None

    @property
    def status(self) -> int:
        """What the campus answers when all is well."""
        return 200 if self.form is None else 302


@dataclass
class Page:
    """A page and what it took; `prepare` makes the next visit possible, unmeasured."""

    what: str
    prepare: Callable[[], Visit]
    aim: float | None = None
    queries: int = 0
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)

    def row(self, bare: "Page") -> Row:
        multiple = statistics.median(self.cpu) / statistics.median(bare.cpu)
        return Row(
            part=PART,
            what=self.what,
            **times(self.seconds),
            multiple=multiple,
            alone=statistics.median(self.alone) / statistics.median(bare.alone),
            queries=self.queries,
            aim=f"≤ {self.aim:g} x" if self.aim else "",
            met=multiple <= self.aim if self.aim else None,
        )


def measure(*, quick: bool) -> list[Row]:
    """Each page and the bare view in turns, round after round."""
    call_command("prepare", demo=True)
    pages = _pages(at=timezone.now())
    hana = User.objects.get(username="hana")
    bare = Page("a bare view, signed in, one query", lambda: Visit(hana, BARE))
    with override_settings(ROOT_URLCONF="campus.bench.urls", ALLOWED_HOSTS=["*"]):
        for page in (bare, *pages):
            page.queries = _count_queries(page)
        rounds = 2 if quick else 40
        asyncio.run(_visit_all(bare, pages, rounds=rounds))
        _visit_all_alone(bare, pages, rounds=rounds)
    return [page.row(bare) for page in (bare, *pages)]


def _pages(at: datetime) -> list[Page]:
    _fill_cohort(at)
    hana = User.objects.get(username="hana")  # has passed every quiz
    ines = User.objects.get(username="ines")  # is half through
    iris = User.objects.get(username="iris")
    module = Module.objects.published()[0]
    resource = Resource.objects.get(key="gguf")
    quiz = Quiz.objects.published()[0]
    lab = Lab.objects.get(key=LAB)
    run = _run(lab, hana)
    cohort = Cohort.objects.visible_to(iris)[0]
    # Those who take quizzes take turns, or one of them would gather attempts by the hundred.
    takers = itertools.cycle(User.objects.filter(username__startswith=NEWCOMER))

    def fixed(reader: User, address: str) -> Callable[[], Visit]:
        return lambda: Visit(reader, address)

    def question() -> Visit:
        taker = next(takers)
        return Visit(taker, _attempt(taker, quiz).get_absolute_url())

    def graded() -> Visit:
        taker = next(takers)
        attempt = _attempt(taker, quiz)
        typed = {item.name: item.question.right(item.seed) for item in attempts.items(attempt)}
        return Visit(taker, attempt.get_absolute_url(), typed)

    heatmap = reverse("teaching:cohort", args=[cohort.slug])
    result = hana.quiz_attempts.exclude(submitted_at=None)[0]
    return [
        Page("home", fixed(ines, reverse("home"))),
        Page("module", fixed(ines, module.get_absolute_url())),
        Page("reading", fixed(hana, resource.get_absolute_url()), aim=2),
        Page("quiz", fixed(hana, quiz.get_absolute_url())),
        Page("question GET", question, aim=2.5),
        Page("graded POST", graded, aim=3),
        Page("result of a quiz", fixed(hana, result.get_absolute_url())),
        Page("lab", fixed(hana, lab.get_absolute_url())),
        Page("run, done, with charts", fixed(hana, run.get_absolute_url())),
        Page("history of runs", fixed(hana, reverse("labs:history"))),
        Page("progress", fixed(hana, reverse("courses:progress"))),
        Page(f"cohort of {STUDENTS}, instructor", fixed(iris, heatmap)),
    ]


def _fill_cohort(at: datetime) -> None:
    """Bring the demo's cohort to its size; the new ones do as the demo's students did."""
    cohort = Cohort.objects.get()
    stories = list(demo.STORIES.values())
    for number in range(STUDENTS - cohort.memberships.count()):
        student = User.objects.create(username=f"{NEWCOMER}{number}", first_name=f"No. {number}")
        Membership.objects.create(cohort=cohort, student=student, joined_at=at)
        demo.study(student, stories[number % len(stories)], at=at)


def _attempt(student: User, quiz: Quiz) -> QuizAttempt:
    return attempts.start(student=student, quiz=quiz, at=timezone.now())


def _run(lab: Lab, student: User) -> Run:
    """A real run, done here and now, as a worker does it."""
    paper = sheet.blank(lab, student)
    run = runs.start(
        lab,
        student=student,
        draw=paper.draw,
        prediction=dict.fromkeys(paper.prediction.fields, 1),
        choices={},
        key=paper.key,
        at=timezone.now(),
    )
    claimed = runs.claim(run.pk, worker=supervisor.WORKER, at=timezone.now())
    assert claimed is not None
    supervisor.supervise(claimed)
    return run


class Browser:
    """Calls the ASGI application as the web server does, signed in as one person."""

    def __init__(self, user: User) -> None:
        client = Client()
        client.force_login(user)
        cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        cookies["csrftoken"] = TOKEN
        self.cookies = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self.application = get_asgi_application()

    async def make(self, visit: Visit) -> int:
        """The status of the answer."""
        body = urlencode(visit.form or {}, doseq=True).encode()
        headers = {
            "host": "127.0.0.1",
            "cookie": self.cookies,
            "x-csrftoken": TOKEN,
            "content-type": "application/x-www-form-urlencoded",
            "content-length": str(len(body)),
        }
        scope = {
            "type": "http",
            "method": "GET" if visit.form is None else "POST",
            "path": visit.address,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        inbox = [{"type": "http.request", "body": body, "more_body": False}]
        answers: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not inbox:
                await asyncio.Event().wait()  # the connection stays open
            return inbox.pop()

        async def send(message: Mapping[str, Any]) -> None:
            answers.append(message)

        await self.application(scope, receive, send)
        return int(answers[0]["status"])


async def _visit_all(bare: Page, pages: list[Page], *, rounds: int) -> None:
    browsers: dict[int, Browser] = {}
    for number in range(WARM_UP + rounds):
        for page in pages:
            for visited in (bare, page):
                await _visit(visited, browsers, keep=number >= WARM_UP)


async def _visit(page: Page, browsers: dict[int, Browser], *, keep: bool) -> None:
    visit = await sync_to_async(page.prepare)()
    if visit.reader.pk not in browsers:
        browsers[visit.reader.pk] = await sync_to_async(Browser)(visit.reader)
    browser = browsers[visit.reader.pk]
    began, cpu_began = time.perf_counter(), time.process_time()
    status = await browser.make(visit)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    _check(page, visit, status)
    if keep:
        page.seconds.append(seconds)
        page.cpu.append(cpu)


def _visit_all_alone(bare: Page, pages: list[Page], *, rounds: int) -> None:
    """The same visits by the synchronous handler, in this thread, whose connection stays open."""
    clients: dict[int, Client] = {}
    for number in range(WARM_UP + rounds):
        for page in pages:
            for visited in (bare, page):
                visit = visited.prepare()
                if visit.reader.pk not in clients:
                    clients[visit.reader.pk] = _signed_in(visit.reader)
                client = clients[visit.reader.pk]
                cpu_began = time.process_time()
                status = _answer(client, visit)
                cpu = time.process_time() - cpu_began
                _check(visited, visit, status)
                if number >= WARM_UP:
                    visited.alone.append(cpu)


def _count_queries(page: Page) -> int:
    """The queries of one visit, session and person included."""
    visit = page.prepare()
    client = _signed_in(visit.reader)
    with CaptureQueriesContext(connection) as queries:
        status = _answer(client, visit)
    _check(page, visit, status)
    return len(queries)


def _signed_in(reader: User) -> Client:
    """A client whose handler is ready: its first request loads the middleware."""
    client = Client()
    client.force_login(reader)
    client.get(BARE)
    return client


def _answer(client: Client, visit: Visit) -> int:
    if visit.form is None:
        return client.get(visit.address).status_code
    return client.post(visit.address, visit.form).status_code


def _check(page: Page, visit: Visit, status: int) -> None:
    if status != visit.status:
        raise RuntimeError(f"{page.what} was answered with {status}.")
