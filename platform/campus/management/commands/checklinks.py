"""Look at every outside link of the course now, and say what was found."""

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from courses import links
from courses.models import Link

LONGEST_ROUND = 600


class Command(BaseCommand):
    help = "Look at every outside link of the course, and say which have moved or are gone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seconds", type=float, default=LONGEST_ROUND, help="stop after so long; default 600"
        )

    def handle(self, *_args: Any, seconds: float, **_options: Any) -> None:
        links.collect()
        every = Link.objects.published().count()
        with links.client() as client:
            left = links.look_round(client, timezone.now(), most=every, seconds=seconds)
        found = links.by_need()
        for link in found:
            if link.status != Link.Status.OK:
                self.stdout.write(_line(link))
        counts = Counter(link.status for link in found)
        summary = ", ".join(
            f"{counts[status]} {status.label.lower()}" for status in reversed(links.ORDER)
        )
        self.stdout.write(f"{len(found)} links: {summary}.")
        if left:
            self.stdout.write(f"Time was up: {left} of them were not looked at this time.")


def _line(link: Link) -> str:
    moved = f" to {link.location}" if link.location else ""
    pages = ", ".join(place["url"] for place in link.places)
    why = link.detail or "not looked at yet"
    return f"{link.get_status_display()}{moved}: {link.url} ({why}; on {pages})"
