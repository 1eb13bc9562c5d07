from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from people import demo
from people.models import User
from teaching.demo import STORIES, study


class Command(BaseCommand):
    help = "People and progress to look around with. Only an empty campus is populated."

    def handle(self, *_args: Any, verbosity: int, **_options: Any) -> None:
        # Their password is public, so they never move in with real people.
        if User.objects.exists():
            if verbosity:
                self.stdout.write("There are people on the campus already; nothing was added.")
            return
        now = timezone.now()
        with transaction.atomic():
            for student in demo.move_in(at=now):
                if student.username in STORIES:
                    study(student, STORIES[student.username], at=now)
        if verbosity:
            self.stdout.write(f"Demo people are here; everybody's password is {demo.PASSWORD}.")
