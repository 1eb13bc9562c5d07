"""A whole campus, started for the purpose: from a click to the engine's first event and the end."""

import contextlib
import json
import multiprocessing
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from http.cookies import SimpleCookie
from multiprocessing.connection import Connection
from urllib.parse import urlencode

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from courses.models import Place, Resource
from labs import kinds, runs
from labs.models import Run, State
from people import demo
from people.models import User
from workers.exercises import EXERCISES
from workers.kinds import KINDS
from workers.requests import from_json
from workers.steps import finish

from .table import Row, percentile, times

FORK = multiprocessing.get_context("fork")
HANDOVER = "A live campus"
CODE = "Code, judged"
LOAD = "Under load"
HOST = "127.0.0.1"
LAB = "/labs/lab-2-gguf-exploration/"
EXERCISE = "/exercises/exercise-rmsnorm/"
READING = "/modules/foundations/"
FIRST_EVENT = 0.3  # seconds, at the median
BEYOND_ENGINE = 0.5
READY_SECONDS = 120.0
AT_ONCE = 20
VERDICT = 1.0  # seconds, at the median, for a light exercise
ALL_VERDICTS = 15.0  # seconds, for 20 submissions at once
PAGES_MEANWHILE = 2.0  # times their own p95 on the idle campus

HIDDEN = re.compile(r'name="(csrfmiddlewaretoken|key|version)" value="([^"]+)"')
PREDICTIONS = re.compile(r'name="(prediction-[^"]+)"')
RUN = re.compile(r"/runs/(\d+)/")
LIVE = re.compile(r'data-events="([^"]+)"\s+data-after="([^"]+)"\s+data-state="([^"]+)"')


def measure(*, quick: bool) -> list[Row]:
    """The hand-over of single runs, code, then many runs at once, then two writers."""
    with campus() as port:
        ada = Student(port, "ada")
        rows = [*_handover(ada, runs=3 if quick else 24)]
        # Not before it is needed: the server closes connections that are idle for long.
        crowd = _crowd(port, 4 if quick else AT_ONCE)
        return [
            *rows,
            *_code(ada, crowd, quick=quick),
            *_load(crowd, quick=quick),
        ]


