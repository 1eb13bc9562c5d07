"""The arithmetic of the course: formulas that authors write, and no code of theirs run."""

import ast
import html
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from simpleeval import (  # type: ignore[import-untyped]
    DEFAULT_OPERATORS,
    SimpleEval,
)

Number = int | float
# A value: a number, or several that belong together, such as a type and its block size.
Value = Number | str | Mapping[str, Number | str]
Values = Mapping[str, Value]

# A float ends at 2 ** 1024: a whole number of more bits than this is never a result.
MOST_BITS = 2048


def _power(base: Number, exponent: Number) -> Number:
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and int(base).bit_length() * exponent > MOST_BITS:
        raise OverflowError("the power is too large")
    return base**exponent


def _round(number: Number, digits: int = 0) -> float:
    # Of a float: Python rounds a whole number by as great a power of ten as it is asked for.
    return round(float(number), digits)


OPERATORS = {**DEFAULT_OPERATORS, ast.Pow: _power}
FUNCTIONS = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
}
NAMES = {"pi": math.pi}
# `{= formula }` or `{= formula :.2f }` in a text.
COMPUTED = re.compile(r"\{=\s*(?P<formula>[^{}]+?)\s*(?::\s*(?P<format>[,\w.+%]+)\s*)?\}")
# Code and mathematics.
LITERAL = re.compile(r"(```.*?```|\$\$.*?\$\$|\$[^$\n]*\$|`[^`\n]*`)", re.DOTALL)


class FormulaError(ValueError):
    """A formula that has no value; says what it stumbled over."""


def compute(formula: str, values: Values) -> float:
    """The formula's value as a finite float, in little time and memory. Raises FormulaError."""
    try:
        _check(formula)
        names = {**NAMES, **values}
        result = SimpleEval(operators=OPERATORS, functions=FUNCTIONS, names=names).eval(formula)
        number = float(result)
    except Exception as error:  # simpleeval raises whatever the formula stumbled over
        raise FormulaError(str(error)) from error
    if not math.isfinite(number):
        raise FormulaError(f"the result is {number}")
    return number


def _check(formula: str) -> None:
    """Numbers alone: a text, or a method, can be asked for something of any length."""
    for node in ast.walk(ast.parse(formula.strip(), mode="eval")):
        if isinstance(node, ast.JoinedStr):
            raise FormulaError("a text is no number")
        if isinstance(node, ast.Constant) and not isinstance(node.value, Number):
            raise FormulaError(f"{node.value!r} is no number")
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Name):
            raise FormulaError("only functions can be called")


def written(value: float, digits: int = 6) -> str:
    """A number for people: whole ones in full, with thousands apart; others to some digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 10**digits and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def printed(number: str) -> str:
    """The number with a real minus sign."""
    return f"\N{MINUS SIGN}{number[1:]}" if number.startswith("-") else number


def substituted(text: str, values: Values) -> str:
    """The text with every `{= formula }` computed. Raises FormulaError."""
    # There a minus is written as a hyphen. split() gives what its group matched the odd places.
    parts = LITERAL.split(text)
    return "".join(
        _numbers(part, values, literal=place % 2 == 1) for place, part in enumerate(parts)
    )


def _numbers(text: str, values: Values, *, literal: bool) -> str:
    def number(match: re.Match[str]) -> str:
        value = compute(match["formula"], values)
        if match["format"]:
            try:
                whole = match["format"].endswith("d")
                found = format(int(value) if whole else value, match["format"])
            except ValueError as error:
                raise FormulaError(f"{match['format']!r} formats no number") from error
        else:
            found = written(value)
        return found if literal else printed(found)

    return COMPUTED.sub(number, text)


def formulas_in(text: str) -> Iterator[str]:
    """Each `{= formula }` of a text, as it stands there."""
    for match in COMPUTED.finditer(text):
        yield match[0]


def fill(text: str, values: Values) -> str:
    """Put the values drawn where `{name}` or `{name.part}` stands in HTML."""

    def value(match: re.Match[str]) -> str:
        name, _, part = match[1].partition(".")
        found: Any = values.get(name)
        if part and isinstance(found, Mapping):
            found = found.get(part)
        return match[0] if found is None else html.escape(str(found))

    return re.sub(r"\{([\w.]+)\}", value, text)
