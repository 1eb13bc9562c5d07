"""What an exercise is: functions to write, examples to look at, and checks that judge them.

A check reads like a test. It draws its inputs, asks the student's code for values, and raises
`Failure` when they are not what they should be:

    @exercise.check("Matches the formula", points=3, hint="Divide by the root of the mean square.")
    def formula(student: Student, rng: np.random.Generator) -> None:
        x = rng.standard_normal((5, 64))
        weight = rng.standard_normal(64)
        student.call("rms_norm", x, weight, 1e-5).close_to(reference(x, weight, 1e-5), atol=1e-12)

The student's code runs in a sandbox and the check outside of it: `student.call` sends arguments in
and brings a value back. Every check has draws of its own, so adding one changes no other.
"""

import ast
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from workers.exercises.showing import describe, show, shown_call
from workers.sandbox import Box, Fault, Reply, SandboxLimits

Array = NDArray[Any]
# For each hint, the wrong answer that it explains.
Mistakes = Mapping[str, Any]

PLOTTED = 240  # points of an error plot, at most


@dataclass(frozen=True)
class Plot:
    """Where an answer is off: the largest absolute error of each place, and what is allowed."""

    along: str
    errors: tuple[float, ...]
    allowed: float


@dataclass(eq=False)
class Failure(Exception):  # noqa: N818  # it is the outcome of a check, not an accident
    """A check that is not met: a message to act on, and what was expected and got, in short.

    `hint` takes the place of the check's own where the mistake is known; `line` is a line of the
    student's code.
    """

    message: str
    expected: str = ""
    got: str = ""
    hint: str = ""
    line: int | None = None
    plot: Plot | None = None


@dataclass(frozen=True)
class Kept:
    """Stands for a value that the sandbox was given to keep."""

    name: str


@dataclass(frozen=True)
class Example:
    """A call that the exercise's page shows with what it gives. Arguments are small."""

    function: str
    arguments: tuple[Any, ...]
    expected: Any
    atol: float = 1e-9

    @property
    def shown(self) -> str:
        """The call as Python, e.g. "rms_norm(np.array([[3.0, 4.0]]), np.ones(2), 0.0)"."""
        return shown_call(self.function, self.arguments)

    @property
    def result(self) -> str:
        """What it gives, as Python."""
        return show(self.expected)


