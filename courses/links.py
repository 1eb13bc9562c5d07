"""Whether what the course points to is still there: every outside address, asked now and then.

`collect` finds the addresses in what was loaded; `look_round` asks for them, a slice at a time.
Only what answers is known: without a network nothing is there, and nothing is gone either.
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils.html import urlize

from courses.models import (
    AdvancedReading,
    Checkpoint,
    Citation,
    Link,
    LinkCheck,
    Module,
    Pitfall,
    Question,
    Resource,
    TeachBack,
    Term,
)

# Our own renderer writes every link like this.
OUTSIDE = re.compile(r'href="(https?://[^"]+)"')
# A longer address is no address that a reader could use; the column ends here.
LONGEST = 500
LONGEST_DETAIL = 300

SECONDS = 5.0
MOST_REDIRECTS = 8
PERMANENT = {301, 308}
GONE = {404, 410}
# Some servers refuse HEAD in these words, or do not know it: GET has the last word.
DOUBTED = {403, 404, 405, 501}

# Between two questions to the same host, in seconds.
PAUSE = 1.0

ORDER = (Link.Status.GONE, Link.Status.MOVED, Link.Status.UNKNOWN, Link.Status.OK)


@dataclass(frozen=True)
class Place:
    """A page of the campus on which a link stands."""

    title: str
    url: str


@dataclass(frozen=True)
class Look:
    """What was found at an address, in words; `location` is where it has moved to."""

    status: Link.Status
    detail: str
    location: str = ""


@dataclass(frozen=True)
class Arrival:
    """Where the redirects ended, and where the permanent ones at their beginning lead."""

    code: int
    location: str


def collect() -> None:
    """Keep a row for every address that the course names, with its places; retire the others."""
    places: dict[str, dict[Place, None]] = defaultdict(dict)
    for place, addresses in _named():
        for address in addresses:
            if len(address) <= LONGEST:
                places[address][place] = None
    Link.objects.bulk_create(
        [
            Link(url=url, places=[asdict(place) for place in named])
            for url, named in sorted(places.items())
        ],
        update_conflicts=True,
        unique_fields=["url"],
        update_fields=["places", "retired"],
    )
    Link.objects.published().exclude(url__in=places).update(retired=True)


def _named() -> Iterator[tuple[Place, Iterable[str]]]:
    """Every page of the course, with the addresses on it. A dozen queries."""
    for module in Module.objects.published():
        extras = [
            extra["url"]
            for week in module.plan.get("weeks", ())
            for block in week["blocks"]
            for extra in block["extra"]
        ]
        plan = Place(f"Plan: {module.title}", reverse("courses:plan", args=(module.key,)))
        yield plan, (*extras, *_linked(module.plan))
    for resource in Resource.objects.published().prefetch_related("objectives"):
        objectives = [objective.text_html for objective in resource.objectives.all()]
        yield (
            Place(resource.title, resource.get_absolute_url()),
            (
                resource.url,
                *_fields(resource.data),
                *_linked([resource.html, resource.body_html, objectives]),
            ),
        )
    questions = Question.objects.published().filter(quiz__retired=False, current__isnull=False)
    for question in questions.select_related("quiz", "current"):
        assert question.current is not None
        quiz = Place(question.quiz.title, question.quiz.get_absolute_url())
        yield quiz, _linked(question.current.html)
    for checkpoint in Checkpoint.objects.published().prefetch_related("gates"):
        gates = [gate.text_html for gate in checkpoint.gates.all()]
        stop = Place(str(checkpoint), checkpoint.get_absolute_url())
        yield stop, _linked([checkpoint.summary_html, gates])
    tasks = TeachBack.objects.filter(checkpoint__retired=False, activity__retired=False)
    for task in tasks.select_related("checkpoint"):
        teach_back = Place(f"Teach-back: {task}", task.checkpoint.get_absolute_url())
        yield teach_back, _linked([task.prompt_html, task.model_answer_html])
    advanced = AdvancedReading.objects.filter(module__retired=False)
    for reading in advanced.select_related("module"):
        further = Place(
            f"Advanced reading: {reading.module.title}",
            reverse("courses:advanced", args=(reading.module.key,)),
        )
        yield further, (reading.url, *_linked(reading.why_html))
    for term in Term.objects.all():
        entry = Place(f"Glossary: {term}", term.get_absolute_url())
        yield entry, _linked([term.definition_html, term.fact_html])
    for citation in Citation.objects.all():
        work = Place("Bibliography", f"{reverse('courses:bibliography')}#{citation.key}")
        yield work, (citation.content["url"],)
    for pitfall in Pitfall.objects.all():
        nudge = Place(f"Pitfall: {pitfall}", reverse("home"))
        yield nudge, _linked([pitfall.problem_html, pitfall.advice_html, pitfall.nudge_html])


def _fields(data: dict[str, Any]) -> Iterator[str]:
    """The addresses among the further fields of a resource."""
    for item in (*data.get("companions", ()), *data.get("supplementary", ())):
        if item.get("url"):
            yield item["url"]
    for correction in data.get("corrections", ()):
        # A source is an address or words, and may be words with an address; pages show it so too.
        yield from _linked(urlize(correction["source"]))


def _linked(html: Any) -> Iterator[str]:
    """The addresses that HTML links to, however deep it lies in lists and dictionaries."""
    if isinstance(html, str):
        for address in OUTSIDE.findall(html):
            yield unescape(address)
    elif isinstance(html, dict):
        yield from _linked(list(html.values()))
    elif isinstance(html, list):
        for inner in html:
            yield from _linked(inner)


def client() -> httpx.Client:
    """Asks politely: says who it is, and does not wait for long."""
    agent = f"InferenceCampus link check ({settings.SITE_URL})"
    return httpx.Client(timeout=SECONDS, headers={"User-Agent": agent})


def look(url: str, client: httpx.Client) -> Look:
    """Ask for the address and see what comes back."""
    try:
        arrival = _follow("HEAD", url, client)
        if arrival.code in DOUBTED:
            arrival = _follow("GET", url, client)
    # The resolver raises UnicodeError for a name that cannot be one.
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        return Look(Link.Status.UNKNOWN, _in_words(error))
    answer = f"{arrival.code} {httpx.codes.get_reason_phrase(arrival.code)}".strip()
    if arrival.code in GONE:
        return Look(Link.Status.GONE, answer)
    if not httpx.codes.is_success(arrival.code):
        return Look(Link.Status.UNKNOWN, answer)
    if arrival.location:
        # Half an address would lead astray.
        location = arrival.location if len(arrival.location) <= LONGEST else ""
        return Look(Link.Status.MOVED, answer, location)
    return Look(Link.Status.OK, answer)


def _follow(method: str, url: str, client: httpx.Client) -> Arrival:
    """Follow redirects; nothing but the headers is read. Raises httpx.HTTPError, InvalidURL."""
    request = client.build_request(method, url)
    location, permanent = "", True
    for _ in range(MOST_REDIRECTS + 1):
        response = client.send(request, stream=True, follow_redirects=False)
        response.close()
        if response.next_request is None:
            return Arrival(response.status_code, location)
        request = response.next_request
        permanent = permanent and response.status_code in PERMANENT
        if permanent:
            location = str(request.url)
    raise httpx.TooManyRedirects(f"more than {MOST_REDIRECTS} redirects", request=request)


def _in_words(error: Exception) -> str:
    match error:
        case httpx.TimeoutException():
            words = f"no answer within {SECONDS:g} s"
        case httpx.ConnectError():
            words = f"it cannot be reached: {error}"
        case httpx.TooManyRedirects():
            words = str(error)
        case _:
            words = f"no answer that can be read: {error}"
    return words[:LONGEST_DETAIL]


def check(link: Link, client: httpx.Client, at: datetime) -> LinkCheck:
    """Look at the link, and write down what was found."""
    found = look(link.url, client)
    detail = found.detail
    known = link.checks.exclude(status=Link.Status.UNKNOWN).first()
    if found.status == Link.Status.UNKNOWN and known:
        # What was known is not forgotten because nobody answers today.
        past = f"; on {known.at:%-d %B %Y} it was {known.get_status_display().lower()}"
        detail = detail[: LONGEST_DETAIL - len(past)] + past
    with transaction.atomic():
        link.status, link.detail, link.location = found.status, detail, found.location
        link.checked_at = at
        link.save(update_fields=["status", "detail", "location", "checked_at"])
        return link.checks.create(
            status=found.status, detail=found.detail, location=found.location, at=at
        )


def look_round(
    client: httpx.Client,
    at: datetime,
    *,
    most: int,
    seconds: float,
    wait: Callable[[float], object] = time.sleep,
) -> int:
    """A slice of the round that began at `at`: look at what it has not seen. How many are left."""
    due = Link.objects.published().filter(Q(checked_at=None) | Q(checked_at__lt=at))
    links = list(due.order_by(F("checked_at").asc(nulls_first=True), "url"))
    asked: dict[str, float] = {}
    deadline = time.monotonic() + seconds
    done = 0
    for link in _hosts_in_turn(links)[:most]:
        host = urlsplit(link.url).netloc
        if host in asked:
            wait(max(0.0, asked[host] + PAUSE - time.monotonic()))
        check(link, client, at)
        asked[host] = time.monotonic()
        done += 1
        if time.monotonic() >= deadline:
            break
    return len(links) - done


def _hosts_in_turn(links: Iterable[Link]) -> list[Link]:
    """The first link of every host, then the second: one host rests while others are asked."""
    turns: dict[str, int] = defaultdict(int)
    numbered = []
    for link in links:
        host = urlsplit(link.url).netloc
        numbered.append((turns[host], link))
        turns[host] += 1
    return [link for _turn, link in sorted(numbered, key=lambda each: each[0])]


def by_need() -> list[Link]:
    """All links, first those that need somebody: gone, moved, not known, there. One query."""
    return sorted(Link.objects.published(), key=lambda link: ORDER.index(Link.Status(link.status)))
