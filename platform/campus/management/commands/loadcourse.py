"""Load the course and its labs from their files: everything, or nothing when there is a mistake."""

import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import watchfiles
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

import courses.loading
import labs.loading
from courses import links
from courses.documents import CourseFileError

# How long the watcher waits for a change before it looks whether it should stop.
TURN_MS = 200


def load(path: Path, *, again: bool = False) -> courses.loading.Loaded:
    """Load courses, then labs, then see that what names an activity names one that is there."""
    with transaction.atomic():
        loaded = courses.loading.load(path, again=again)
        loaded.changed += labs.loading.load(path, again=again)
        courses.loading.check_references(loaded)
        links.collect()
    return loaded


def load_in_words(path: Path, *, again: bool = False) -> str:
    """Load, and say how long it took. Raises CourseFileError."""
    started = time.monotonic()
    loaded = load(path, again=again)
    seconds = time.monotonic() - started
    return f"Course loaded in {seconds:.1f} s; {loaded.changed} files were new or changed."


def keep_loading(path: Path, *, say: Callable[[str], object], stop: threading.Event) -> None:
    """Load at once, then whenever a file is saved; mistakes are said, and the next save awaited."""
    turns = watchfiles.watch(
        path, stop_event=stop, rust_timeout=TURN_MS, yield_on_timeout=True, raise_interrupt=False
    )
    for number, changes in enumerate(turns):
        # In the first turn the watch has begun, so that no save is missed while this loads.
        if number and not changes:
            continue
        try:
            say(load_in_words(path))
        except CourseFileError as error:
            say(f"{error}\nNothing was loaded.")
        except OSError as error:
            # An editor was about to put another file in this one's place; that is a save, too.
            say(f"Nothing was loaded: {error}.")


class Command(BaseCommand):
    help = "Load the course and its labs from their files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, default=settings.COURSE_DIR)
        parser.add_argument("--again", action="store_true", help="also what has not changed")
        parser.add_argument("--watch", action="store_true", help="again whenever a file is saved")

    def handle(self, *_args: Any, path: Path, again: bool, watch: bool, **_options: Any) -> None:
        if watch:
            keep_loading(path, say=self.stdout.write, stop=threading.Event())
            return
        try:
            self.stdout.write(load_in_words(path, again=again))
        except CourseFileError as error:
            raise CommandError(f"{error}\nNothing was loaded.") from error