@dataclass(frozen=True)
class Answer:
    """What one call of a student's function returned, and the judgements one can pass on it."""

    function: str
    reply: Reply

    @property
    def value(self) -> Any:
        """The value as it came: anything that wire.py can carry."""
        return self.reply.value

    def array(self, shape: tuple[int, ...] | None = None, *, finite: bool = True) -> Array:
        """The value as an array of real numbers. Raises Failure where it is none of that shape."""
        value = self.value
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if is_number and shape in (None, ()):
            value = np.asarray(value)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "iufb":
            expected = "an array" if shape is None else f"an array of shape {shape}"
            self.fail(
                f"{self.function} returned {describe(value)}, not {expected}.",
                expected=expected,
                got=describe(value),
                hint=_how_to_return(value),
            )
        if shape is not None and value.shape != shape:
            self.fail(
                f"{self.function} returned shape {value.shape}, and {shape} is expected.",
                expected=f"shape {shape}",
                got=f"shape {value.shape}",
            )
        if finite and not np.isfinite(value).all():
            self._fail_as_not_finite(value)
        return value

    def items(self, count: int) -> tuple["Answer", ...]:
        """The parts of a tuple or list of `count` values, each to be judged for itself."""
        if not isinstance(self.value, tuple | list) or len(self.value) != count:
            self.fail(
                f"{self.function} returned {describe(self.value)}, not {count} values.",
                expected=f"{count} values",
                got=describe(self.value),
                hint=_how_to_return(self.value) or "Return them together: return a, b.",
            )
        whole = self.function if self.function.endswith("]") else f"{self.function}(…)"
        return tuple(
            Answer(f"{whole}[{index}]", replace(self.reply, value=value))
            for index, value in enumerate(self.value)
        )

    def close_to(
        self,
        expected: Any,
        *,
        atol: float = 0.0,
        rtol: float = 0.0,
        mistakes: Mistakes | None = None,
        along: str = "row",
    ) -> Array:
        """Raise Failure unless every element is within atol + rtol * |expected|; the array.

        `mistakes` maps hints to the wrong answers they explain: the first that fits gives its hint.
        `along` names what the first axis counts, for the plot of the error.
        """
        expected = np.asarray(expected)
        got = self.array(expected.shape)
        allowed = atol + rtol * np.abs(expected.astype(np.float64))
        error = np.abs(got.astype(np.float64) - expected.astype(np.float64))
        if not (error <= allowed).all():
            self._fail_as_off(got, expected, error, allowed, mistakes, along)
        return got

    def equals(self, expected: Any, *, mistakes: Mistakes | None = None) -> None:
        """Raise Failure unless the value is exactly this: text, whole numbers, bytes, or nests."""
        if _same(self.value, expected):
            return
        known = (hint for hint, wrong in (mistakes or {}).items() if _same(self.value, wrong))
        self.fail(
            f"{self.function} returned something else than expected.",
            expected=show(expected),
            got=show(self.value),
            hint=next(known, ""),
        )

    def fail(
        self,
        message: str,
        *,
        expected: str = "",
        got: str = "",
        hint: str = "",
        plot: Plot | None = None,
    ) -> NoReturn:
        """Raise Failure about this answer, pointing at the line that it came from."""
        raise Failure(message, expected, got, hint, self.reply.line, plot)

    def _fail_as_off(
        self,
        got: Array,
        expected: Array,
        error: Array,
        allowed: Array,
        mistakes: Mistakes | None,
        along: str,
    ) -> NoReturn:
        place = tuple(int(i) for i in np.unravel_index(np.argmax(error - allowed), error.shape))
        wrong = int((error > allowed).sum())
        where = f" at {list(place)}" if place else ""
        count = f", {wrong:,} of {error.size:,} values" if error.size > 1 else ""
        most = float(np.max(allowed))
        hint = _explained(got, expected, allowed, mistakes)
        digits = ""
        if not hint and most < 1e-7:
            if got.dtype in (np.float16, np.float32):
                hint = f"Your result is {got.dtype}: keep the precision of what you are given."
            elif _has_digits_of_float32(expected, error):
                digits = " It is right to about seven digits, as many as float32 has."
        self.fail(
            f"{self.function} is off by {error[place]:.3g}{where}{count}; {most:.3g} is allowed."
            f"{digits}",
            expected=f"{show(expected[place], like=got[place])}{where}",
            got=f"{show(got[place], like=expected[place])}{where}",
            hint=hint,
            plot=_plot(error, most, along) if error.size > 1 else None,
        )

    def _fail_as_not_finite(self, value: Array) -> NoReturn:
        bad = ~np.isfinite(value)
        place = [int(i) for i in np.argwhere(bad)[0]]
        word = "NaN" if np.isnan(value[tuple(place)]) else "infinity"
        where = f", the first at {place}" if place else ""
        count = int(bad.sum())
        values = "one value" if count == 1 else f"{count:,} values"
        message = f"{self.function} returned {word} in {values}{where}."
        line = self.reply.line
        if self.reply.warnings:
            line, said = self.reply.warnings[0]
            message += f" It begins in line {line}: {said}."
        raise Failure(message, "finite numbers", word, line=line)


