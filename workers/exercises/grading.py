"""Grading one submission: the checks of an exercise, one after the other, against a sandbox.

The verdict is a pure function of the code and the seed, up to its times. What a student's code
does to itself (a limit, a crash, an exception) is a verdict too, and says so; only a machine that
has no sandbox gives none.
"""

import difflib
import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from workers.errors import BadRequestError
from workers.events import Event, Phase, Progress
from workers.exercises import EXERCISES
from workers.exercises.base import Answer, Check, Example, Exercise, Failure, Plot, Student, failure
from workers.exercises.showing import show
from workers.sandbox import Box, EndedError, Fault, SandboxMissingError, Use, why_missing

SOURCE_LIMIT = 64 << 10  # bytes of one submission
LOADS = "Your code loads"
EXAMPLES = "The examples"
AGAIN = "The same again"
SHORT_CALL = 120  # characters of an example that fit into a message


@dataclass(frozen=True)
class GradeCode:
    """Grade `source` as an answer to the exercise; all that is drawn follows from `seed`."""

    exercise: str
    source: str
    seed: int = 0

    def __post_init__(self) -> None:
        if self.exercise not in EXERCISES:
            known = ", ".join(EXERCISES)
            raise BadRequestError(f"There is no exercise {self.exercise}; there are {known}.")
        if len(self.source.encode(errors="replace")) > SOURCE_LIMIT:
            raise BadRequestError(f"The code is longer than {SOURCE_LIMIT >> 10} KiB.")
        if self.seed < 0:
            raise BadRequestError("seed must not be negative.")


@dataclass(frozen=True)
class CheckResult:
    """How one check went. `line` is a line of the student's code, where one can be named."""

    name: str
    passed: bool
    points: int
    out_of: int
    message: str = ""
    hint: str = ""
    expected: str = ""
    got: str = ""
    line: int | None = None
    plot: Plot | None = None


@dataclass(frozen=True)
class Verdict:
    """The outcome of a submission. `passed` is true only when every check passed.

    `output` is what the code printed, its first 16 KiB; `output_bytes` how much that was in all.
    """

    passed: bool
    points: int
    out_of: int
    checks: tuple[CheckResult, ...]
    limits: tuple[Use, ...]
    seconds: float
    output: str
    output_bytes: int


def grade(request: GradeCode) -> Generator[Event, None, Verdict]:
    """Load the code and run every check. Raises SandboxMissingError where there is no sandbox."""
    if (reason := why_missing()) is not None:
        raise SandboxMissingError(reason)
    exercise = EXERCISES[request.exercise]
    started = time.monotonic()
    yield Phase("Opening the sandbox")
    with Box(exercise.limits) as box:
        steps = [_loading(box, exercise, request.source), *checks_of(exercise)]
        results: list[CheckResult] = []
        stopped_in = ""
        for number, check in enumerate(steps):
            if stopped_in:
                results.append(_not_reached(check, stopped_in))
                continue
            yield Phase(check.name)
            result, ended = _run(check, box, np.random.default_rng([request.seed, number]))
            results.append(result)
            yield Progress(number + 1, len(steps), "checks")
            # Code that does not load defines nothing that could be checked.
            if ended or (number == 0 and box.functions is None):
                stopped_in = check.name
        uses, output, printed = box.uses(), box.printed, box.printed_bytes
    return Verdict(
        passed=all(result.passed for result in results),
        points=sum(result.points for result in results),
        out_of=sum(result.out_of for result in results),
        checks=tuple(results),
        limits=uses,
        seconds=round(time.monotonic() - started, 3),
        output=output,
        output_bytes=printed,
    )


def checks_of(exercise: Exercise) -> list[Check]:
    """All checks behind the loading: the examples, again and again, then the exercise's own."""
    given: dict[int, str] = {}  # what each example gave at first, shown
    return [
        Check(
            EXAMPLES,
            points=1,
            hint="Call your function with the example by hand, and print what it makes on the way.",
            run=lambda student, _: _examples(exercise, student, given),
        ),
        Check(
            AGAIN,
            points=1,
            hint=(
                "Compute everything from the arguments, in new arrays: nothing may stay behind in "
                "a global variable or a default argument, or be written into what was given."
            ),
            run=lambda student, _: _again(exercise, student, given),
        ),
        *exercise.checks,
    ]


