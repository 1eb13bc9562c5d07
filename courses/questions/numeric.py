"""Numeric: the numbers in the prompt are drawn, and a formula over them gives the answer."""

import itertools
import math
import re
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from courses.documents import Location, MistakeError, Part
from courses.formulas import FUNCTIONS, FormulaError, Number, compute, fill, written
from courses.markdown import render
from courses.questions.base import (
    Grade,
    Html,
    Question,
    Response,
    Text,
    WrongFormError,
    pick,
)

# A value drawn, as the file has it: pydantic needs the concrete types of formulas.Value.
Value = Number | str | dict[str, Number | str]

# Digits with an exponent perhaps, thousands apart perhaps, then letters perhaps: "1,024.5 KiB".
TYPED = re.compile(
    r"(?P<number>[+-]?(?:(?:\d{1,3}(?:[, ]\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"\s*(?P<unit>\S.*)?",
    re.ASCII,
)
MOST_DRAWS = 5000


class Tolerance(Part):
    """How far from the answer is still right: a share of it, or a distance in its unit."""

    relative: float = Field(default=0.0, ge=0.0, le=0.5)
    absolute: float = Field(default=0.0, ge=0.0)


class Slip(Part):
    """A wrong answer with a known cause: its formula, and what it reveals."""

    answer: Text
    misconception: Text


class Numeric(Question):
    template: ClassVar[str] = "courses/questions/_numeric.html"
    result_template: ClassVar[str] = "courses/questions/_numeric_result.html"

    type: Literal["numeric"]
    parameters: dict[str, list[Value]] = Field(default_factory=dict)
    answer: Text
    unit: str = ""
    units: dict[str, float] = Field(default_factory=dict)
    tolerance: Tolerance
    slips: list[Slip] = Field(default_factory=list)

    @model_validator(mode="after")
    def _computes_for_every_draw(self) -> "Numeric":
        for name, choices in self.parameters.items():
            if not choices:
                raise MistakeError(
                    f"`{name}` has no values to draw from", "list one or more", ("parameters", name)
                )
            if not re.search(rf"\{{{re.escape(name)}(\.\w+)?\}}", self.prompt):
                raise MistakeError(
                    f"`{{{name}}}` is not in the prompt",
                    "show what is drawn, or take the parameter out",
                    ("prompt",),
                )
        formulas: list[tuple[Location, str]] = [(("answer",), self.answer)]
        formulas += [(("slips", i, "answer"), slip.answer) for i, slip in enumerate(self.slips)]
        draws = itertools.product(*self.parameters.values())
        for drawn in itertools.islice(draws, MOST_DRAWS):
            values = dict(zip(self.parameters, drawn, strict=True))
            for location, formula in formulas:
                try:
                    compute(formula, values)
                except FormulaError as error:
                    raise MistakeError(
                        f"`{formula}` cannot be computed for {values}: {error}",
                        f"use the parameters' names, numbers and {', '.join(FUNCTIONS)}, and"
                        " draw no values for which the formula has none",
                        location,
                    ) from error
        return self

    def rendered(self) -> Html:
        html = {
            "prompt": render(self.prompt),
            "explanation": render(self.explanation),
            "slips": [render(slip.misconception) for slip in self.slips],
        }
        for place in ("prompt", "explanation"):
            for name in re.findall(r"\{[\w.]+\}", getattr(self, place)):
                known = name[1:-1].partition(".")[0] in {*self.parameters, "answer"}
                if known and name not in html[place]:
                    raise MistakeError(
                        f"`{name}` stands inside a formula or coloured code, where it is not filled"
                        " in",
                        "write it outside, or in code without a language",
                        (place,),
                    )
        return html

    def shown(self, html: Html, seed: str, response: Response) -> dict[str, Any]:
        return {
            "prompt": fill(html["prompt"], self.drawn(seed)),
            "value": response[0] if response else "",
            "hint": self.form,
        }

    def check(self, response: Response) -> None:
        if len(response) != 1:
            raise WrongFormError(f"One number is asked for. {self.form}")
        self.number(response[0])

    def grade(self, html: Html, seed: str, response: Response) -> Grade:
        values = self.drawn(seed)
        answer = compute(self.answer, values)
        feedback = {
            "answer": self.written(answer),
            "given": "".join(response),
            "explanation": fill(html["explanation"], {**values, "answer": self.written(answer)}),
            "tolerance": self.tolerated,
            "misconception": "",
        }
        if self.is_blank(response):
            return Grade(0.0, feedback)
        given = self.number(response[0])
        if self.accepts(given, answer):
            return Grade(1.0, feedback)
        for slip, slip_html in zip(self.slips, html["slips"], strict=True):
            if self.accepts(given, compute(slip.answer, values)):
                feedback["misconception"] = fill(slip_html, values)
                break
        return Grade(0.0, feedback)

    def right(self, seed: str) -> Response:
        return (repr(float(compute(self.answer, self.drawn(seed)))),)

    def wrong(self, seed: str) -> Response:
        answer = compute(self.answer, self.drawn(seed))
        return (repr(float(3 * answer + 3 * self.tolerance.absolute + 1)),)

    def drawn(self, seed: str) -> dict[str, Value]:
        return {name: pick(seed, name, values) for name, values in self.parameters.items()}

    def accepts(self, given: float, answer: float) -> bool:
        allowed = max(self.tolerance.relative * abs(answer), self.tolerance.absolute)
        # What float arithmetic itself loses is never the student's mistake.
        return abs(given - answer) <= allowed + 1e-9 * max(1.0, abs(answer)) * (allowed == 0)

    def number(self, typed: str) -> float:
        """The number that was typed, in `unit`; WrongFormError says how to write one."""
        match = TYPED.fullmatch(typed.strip())
        if not match:
            raise WrongFormError(f"That cannot be read as a number. {self.form}")
        value = float(match["number"].replace(",", "").replace(" ", ""))
        if not math.isfinite(value):
            raise WrongFormError(f"That is too large for an answer. {self.form}")
        return value * self._factor(match["unit"])

    def _factor(self, unit: str | None) -> float:
        if unit is None or unit.strip() == self.unit:
            return 1.0
        factors = {name.lower(): factor for name, factor in self.units.items()}
        exact = self.units.get(unit.strip(), factors.get(unit.strip().lower()))
        if exact is None:
            raise WrongFormError(f"{unit.strip()!r} is no unit that is known here. {self.form}")
        return exact

    @property
    def form(self) -> str:
        """How an answer is written, in a sentence."""
        sentence = "A number such as 1536 or 1.5e3"
        if self.units:
            sentence += f", with {_listed(self.units)} after it if you like"
        if self.unit:
            sentence += f"; without a unit it counts as {self.unit}"
        return f"{sentence}. {self.tolerated}"

    @property
    def tolerated(self) -> str:
        if self.tolerance.relative:
            return f"Right within {100 * self.tolerance.relative:g}\u00a0% of the answer."
        if self.tolerance.absolute:
            return f"Right within {written(self.tolerance.absolute)} {self.unit}".rstrip() + "."
        return "It must be exact."

    def written(self, value: float) -> str:
        return f"{written(value)} {self.unit}".rstrip()


def _listed(names: dict[str, float]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