@dataclass(frozen=True)
class Student:
    """A student's code at work in its sandbox, as checks see it."""

    box: Box

    def call(self, function: str, *arguments: Any) -> Answer:
        """Call one of their functions. Raises Failure where it raises or changes an argument.

        Arrays arrive as new ones each time; `Kept` stands for what `keep` handed over before.
        """
        try:
            answer = self.attempt(function, *arguments)
        except Fault as fault:
            raise failure(fault, function) from fault
        for index in answer.reply.changed:
            answer.fail(
                f"{function} changes its argument number {index + 1} in place.",
                hint="Work on a new array: whoever called still needs the old one.",
            )
        return answer

    def attempt(self, function: str, *arguments: Any) -> Answer:
        """Call a function that may raise: Fault comes through as it is."""
        sent = [
            {"kept": argument.name} if isinstance(argument, Kept) else {"value": argument}
            for argument in arguments
        ]
        return Answer(function, self.box.call(function, sent))

    def keep(self, name: str, value: Any) -> Kept:
        """Hand over once what many calls need, such as a model's tensors; read-only in there."""
        self.box.keep(name, value)
        return Kept(name)


def failure(fault: Fault, function: str = "") -> Failure:
    """What a learner is told of an exception in their code."""
    if fault.kind == "NotImplementedError":
        # The starter's own message names what is missing, which may be a part of what was called.
        missing = fault.message.removeprefix("write ")
        name = missing if missing.isidentifier() else function or "This"
        return Failure(f"{name} is not written yet.", line=fault.line)
    where = f"Line {fault.line}" if fault.line else function or "Your code"
    code = f" (`{fault.text.strip()}`)" if fault.text.strip() else ""
    words = f": {fault.message.rstrip('.?!')}" if fault.message else ""
    return Failure(
        f"{where}{code}: {fault.kind}{words}.", hint=_what_it_means(fault), line=fault.line
    )


# What begins a line that was copied along with code: a fence, a prompt, a notebook's command.
NO_PYTHON = ("```", ">>>", "%", "!", "In [")
REFUSED = (
    "The sandbox refuses this: no other processes, no network, and no files but its own small /tmp."
)


def _what_it_means(fault: Fault) -> str:  # noqa: PLR0911, PLR0912  # one for each kind of exception
    """What to think about, where the exception's own words say too little about this place."""
    match fault.kind:
        case "ModuleNotFoundError":
            return "Python's standard library and NumPy are all there is in the sandbox."
        case "FileNotFoundError":
            return "There are no files here. Take what you need from the arguments."
        case "PermissionError" | "BlockingIOError":
            return REFUSED
        case "OSError" if "Read-only" in fault.message:
            return REFUSED
        case "SystemExit":
            return "A function gives its result back with return. Nothing has to end the program."
        case "RecursionError":
            return "In which case does it not call itself, and does every call come closer to that?"
        case "MemoryError":
            return "All arrays count that exist at one time. Which is the largest, and must it be?"
        case "SyntaxError" if fault.text.strip().startswith(NO_PYTHON):
            return "This line is no Python as it stands. Did it come along with copied code?"
        case "SyntaxError" if fault.message.startswith("invalid") and "U+" in fault.message:
            return "A character that only looks like Python's, or like nothing. Type it again."
        case "ValueError" if "broadcast" in fault.message:
            return (
                "Print both shapes. After a sum, mean or max over an axis, keepdims=True keeps it, "
                "with length 1."
            )
        case "ValueError" if "core dimension" in fault.message:
            return (
                "In a @ b the last axis of a is as long as the last but one of b. With three axes "
                "or more, .T reverses all of them."
            )
        case "AxisError":
            return "Count axes from the end: -1 is the last."
        case "TypeError" if "only 0-dimensional arrays" in fault.message:
            return "The functions of math take one number; those of np take arrays."
        case "TypeError" if "NoneType" in fault.message:
            return "Something is None: does every way through what made it end in a return?"
        case "KeyError":
            return "A dict has no such key. print(list(it)) shows the keys that it has."
        case "NameError" if "'np'" in fault.message:
            return "NumPy has to be imported first: import numpy as np."
    if "read-only" in fault.message:
        return "What you are given is read-only here. Make a copy, or compute a new array."
    return ""


CheckFunction = Callable[[Student, np.random.Generator], None]


@dataclass(frozen=True)
class Check:
    """One thing that is asked of the code, with its points and what its failure often means."""

    name: str
    points: int
    hint: str
    run: CheckFunction


