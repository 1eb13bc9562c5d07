"""The engine as a program: `python -m workers <kind> --model … --json`.

A stable contract: one JSON object on the last line of stdout, progress on stderr, exit code 0, or 1
with {"error": …}. Every field of a kind's request is an option: n_ctx is --n-ctx.
"""

import argparse
import json
import os
import sys
import traceback
import types
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from workers import catalogue, figures
from workers.errors import BadRequestError, EngineError
from workers.events import Event, to_json
from workers.kinds import KINDS, Kind
from workers.requests import from_json


class Parser(argparse.ArgumentParser):
    """Ends in the contract's {"error": …} instead of a usage text."""

    def error(self, message: str) -> NoReturn:
        raise BadRequestError(f"{message[0].upper()}{message[1:]}.")


def main(arguments: list[str]) -> int:
    """Run one command. Returns the exit code."""
    try:
        options = vars(_parser().parse_args(arguments))
        indent = None if options.pop("json") else 2
        command = options.pop("command")
        result = _result(command, options)
    except EngineError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("Interrupted.")
    except Exception as error:  # the contract holds for our own mistakes too
        traceback.print_exc()
        return _fail(f"The engine itself failed: {type(error).__name__}: {error}")
    print(json.dumps(result, indent=indent, ensure_ascii=False, allow_nan=False), flush=True)  # noqa: T201
    return 0


def _fail(message: str) -> int:
    print(json.dumps({"error": message}, ensure_ascii=False), flush=True)  # noqa: T201
    return 1


def _result(command: str, options: dict[str, Any]) -> dict[str, Any]:
    if command == "models":
        return _models()
    if command == "figure":
        return asdict(figures.compute(options["name"]))
    return asdict(_run(KINDS[command], options))


def _models() -> dict[str, Any]:
    return {
        "models": [asdict(model) for model in catalogue.models()],
        "texts": asdict(catalogue.texts()),
    }


def _run(kind: Kind, options: dict[str, Any]) -> Any:
    """Run a kind to its end, its events on stderr."""
    request = from_json(kind.request, options)
    work = kind.run(request)
    try:
        while True:
            _show(next(work))
    except StopIteration as end:
        return end.value
    finally:
        work.close()


def _show(event: Event) -> None:
    print(json.dumps(to_json(event), ensure_ascii=False), file=sys.stderr, flush=True)  # noqa: T201


def _parser() -> Parser:
    parser = Parser(prog="python -m workers", description="The engine of Inference Campus.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    commands.add_parser("models", help="List the teaching models and texts.")
    figure = commands.add_parser("figure", help="What an interactive figure of a reading shows.")
    figure.add_argument("name", choices=sorted(figures.FIGURES))
    for kind in KINDS.values():
        summary = (kind.request.__doc__ or "").partition("\n")[0]
        _add_options(commands.add_parser(kind.name, help=summary), kind.request)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print the result on one line")
    return parser


def _add_options(parser: argparse.ArgumentParser, request: type[Any]) -> None:
    hints = get_type_hints(request)
    for field in fields(request):
        hint = hints[field.name]
        if get_origin(hint) is types.UnionType:
            hint = get_args(hint)[0]
        settings: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
        if field.default is not MISSING:
            settings["help"] = f"default {field.default!r}"
        if hint is bool:
            settings["action"] = argparse.BooleanOptionalAction
        elif get_origin(hint) is tuple:
            settings |= {"nargs": "+", "type": get_args(hint)[0]}
        elif is_dataclass(hint):
            settings |= {"type": json.loads, "metavar": "JSON"}
        else:
            settings["type"] = hint
        parser.add_argument(f"--{field.name.replace('_', '-')}", **settings)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: a C call that was interrupted may still be running in its thread.
    os._exit(status)
