"""Check the course's files without changing anything: loads them, then takes everything back."""

from argparse import ArgumentParser
from json import dumps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from campus.management.commands.loadcourse import load
from courses import checking
from courses.documents import CourseFileError
from courses.models import Activity, Checkpoint, Module, Objective, Question, Resource
from courses.report import lines, longest_choice_scores


class Command(BaseCommand):
    help = "Check the course's files; the database stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, default=settings.COURSE_DIR)
        parser.add_argument(
            "--report", action="store_true", help="also line by line what the reading list asks for"
        )
        parser.add_argument("--json", action="store_true", help="the report as JSON alone")

    def handle(self, *_args: Any, path: Path, report: bool, json: bool, **_options: Any) -> None:
        with transaction.atomic():
            try:
                load(path, again=True)
                checking.check(path)
            except CourseFileError as error:
                raise CommandError(str(error)) from error
            if json:
                self._json()
            else:
                self._counts()
                if report:
                    self._lines()
            transaction.set_rollback(True)

    def _json(self) -> None:
        for module in _open_modules():
            document = {
                "module": module.key,
                "longest_choice_scores": longest_choice_scores(),
                "lines": [line.as_json() for line in lines(module)],
            }
            self.stdout.write(dumps(document, indent=1))

    def _lines(self) -> None:
        for module in _open_modules():
            self.stdout.write(f"\n{module}, by the reading list:")
            for line in lines(module):
                self.stdout.write(str(line))
        share = longest_choice_scores()
        self.stdout.write(f"Always taking the longest choice scores {100 * share:.0f} %.")

    def _counts(self) -> None:
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


def _open_modules() -> list[Module]:
    return list(Module.objects.published().filter(locked=False))
