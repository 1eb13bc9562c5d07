"""`manage.py prepare`: everything between installing the campus and starting its processes."""

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Migrate the database, collect static files and load the course. Safe to repeat."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="also make the demo people")

    def handle(self, *, demo: bool, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        collect_static()
        call_command("loadcourse", verbosity=0)
        if demo:
            call_command("demopeople", verbosity=0)


def collect_static() -> None:
    """Collect the static files if one has changed: hashing them all is half of a later start."""
    sources = sources_of_static()
    stamp: Path = settings.CAMPUS_HOME / "static-sources"
    manifest: Path = settings.STATIC_ROOT / "staticfiles.json"
    if manifest.exists() and stamp.exists() and stamp.read_text() == sources:
        return
    call_command("collectstatic", verbosity=0, interactive=False)
    stamp.write_text(sources)


def sources_of_static() -> str:
    """A digest of where each file lies, how big it is and when it was written."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list(None):
            stat = Path(storage.path(name)).stat()
            digest.update(f"{storage.path(name)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
