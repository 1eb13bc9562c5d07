"""Compute everybody's objectives and mastery anew, from the evidence."""

from typing import Any

from django.core.management.base import BaseCommand

from courses import progress
from people.models import User


class Command(BaseCommand):
    help = "Compute objectives earned and mastery anew from the evidence. Safe to repeat."

    def handle(self, *_args: Any, **options: Any) -> None:
        progress.rebuild_all()
        if options["verbosity"]:
            people = User.objects.filter(evidence__isnull=False).distinct().count()
            self.stdout.write(f"Progress of {people} people computed anew.")
