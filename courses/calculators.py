"""Calculators: inputs with their defaults, and results by formula, one building on the other.

A reading declares them in its front matter and shows them in its text; the reader changes the
inputs, and the campus computes. Nothing of an author's is run as code (see formulas.py).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from courses.documents import MistakeError, Part
from courses.formulas import FormulaError, Number, compute, printed, written


def _for_formulas(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise MistakeError(
            f"{name!r} is no name for formulas", "use lower-case letters, digits and underscores"
        )
    return name


Name = Annotated[str, StringConstraints(max_length=30), AfterValidator(_for_formulas)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Input(Part):
    """A number to type, or one of several named numbers to choose."""

    name: Name
    label: Text
    value: Number | str
    unit: str = ""
    min: Number | None = None
    max: Number | None = None
    step: Number | None = None
    options: dict[str, Number] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _value_is_possible(self) -> "Input":
        if self.options and str(self.value) not in self.options:
            raise MistakeError(
                f"{self.value!r} is none of the options", "take one of them", ("value",)
            )
        if not self.options:
            if isinstance(self.value, str):
                raise MistakeError(
                    f"{self.value!r} is no number", "write one, or list `options`", ("value",)
                )
            if self.min is None or self.max is None or not self.min <= self.value <= self.max:
                raise MistakeError(
                    f"`{self.name}` has no `min` and `max` around its value",
                    "give both, so that every input has a result",
                )
        return self

    def read(self, typed: str) -> float:
        """The number typed or chosen. Raises ValueError with a sentence about what is expected."""
        if self.options:
            if typed not in self.options:
                raise ValueError(f"{self.label}: choose one of {', '.join(self.options)}.")
            return float(self.options[typed])
        expected = f"{self.label}: a number from {self.min:,} to {self.max:,}."
        try:
            number = float(typed.replace(",", "").replace(" ", ""))
        except ValueError as error:
            raise ValueError(expected) from error
        if self.min is None or self.max is None or not self.min <= number <= self.max:
            raise ValueError(expected)
        return number


class Result(Part):
    name: Name
    label: Text
    formula: Text
    unit: str = ""
    digits: int = Field(default=4, ge=1, le=12)


@dataclass(frozen=True)
class Filled:
    """An input as the form shows it."""

    input: Input
    typed: str


@dataclass(frozen=True)
class Line:
    """A result as it is shown: its number written with its unit."""

    label: str
    number: str
    unit: str


@dataclass(frozen=True)
class Computation:
    """A calculator with what was typed into it: the results, or what is wrong with the input."""

    calculator: "Calculator"
    fields: list[Filled]
    lines: list[Line]
    mistakes: list[str]


class Calculator(Part):
    key: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=50)]
    title: Text
    inputs: list[Input] = Field(min_length=1, max_length=10)
    results: list[Result] = Field(min_length=1, max_length=12)

    @model_validator(mode="after")
    def _computes(self) -> "Calculator":
        names: set[str] = set()
        named = [(("inputs", index), item.name) for index, item in enumerate(self.inputs)]
        named += [(("results", index), item.name) for index, item in enumerate(self.results)]
        for place, name in named:
            if name in names:
                raise MistakeError(
                    f"`{name}` stands here twice", "give each a name of its own", (*place, "name")
                )
            names.add(name)
        known: dict[str, Number] = dict(self.defaults)
        for index, result in enumerate(self.results):
            try:
                known[result.name] = compute(result.formula, known)
            except FormulaError as error:
                raise MistakeError(
                    f"`{result.formula}` cannot be computed: {error}",
                    "use the names of inputs and of earlier results",
                    ("results", index, "formula"),
                ) from error
        return self

    @property
    def name(self) -> str:
        """What a text calls it in `{= name.result }`."""
        return self.key.replace("-", "_")

    @property
    def defaults(self) -> dict[str, float]:
        return {item.name: item.read(str(item.value)) for item in self.inputs}

    def results_of(self, inputs: Mapping[str, float]) -> dict[str, float]:
        """Every result by its name. Raises FormulaError."""
        known: dict[str, Number] = dict(inputs)
        for result in self.results:
            known[result.name] = compute(result.formula, known)
        return {result.name: float(known[result.name]) for result in self.results}

    def values(self) -> dict[str, float]:
        """Inputs and results as the page first shows them."""
        return self.defaults | self.results_of(self.defaults)

    def computation(self, typed: Mapping[str, str]) -> Computation:
        """The results of what was typed; inputs that were left out have their defaults."""
        fields = [
            Filled(item, typed.get(item.name, str(item.value)).strip()) for item in self.inputs
        ]
        numbers, mistakes, lines = {}, [], []
        for field in fields:
            try:
                numbers[field.input.name] = field.input.read(field.typed)
            except ValueError as error:
                mistakes.append(str(error))
        if not mistakes:
            try:
                results = self.results_of(numbers)
                lines = [
                    Line(item.label, printed(written(results[item.name], item.digits)), item.unit)
                    for item in self.results
                ]
            except FormulaError as error:
                mistakes.append(f"These numbers have no result: {error}.")
        return Computation(self, fields, lines, mistakes)