@contextlib.contextmanager
def campus() -> Iterator[int]:
    """The port of a campus in this CAMPUS_HOME, with a worker in every lane; stopped at the end."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    launcher = subprocess.Popen(
        [sys.executable, "manage.py", "campus", "--port", str(port)],
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _is_ready(port):
            if launcher.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The campus to measure does not start.")
            time.sleep(0.1)
        yield port
    finally:
        launcher.send_signal(signal.SIGINT)
        launcher.wait()


def _is_ready(port: int) -> bool:
    web = HTTPConnection(HOST, port, timeout=10)
    try:
        web.request("GET", "/health/")
        health = json.load(web.getresponse())
    except (OSError, ValueError):
        return False
    finally:
        web.close()
    return bool(health["redis"]) and {"quick", "heavy", "code"} <= health["workers"].keys()


@dataclass(frozen=True)
class Told:
    """A run as its student saw it: seconds from the click to the first event and to the result."""

    run: int
    first_event: float
    result: float


class Student:
    """A signed-in student whose browser keeps its connection and its cookies."""

    def __init__(self, port: int, username: str) -> None:
        self.port = port
        self.web = HTTPConnection(HOST, port, timeout=60)
        self.cookies: dict[str, str] = {}
        hidden = dict(HIDDEN.findall(self.get("/accounts/login/")))
        self.post("/accounts/login/", hidden | {"login": username, "password": demo.PASSWORD})

    def get(self, path: str) -> str:
        return self._ask(self.web, "GET", path).read().decode()

    def post(self, path: str, form: dict[str, str]) -> str:
        """Send a form; the address that the answer redirects to."""
        answer = self._ask(self.web, "POST", path, form)
        answer.read()
        if answer.status != 302:
            raise RuntimeError(f"POST {path} was answered with {answer.status}.")
        return answer.headers["Location"]

    def _ask(
        self,
        web: HTTPConnection,
        method: str,
        path: str,
        form: dict[str, str] | None = None,
        **more: str,
    ) -> HTTPResponse:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        headers |= more
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        web.request(method, path, body=urlencode(form) if form else None, headers=headers)
        answer = web.getresponse()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return answer

    def sheet(self) -> dict[str, str]:
        """The lab's form, filled in with whatever passes for a prediction."""
        page = self.get(LAB)
        return dict(HIDDEN.findall(page)) | dict.fromkeys(PREDICTIONS.findall(page), "1")

    def desk(self) -> dict[str, str]:
        """The exercise's form, with the model solution in the editor."""
        code = EXERCISES["exercise-rmsnorm"].solution
        return dict(HIDDEN.findall(self.get(EXERCISE))) | {"code": code}

    def submit(self, form: dict[str, str]) -> Told:
        """Hand the lab's form in and watch the run until its result is on the page."""
        clicked = time.perf_counter()
        return self._watch(self.get(self.post(f"{LAB}runs/", form)), clicked)

    def hand_in(self, form: dict[str, str]) -> Told:
        """Hand code in, as htmx does: the answer is the part of the page that changes."""
        clicked = time.perf_counter()
        answer = self._ask(
            self.web, "POST", f"{EXERCISE}submissions/", form, **{"HX-Request": "true"}
        )
        return self._watch(answer.read().decode(), clicked)

    def _watch(self, page: str, clicked: float) -> Told:
        """Follow the run on the page as live.js does, until its result is there."""
        run = RUN.search(page)
        assert run is not None
        first: float | None = None
        while live := LIVE.search(page):
            events, after, state = live.groups()
            if after != "0":  # The page was slower than the engine, and brings its events along.
                first = first or time.perf_counter() - clicked
            seen = self._follow(f"{events}&after={after}")
            first = first or (seen and seen - clicked)
            page = self.get(state)
        result = time.perf_counter() - clicked
        return Told(int(run[1]), first or result, result)

    def _follow(self, path: str) -> float | None:
        """Read the event stream to its end; when the engine's first event came."""
        stream = HTTPConnection(HOST, self.port, timeout=60)
        came: float | None = None
        try:
            answer = self._ask(stream, "GET", path, Accept="text/event-stream")
            named = False
            for line in answer:
                if line.startswith(b"event: state"):
                    break
                if line.startswith(b"event:"):
                    named = True
                elif line.startswith(b"data:"):
                    came = came or (None if named else time.perf_counter())
                    named = False
        finally:
            stream.close()
        return came


def _crowd(port: int, count: int) -> list[Student]:
    """Students who are there for the load alone."""
    names = [f"bench-{number}" for number in range(count)]
    for name in names:
        User.objects.create_user(name, password=demo.PASSWORD)
    return [Student(port, name) for name in names]


def _handover(student: Student, *, runs: int) -> Iterator[Row]:
    first, result, beyond = [], [], []
    for number in range(2 + runs):
        told = student.submit(student.sheet())
        own = _engine_seconds(told.run)
        if number >= 2:  # the first ones warm everything up
            first.append(told.first_event)
            result.append(told.result)
            beyond.append(told.result - own)
    yield Row(
        part=HANDOVER,
        what=f"click to the engine's first event, {runs} runs of Lab 2",
        **times(first),
        aim=f"p50 ≤ {FIRST_EVENT * 1e3:g} ms",
        met=statistics.median(first) <= FIRST_EVENT,
    )
    yield Row(part=HANDOVER, what="click to the result on the page", **times(result))
    yield Row(
        part=HANDOVER,
        what="of it beyond the engine's own time",
        **times(beyond),
        aim=f"p50 ≤ {BEYOND_ENGINE * 1e3:g} ms",
        met=statistics.median(beyond) <= BEYOND_ENGINE,
    )


