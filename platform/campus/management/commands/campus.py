"""`manage.py campus`: the whole campus with one command."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from campus.launcher import CannotStartError, Launcher

WELCOME = """\
The campus is open: {address}

  student      ada    campus-demo
  instructor   iris   campus-demo
  admin        olga   campus-demo

Mail is written to {home}/mail, logs to {home}/logs. Ctrl-C stops everything.
"""


class Command(BaseCommand):
    help = "Start the whole campus: Redis, workers, beat and the web server."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))

    def handle(self, *, port: int, **options: Any) -> None:
        launcher = Launcher(port=port, say=self.stdout.write)
        home: Path = settings.CAMPUS_HOME
        if home.is_relative_to(Path.cwd()):
            home = home.relative_to(Path.cwd())
        try:
            launcher.run(
                prepare=lambda: call_command("prepare", demo=True),
                welcome=WELCOME.format(address=launcher.address, home=home),
            )
        except CannotStartError as error:
            self.stderr.write(str(error))
            raise SystemExit(1) from None
