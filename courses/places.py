"""Where a student is in a reading, for how long, and which derivations were opened or passed by."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.http import QueryDict

from courses.models import Place, Resource
from people.models import User

# Who comes back to the same page so soon is still on the same visit.
SAME_VISIT = timedelta(minutes=5)
# Nobody reads one page without leaving it for half a day.
MOST_SECONDS = 12 * 60 * 60
# Of so many pages it is known what they told; whoever has more of them open reads none.
MOST_PAGES = 20
PAGE = re.compile(r"[0-9]{1,10}-[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True)
class Report:
    """What a page tells of its reader: the section in view, and what else since its last report.

    `seconds` counts from when the page was opened, for a page can't know whether a report of which
    it had no answer came through; `page` is what that page calls itself, or nothing.
    `faults` names the fields that made no sense. They are left out; the rest still counts.
    """

    anchor: str
    page: str
    seconds: int
    opened: frozenset[int]
    passed: frozenset[int]
    faults: tuple[str, ...]

    @classmethod
    def of(cls, posted: QueryDict, resource: Resource) -> "Report":
        faults = []

        def number(name: str, value: str, allowed: Iterable[int]) -> int:
            if value.isascii() and value.isdecimal() and len(value) <= 5 and int(value) in allowed:
                return int(value)
            faults.append(name)
            return 0

        there = range(1, resource.body_html.count('id="derivation-') + 1)
        seconds = number("seconds", posted.get("seconds") or "0", range(MOST_SECONDS + 1))
        page = posted.get("page", "")
        if seconds and not PAGE.fullmatch(page):
            faults.append("page")
            page, seconds = "", 0
        opened, passed = (
            frozenset(number(name, value, there) for value in posted.getlist(name)) - {0}
            for name in ("opened", "passed")
        )
        anchors = {heading["id"] for heading in resource.html["headings"]}
        anchor = posted.get("anchor", "")
        return cls(
            anchor=anchor if anchor in anchors else "",
            page=page,
            seconds=seconds,
            opened=opened,
            passed=passed,
            faults=tuple(dict.fromkeys(faults)),
        )


def visit(student: User, resource: Resource, *, at: datetime) -> Place | None:
    """Note that the student is here; gives the place as it was before. One to three queries."""
    places = Place.objects.filter(student=student)
    latest = places.order_by("-at").first()
    is_here = latest is not None and latest.resource_id == resource.pk
    left = latest if is_here else places.filter(resource=resource).first()
    if left is None or not is_here or at - left.at > SAME_VISIT:
        Place.objects.bulk_create(
            [Place(student=student, resource=resource, opened_at=at, at=at)],
            update_conflicts=True,
            unique_fields=["student", "resource"],
            update_fields=["at"],
        )
    return left


def keep(report: Report, *, student: User, resource: Resource, at: datetime) -> None:
    """Add the report to the student's place: two tabs add up, what is told twice counts once."""
    with transaction.atomic():
        Place.objects.bulk_create(
            [Place(student=student, resource=resource, opened_at=at, at=at)],
            ignore_conflicts=True,
        )
        place = Place.objects.select_for_update().get(student=student, resource=resource)
        if report.seconds:
            told = dict(place.pages)
            before = told.pop(report.page, 0)
            place.seconds += max(report.seconds - before, 0)
            latest = (report.page, max(report.seconds, before))
            place.pages = [*told.items(), latest][-MOST_PAGES:]
        place.opened = sorted({*place.opened, *report.opened})
        place.passed = sorted({*place.passed, *report.passed})
        if report.anchor:
            # Only then: the last report of a page may come when the next one is already open.
            place.at = at
            headings = resource.html["headings"]
            place.anchor = report.anchor
            place.section = next(
                heading["title"] for heading in headings if heading["id"] == report.anchor
            )
            read = {*place.read, _section(headings, report.anchor)}
            place.read = [heading["id"] for heading in headings if heading["id"] in read]
        place.save()


def _section(headings: Sequence[Mapping[str, Any]], anchor: str) -> str:
    """The anchor of the section that a heading stands in: that of the last great heading."""
    section = anchor
    for heading in headings:
        if heading["level"] == 2:
            section = heading["id"]
        if heading["id"] == anchor:
            break
    return section
