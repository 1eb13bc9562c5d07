"""Grade one file as a submission would be graded, sandbox and all, without the database."""

import secrets
import tempfile
from argparse import ArgumentParser
from json import dumps
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labs import kinds
from workers.child import Ending, started
from workers.exercises import EXERCISES
from workers.sandbox import why_missing


class Command(BaseCommand):
    help = (
        "Grade a file of code as an answer to an exercise. Exit code 0: it passed, 1: it did not."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("exercise", choices=EXERCISES, metavar="exercise")
        parser.add_argument("file", type=Path)
        parser.add_argument("--seed", type=int, help="repeat the draws of another grading")
        parser.add_argument("--json", action="store_true", help="the verdict as one JSON object")

    def handle(
        self, *_args: Any, exercise: str, file: Path, seed: int | None, json: bool, **_options: Any
    ) -> None:
        if (reason := why_missing()) is not None:
            raise CommandError(reason, returncode=2)
        try:
            source = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}", returncode=2) from error
        request = {
            "exercise": exercise,
            "source": source,
            "seed": secrets.randbits(48) if seed is None else seed,
        }
        ending = _graded(request)
        if ending.result is None:
            raise CommandError(ending.message, returncode=2)
        verdict = {**ending.result, "seed": request["seed"]}
        self.stdout.write(dumps(verdict, ensure_ascii=False) if json else _in_words(verdict))
        if not verdict["passed"]:
            raise SystemExit(1)


def _graded(request: dict[str, Any]) -> Ending:
    """The ending of the very child process that a worker would start."""
    kind = kinds.REGISTRY["code"]
    with (
        tempfile.TemporaryDirectory() as scratch,
        started(kind.engine, request, kind.limits, Path(scratch)) as child,
    ):
        while True:
            said = child.read(timeout=1.0)
            if isinstance(said, Ending):
                return said


def _in_words(verdict: dict[str, Any]) -> str:
    lines = []
    for check in verdict["checks"]:
        lines.append(f"{'met    ' if check['passed'] else 'NOT MET'}  {check['name']}")
        lines += [
            f"         {label}{check[field]}"
            for field, label in (
                ("message", ""),
                ("expected", "expected: "),
                ("got", "got: "),
                ("hint", "think about: "),
            )
            if not check["passed"] and check[field]
        ]
    lines += [
        f"limit reached: {limit['name']}, {limit['used']} of {limit['limit']} {limit['unit']}"
        for limit in verdict["limits"]
        if limit["hit"]
    ]
    lines.append(
        f"{verdict['points']} of {verdict['out_of']} points in {verdict['seconds']} s, "
        f"seed {verdict['seed']}"
    )
    return "\n".join(lines)