def _run(check: Check, box: Box, rng: np.random.Generator) -> tuple[CheckResult, bool]:
    """The result of one check, and whether the sandbox has ended in it."""
    try:
        check.run(Student(box), rng)
    except Failure as found:
        # What a check says of a wrong value explains no exception.
        hint = "" if isinstance(found.__cause__, Fault) else check.hint
        return _failed(check, found, hint), False
    except Fault as fault:
        return _failed(check, failure(fault), ""), False
    except EndedError as end:
        return _failed(check, Failure(str(end)), _after(box)), True
    return CheckResult(check.name, True, check.points, check.points), False


def _failed(check: Check, found: Failure, hint: str) -> CheckResult:
    return CheckResult(
        name=check.name,
        passed=False,
        points=0,
        out_of=check.points,
        message=found.message,
        hint=found.hint or hint,
        expected=found.expected,
        got=found.got,
        line=found.line,
        plot=found.plot,
    )


def _not_reached(check: Check, stopped_in: str) -> CheckResult:
    message = f"Not reached: your code was stopped in “{stopped_in}”."
    if stopped_in == LOADS:
        message = "Not reached: your code does not load."
    return CheckResult(check.name, False, 0, check.points, message)


def _after(box: Box) -> str:
    """What to do about a limit that was hit."""
    hit = {use.name for use in box.uses() if use.hit}
    if hit & {"CPU time", "Time"}:
        return "Is there a loop that does not end, or one over elements where NumPy has one call?"
    if "Output" in hit:
        return "Print less: a shape or a few values tell more than whole arrays."
    if not hit:
        return (
            "A function gives its result back with return. Nothing here needs os._exit, signals or "
            "ctypes."
        )
    return ""


def _loading(box: Box, exercise: Exercise, source: str) -> Check:
    def load(_: Student, __: np.random.Generator) -> None:
        _readable(source)
        defined = box.load(source.removeprefix("\ufeff"))
        missing = [name for name in exercise.functions if name not in defined]
        if missing:
            names = " and ".join(missing)
            has = ", ".join(defined) or "no functions"
            lower = {name.lower(): name for name in defined}
            near = difflib.get_close_matches(missing[0].lower(), lower, 1)
            line = defined[lower[near[0]]][0] if near else None
            also = f" Did you mean {lower[near[0]]}, in line {line}?" if near else ""
            raise Failure(
                f"Your code has no function {names}; it defines {has}.{also}",
                expected=", ".join(
                    f"{name}({', '.join(exercise.functions[name])})" for name in missing
                ),
                got=has,
                line=line,
            )

    hint = "The checks call your functions by the names in the starter code: keep those."
    return Check(LOADS, points=0, hint=hint, run=load)


def _readable(source: str) -> None:
    """Raise Failure at a character that no Python file can have."""
    for number, line in enumerate(source.split("\n"), 1):
        for character in line:
            if character == "\0" or "\ud800" <= character <= "\udfff":
                raise Failure(
                    f"Line {number} has a character that is none: U+{ord(character):04X}.",
                    hint="It cannot be seen, and came along with something copied. Type the line "
                    "again.",
                    line=number,
                )


def _examples(exercise: Exercise, student: Student, given: dict[int, str]) -> None:
    for number, example in enumerate(exercise.examples):
        answer = student.call(example.function, *example.arguments)
        given[number] = show(answer.value)
        _judge(example, answer)


def _judge(example: Example, answer: Answer) -> None:
    """Hold an example's answer against what the page shows; parts of a tuple one by one."""
    try:
        _compare(answer, example.expected, example.atol)
    except Failure as found:
        found.message = f"{_call(example)}: {found.message}"
        found.plot = None
        raise


def _call(example: Example) -> str:
    """The call as a message has room for it; the page shows it in full."""
    return example.shown if len(example.shown) <= SHORT_CALL else f"{example.function}(…)"


def _compare(answer: Answer, expected: object, atol: float) -> None:
    match expected:
        case np.ndarray() | float():
            answer.close_to(expected, atol=atol)
        case tuple():
            for part, wanted in zip(answer.items(len(expected)), expected, strict=True):
                _compare(part, wanted, atol)
        case _:
            answer.equals(expected)


def _again(exercise: Exercise, student: Student, given: dict[int, str]) -> None:
    for number, example in enumerate(exercise.examples):
        for _ in range(2):
            answer = student.call(example.function, *example.arguments)
            shown = show(answer.value)
            if shown != given.setdefault(number, shown):
                answer.fail(
                    f"{_call(example)} gives something else when it is called again.",
                    expected=given[number],
                    got=shown,
                )