def _code(ada: Student, crowd: list[Student], *, quick: bool) -> Iterator[Row]:
    """Submissions of one student, then of many at once with a reader beside them."""
    alone = [ada.hand_in(ada.desk()).result for _ in range(4 if quick else 24)][1:]
    yield Row(
        part=CODE,
        what="click to the verdict on the page, RMSNorm",
        **times(alone),
        aim=f"p50 ≤ {VERDICT:g} s",
        met=statistics.median(alone) <= VERDICT,
    )
    at_once = len(crowd)
    forms = [student.desk() for student in crowd]
    with _reader(ada) as turned:
        idle = turned(lambda: time.sleep(1.0 if quick else 4.0))
        verdicts: list[float] = []

        def hand_in() -> None:
            with ThreadPoolExecutor(at_once) as pool:
                told = pool.map(Student.hand_in, crowd, forms)
                verdicts.extend(each.result for each in told)

        meanwhile = turned(hand_in)
    yield Row(
        part=CODE,
        what=f"{at_once} submissions at once: each verdict",
        **times(verdicts),
        aim=f"all ≤ {ALL_VERDICTS:g} s",
        met=max(verdicts) <= ALL_VERDICTS,
    )
    ratio = percentile(meanwhile, 0.95) / percentile(idle, 0.95)
    yield Row(
        part=CODE,
        what=f"a page of the course meanwhile, {len(meanwhile)} times; p95 over that when idle",
        **times(meanwhile),
        multiple=ratio,
        aim=f"≤ {PAGES_MEANWHILE:g} x",
        met=ratio <= PAGES_MEANWHILE,
    )


@contextlib.contextmanager
def _reader(student: Student) -> Iterator[Callable[[Callable[[], object]], list[float]]]:
    """Somebody who turns pages of the course while something happens; the seconds that each took.

    In a process of its own, so that the crowd's threads in this one do not keep it waiting.
    """
    here, there = FORK.Pipe()
    process = FORK.Process(target=_turn_pages, args=(student.port, student.cookies, there))
    process.start()

    def turned(meanwhile: Callable[[], object]) -> list[float]:
        here.send("begin")
        meanwhile()
        here.send("end")
        seconds: list[float] = here.recv()
        return seconds

    yield turned
    here.send("leave")
    process.join()


def _turn_pages(port: int, cookies: dict[str, str], told: Connection) -> None:
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    web = HTTPConnection(HOST, port, timeout=60)
    while told.recv() == "begin":
        seconds = []
        while not told.poll():
            began = time.perf_counter()
            web.request("GET", READING, headers=headers)
            web.getresponse().read()
            seconds.append(time.perf_counter() - began)
        told.recv()
        told.send(seconds)


def _engine_seconds(run_id: int) -> float:
    """How long the engine takes for the same request when nothing is around it."""
    run = Run.objects.select_related("draw__prediction").get(pk=run_id)
    if run.state != State.SUCCEEDED:
        raise RuntimeError(f"Run {run_id} ended as {run.state}: {run.message}")
    kind = kinds.REGISTRY[run.kind]
    engine = KINDS[kind.engine]
    request = from_json(engine.request, kind.request(runs.work_of(run)))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        began = time.perf_counter()
        finish(engine.run(request))
        return time.perf_counter() - began


def _load(crowd: list[Student], *, quick: bool) -> Iterator[Row]:
    at_once = len(crowd)
    forms = [student.sheet() for student in crowd]
    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        told = list(pool.map(Student.submit, crowd, forms))
    seconds = time.perf_counter() - began
    done = Run.objects.filter(pk__in=[each.run for each in told], state=State.SUCCEEDED).count()
    yield Row(
        part=LOAD,
        what=f"{at_once} submissions at once, {done} succeeded within {seconds:.1f} s; "
        "click to first event, queue included",
        **times([each.first_event for each in told]),
        aim="all succeed",
        met=done == at_once,
    )
    count = 20 if quick else 300
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(_write, name, count) for name in ("ada", "ben")]
        outcomes = [writer.result() for writer in writers]
    refused = sum(1 for outcome in outcomes for seconds in outcome if seconds is None)
    waits = [seconds for outcome in outcomes for seconds in outcome if seconds is not None]
    yield Row(
        part=LOAD,
        what=f"two writers, {2 * count} transactions, {refused} refused as locked",
        **times(waits),
        aim="0 refused",
        met=not refused,
    )


def _write(username: str, count: int) -> list[float | None]:
    """Seconds of each transaction that reads, then writes; None where the database was locked."""
    student = User.objects.get(username=username)
    resource = Resource.objects.published()[0]
    Place.objects.get_or_create(student=student, resource=resource)
    outcomes: list[float | None] = []
    for _ in range(count):
        began = time.perf_counter()
        try:
            with transaction.atomic():
                place = Place.objects.get(student=student, resource=resource)
                place.at = timezone.now()
                place.save()
        except OperationalError:
            outcomes.append(None)
        else:
            outcomes.append(time.perf_counter() - began)
    connection.close()
    return outcomes
