"""Load the course and its labs from their files: everything, or nothing when there is a mistake."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

import courses.loading
import labs.loading
from courses.documents import CourseFileError


def load(path: Path, *, again: bool = False) -> courses.loading.Loaded:
    """Load courses, then labs, then see that what names an activity names one that is there."""
    with transaction.atomic():
        loaded = courses.loading.load(path, again=again)
        loaded.changed += labs.loading.load(path, again=again)
        courses.loading.check_references(loaded)
    return loaded


class Command(BaseCommand):
    help = "Load the course and its labs from their files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, default=settings.COURSE_DIR)
        parser.add_argument("--again", action="store_true", help="also what has not changed")

    def handle(self, *_args: Any, path: Path, again: bool, **_options: Any) -> None:
        started = time.monotonic()
        try:
            loaded = load(path, again=again)
        except CourseFileError as error:
            raise CommandError(f"{error}\nNothing was loaded.") from error
        seconds = time.monotonic() - started
        self.stdout.write(
            f"Course loaded in {seconds:.1f} s; {loaded.changed} files were new or changed."
        )