@dataclass
class Exercise:
    """An exercise of the ladder. `folder` holds its starter.py and its solution.py.

    `key` is that of the course's activity, e.g. "exercise-rmsnorm".
    """

    key: str
    folder: Path
    examples: tuple[Example, ...]
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    checks: list[Check] = field(default_factory=list)
    # For the capstone: functions that an earlier rung asked for, with the key of that rung.
    parts: tuple[tuple[str, str], ...] = ()

    def check(
        self, name: str, *, points: int, hint: str
    ) -> Callable[[CheckFunction], CheckFunction]:
        """Add the decorated function as a check."""

        def add(function: CheckFunction) -> CheckFunction:
            self.checks.append(Check(name, points, hint, function))
            return function

        return add

    @functools.cached_property
    def starter(self) -> str:
        """The code that a student begins with."""
        return (self.folder / "starter.py").read_text()

    @functools.cached_property
    def solution(self) -> str:
        """The model solution."""
        return (self.folder / "solution.py").read_text()

    @functools.cached_property
    def functions(self) -> dict[str, tuple[str, ...]]:
        """The functions to write, with their parameters: those of the starter without a `_`.

        Parts are for the student's own use: they may have other names or be none at all.
        """
        parts = {name for name, _ in self.parts}
        return {
            node.name: tuple(argument.arg for argument in node.args.args)
            for node in ast.parse(self.starter).body
            if isinstance(node, ast.FunctionDef)
            and not node.name.startswith("_")
            and node.name not in parts
        }


def _explained(got: Array, expected: Array, allowed: Array, mistakes: Mistakes | None) -> str:
    """The hint of the known mistake that gives just this, or an empty string.

    Where the draw makes a mistake harmless it explains nothing.
    """

    def alike(one: Array, other: Array) -> bool:
        if one.shape != other.shape:
            return False
        with np.errstate(invalid="ignore"):  # infinities
            return bool((np.abs(one - other) <= allowed + 1e-6 * np.abs(other)).all())

    for hint, mistake in (mistakes or {}).items():
        wrong = np.asarray(mistake)
        if alike(got, wrong) and not alike(wrong, expected):
            return hint
    return ""


def _how_to_return(value: Any) -> str:
    """What to do about a value that is no array."""
    match value:
        case None:
            return "Does every way through the function end in a return?"
        case list():
            return "Return the array itself: np.array(…) makes one of a list."
        case tuple():
            return "It returns several values where one is expected."
    return ""


def _has_digits_of_float32(expected: Array, error: Array) -> bool:
    """Whether the error is of the size that comes of a step in float32."""
    largest = float(np.max(np.abs(expected)))
    return 1e-9 * largest < float(np.max(error)) < 5e-7 * largest


def _plot(error: Array, allowed: float, along: str) -> Plot:
    """The largest error in each place of the first axis, of at most PLOTTED places."""
    if error.ndim > 1 and len(error) > 1:
        rows = error.reshape(len(error), -1).max(axis=1)
    else:
        rows, along = error.ravel(), "element"
    if len(rows) > PLOTTED:
        along = f"{along}, in {PLOTTED} equal parts"
        rows = np.array([part.max() for part in np.array_split(rows, PLOTTED)])
    return Plot(along, tuple(float(value) for value in rows), allowed)


def _same(got: Any, expected: Any) -> bool:
    """Equal, element by element, with arrays of any dtype and lists as good as tuples."""
    if isinstance(got, np.ndarray | np.generic) or isinstance(expected, np.ndarray | np.generic):
        try:
            return bool(np.array_equal(np.asarray(got), np.asarray(expected)))
        except ValueError:
            return False
    if isinstance(got, list | tuple) and isinstance(expected, list | tuple):
        return len(got) == len(expected) and all(map(_same, got, expected))
    if isinstance(got, dict) and isinstance(expected, dict):
        return got.keys() == expected.keys() and all(_same(got[key], expected[key]) for key in got)
    return bool(got == expected)
