"""Fill the code line: one gap in a few lines of code.

What fills it is right if it is one of the answers, token by token; or, where `cases` are given, any
expression that computes to the same in each of them (by formulas.py, so nothing typed is run).
"""

import io
import tokenize
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from courses.documents import MistakeError
from courses.formulas import FormulaError, Number, compute
from courses.markdown import render
from courses.questions.base import Grade, Html, Question, Response, Text, WrongFormError
from courses.questions.text import Slip

GAP = "____"
LONGEST = 200
NEARLY = 1e-9


def tokens(line: str, language: str) -> tuple[str, ...] | None:
    """The line's tokens, so that spaces do not count; None if it cannot be taken apart."""
    if language != "python":
        return tuple(line.split())
    try:
        found = list(tokenize.generate_tokens(io.StringIO(line).readline))
    except (tokenize.TokenError, SyntaxError):
        return None
    if any(token.type == tokenize.ERRORTOKEN and token.string.strip() for token in found):
        return None
    return tuple(token.string for token in found if token.string.strip())


class Code(Question):
    template: ClassVar[str] = "courses/questions/_code.html"
    result_template: ClassVar[str] = "courses/questions/_written_result.html"

    type: Literal["code"]
    language: Literal["python", "bash", "c"] = "python"
    code: Text
    answers: list[Text] = Field(min_length=1)
    cases: list[dict[str, Number]] = Field(default_factory=list)
    slips: list[Slip] = Field(default_factory=list)

    @model_validator(mode="after")
    def _gap_can_be_filled(self) -> "Code":
        if self.code.count(GAP) != 1:
            raise MistakeError(
                f"the code has {self.code.count(GAP)} gaps {GAP}", "leave exactly one", ("code",)
            )
        for index, answer in enumerate(self.answers):
            if tokens(answer, self.language) is None:
                raise MistakeError(
                    f"{answer!r} is no piece of {self.language}", "look at it", ("answers", index)
                )
            if not self._fits(answer):
                raise MistakeError(
                    f"{answer!r} does not give what the first answer gives in every case",
                    "look at the answers and the cases",
                    ("answers", index),
                )
        for index, slip in enumerate(self.slips):
            for place, answer in enumerate(slip.answers):
                if self.accepts(answer):
                    raise MistakeError(
                        f"{answer!r} is right and a slip",
                        "keep one, or add a case that tells them apart",
                        ("slips", index, "answers", place),
                    )
        return self

    def _fits(self, expression: str) -> bool:
        """Whether the expression equals the first answer in all cases; without cases, it does."""
        try:
            return all(
                abs(compute(expression, case) - (right := compute(self.answers[0], case)))
                <= NEARLY * max(1.0, abs(right))
                for case in self.cases
            )
        except FormulaError:
            return False

    def accepts(self, typed: str) -> bool:
        if self.cases and self._fits(typed):
            return True
        given = tokens(typed, self.language)
        return given is not None and given in self._right_tokens()

    def _right_tokens(self) -> Sequence[tuple[str, ...] | None]:
        return [tokens(answer, self.language) for answer in self.answers]

    def rendered(self) -> Html:
        before, after = self.code.split(GAP)
        return {
            "prompt": render(self.prompt),
            "explanation": render(self.explanation),
            "before": before,
            "after": after.rstrip("\n"),
            "slips": [render(slip.misconception) for slip in self.slips],
        }

    def shown(self, html: Html, seed: str, response: Response) -> dict[str, Any]:
        return {
            "prompt": html["prompt"],
            "before": html["before"],
            "after": html["after"],
            "value": response[0] if response else "",
            "hint": self.expected,
        }

    @property
    def expected(self) -> str:
        return f"Only what stands in the gap, in one line of {self.language.title()}."

    def check(self, response: Response) -> None:
        if len(response) != 1 or "\n" in response[0] or len(response[0]) > LONGEST:
            raise WrongFormError(f"One line is asked for. {self.expected}")
        if tokens(response[0], self.language) is None:
            raise WrongFormError(
                f"That is no {self.language.title()}; is a bracket or a quote left open?"
                f" {self.expected}"
            )

    def grade(self, html: Html, seed: str, response: Response) -> Grade:
        given = "".join(response)
        feedback = {"answer": self.answers[0], "given": given, "misconception": "", "code": True}
        if self.is_blank(response):
            return Grade(0.0, feedback)
        if self.accepts(given):
            return Grade(1.0, feedback)
        typed = tokens(given, self.language)
        for slip, slip_html in zip(self.slips, html["slips"], strict=True):
            if typed in [tokens(answer, self.language) for answer in slip.answers]:
                feedback["misconception"] = slip_html
        return Grade(0.0, feedback)

    def right(self, seed: str) -> Response:
        return (self.answers[0],)

    def wrong(self, seed: str) -> Response:
        return ("nothing_of_the_kind",)
