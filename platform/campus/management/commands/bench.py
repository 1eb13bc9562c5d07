"""`manage.py bench`: measure everything in private, print one table, write it to the docs."""

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from campus.bench import engine, live, pages
from campus.bench.table import Row, markdown, page
from workers.fingerprint import fingerprint

PARTS = {"engine": engine.measure, "live": live.measure, "pages": pages.measure}


class Command(BaseCommand):
    help = "Measure engine, hand-over and pages; print a table and write docs/performance.md."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quick", action="store_true", help="only show that it works")
        parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
        parser.add_argument("--out", type=Path, help="default for a whole run: the docs")
        parser.add_argument("--here", choices=PARTS, help="one part, in this CAMPUS_HOME, as JSON")

    def handle(
        self, *, quick: bool, only: list[str], out: Path | None, here: str | None, **_options: Any
    ) -> None:
        if here:
            rows = PARTS[here](quick=quick)
            self.stdout.write(json.dumps([asdict(row) for row in rows]))
            return
        at, load = timezone.now(), os.getloadavg()[0]
        rows = []
        for part in only:
            self.stderr.write(f"Measuring: {part} …")
            rows += self._apart(part, quick=quick)
        self.stdout.write(markdown(rows))
        if not quick and only == list(PARTS):
            out = out or settings.BASE_DIR / "docs" / "performance.md"
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(page(rows, fingerprint(), load, at))

    def _apart(self, part: str, *, quick: bool) -> list[Row]:
        """The rows of a part, measured in a process and a CAMPUS_HOME of its own."""
        outside = {"DATABASE_URL", "REDIS_URL", "SITE_URL"}
        environment = {name: word for name, word in os.environ.items() if name not in outside}
        command = [sys.executable, "manage.py", "bench", "--here", part]
        with tempfile.TemporaryDirectory(prefix="campus-bench-") as home:
            done = subprocess.run(
                [*command, *(["--quick"] if quick else [])],
                cwd=settings.BASE_DIR,
                env=environment
                | {
                    "CAMPUS_HOME": home,
                    "DJANGO_SETTINGS_MODULE": "campus.settings",
                    "LOG_LEVEL": "ERROR",
                },
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
        if done.returncode:
            raise CommandError(f"The part {part} could not be measured; its output says why.")
        return [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]
