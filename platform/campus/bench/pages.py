"""The main pages in process: time, queries, and CPU time as a multiple of a bare view's."""

import asyncio
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
BARE = "/bare/"
LAB = "lab-2-gguf-exploration"
TOKEN = "a" * 32  # of CSRF: the same in the cookie and in the header


@dataclass
class Page:
    """A page and what it took; `prepare` gives address and body, unmeasured, before each visit."""

    what: str
    reader: User
    prepare: Callable[[], tuple[str, dict[str, Any] | None]]
    aim: float | None = None
    queries: int = 0
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def row(self, bare: float) -> Row:
        multiple = statistics.median(self.cpu) / bare
        return Row(
            part=PART,
            what=self.what,
            **times(self.seconds),
            multiple=multiple,
            queries=self.queries,
            aim=f"≤ {self.aim:g} x" if self.aim else "",
            met=multiple <= self.aim if self.aim else None,
        )


def measure(*, quick: bool) -> list[Row]:
    """Each page and the bare view in turns, round after round."""
    call_command("prepare", demo=True)
    pages = _pages(at=timezone.now())
    bare = Page("a bare view, signed in, one query", pages[0].reader, lambda: (BARE, None))
    with override_settings(ROOT_URLCONF="campus.bench.urls", ALLOWED_HOSTS=["*"]):
        for page in (bare, *pages):
            page.queries = _count_queries(page)
        asyncio.run(_visit_all(bare, pages, rounds=2 if quick else 40))
    cost = statistics.median(bare.cpu)
    return [bare.row(cost), *(page.row(cost) for page in pages)]


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

    def at_rest(address: str) -> Callable[[], tuple[str, None]]:
        return lambda: (address, None)

    def question() -> tuple[str, None]:
        return _attempt(hana, quiz).get_absolute_url(), None

    def graded() -> tuple[str, dict[str, Any]]:
        attempt = _attempt(hana, quiz)
        typed = {item.name: item.question.right(item.seed) for item in attempts.items(attempt)}
        return attempt.get_absolute_url(), typed

    def result() -> tuple[str, None]:
        return hana.quiz_attempts.exclude(submitted_at=None)[0].get_absolute_url(), None

    return [
        Page("home", ines, at_rest(reverse("home"))),
        Page("module", ines, at_rest(module.get_absolute_url())),
        Page("reading", hana, at_rest(resource.get_absolute_url()), aim=2),
        Page("quiz", hana, at_rest(quiz.get_absolute_url())),
        Page("question GET", hana, question, aim=2.5),
        Page("graded POST", hana, graded, aim=3),
        Page("result of a quiz", hana, result),
        Page("lab", hana, at_rest(lab.get_absolute_url())),
        Page("run, done, with charts", hana, at_rest(run.get_absolute_url())),
        Page("history of runs", hana, at_rest(reverse("labs:history"))),
        Page("progress", hana, at_rest(reverse("courses:progress"))),
        Page(
            f"cohort of {STUDENTS}, instructor",
            iris,
            at_rest(reverse("teaching:cohort", args=[cohort.slug])),
        ),
    ]


def _fill_cohort(at: datetime) -> None:
    """Bring the demo's cohort to its size; the new ones do as the demo's students did."""
    cohort = Cohort.objects.get()
    stories = list(demo.STORIES.values())
    for number in range(STUDENTS - cohort.memberships.count()):
        student = User.objects.create(username=f"student-{number}", first_name=f"No. {number}")
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

    async def visit(self, address: str, form: dict[str, Any] | None) -> int:
        """The status of the answer to a GET, or a POST of `form`."""
        body = b"" if form is None else urlencode(form, doseq=True).encode()
        headers = {
            "host": "127.0.0.1",
            "cookie": self.cookies,
            "x-csrftoken": TOKEN,
            "content-type": "application/x-www-form-urlencoded",
            "content-length": str(len(body)),
        }
        scope = {
            "type": "http",
            "method": "GET" if form is None else "POST",
            "path": address,
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
    readers = {page.reader for page in pages}
    browsers = {reader.pk: await sync_to_async(Browser)(reader) for reader in readers}
    for number in range(3 + rounds):
        warm = number >= 3
        for page in pages:
            for visited in (bare, page):
                await _visit(visited, browsers[visited.reader.pk], keep=warm)


async def _visit(page: Page, browser: Browser, *, keep: bool) -> None:
    address, form = await sync_to_async(page.prepare)()
    began, cpu_began = time.perf_counter(), time.process_time()
    status = await browser.visit(address, form)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    _check(page, status, form)
    if keep:
        page.seconds.append(seconds)
        page.cpu.append(cpu)


def _count_queries(page: Page) -> int:
    """The queries of one visit, session and person included."""
    client = Client()
    client.force_login(page.reader)
    address, form = page.prepare()
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address) if form is None else client.post(address, form)
    _check(page, answer.status_code, form)
    return len(queries)


def _check(page: Page, status: int, form: dict[str, Any] | None) -> None:
    if status != (200 if form is None else 302):
        raise RuntimeError(f"{page.what} was answered with {status}.")
