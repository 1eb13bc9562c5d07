"""Check the course's files without changing anything: loads them, then takes everything back."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from campus.management.commands.loadcourse import load
from courses import checking
from courses.documents import CourseFileError
from courses.models import Activity, Checkpoint, Objective, Question, Resource


class Command(BaseCommand):
    help = "Check the course's files; the database stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, default=settings.COURSE_DIR)

    def handle(self, *_args: Any, path: Path, **_options: Any) -> None:
        with transaction.atomic():
            try:
                load(path, again=True)
                checking.check(path)
            except CourseFileError as error:
                raise CommandError(str(error)) from error
            self._report()
            transaction.set_rollback(True)

    def _report(self) -> None:
        activities = Activity.objects.published()
        counts = {
            "resources": Resource.objects.published().count(),
            "objectives": Objective.objects.filter(resource__retired=False).count(),
            "quizzes": activities.filter(kind="quiz", planned=False).count(),
            "questions": Question.objects.filter(retired=False, quiz__retired=False).count(),
            "labs": activities.filter(kind="lab", planned=False).count(),
            "checkpoints": Checkpoint.objects.published().count(),
        }
        for what, count in counts.items():
            self.stdout.write(f"{count:5} {what}")
        planned = activities.filter(planned=True)
        self.stdout.write(f"{planned.count():5} planned activities:")
        for activity in planned:
            self.stdout.write(f"      {activity.key}")
