"""Short text: a word or a few, compared without regard to case, spaces and punctuation."""

import re
import unicodedata
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from courses.documents import MistakeError, Part
from courses.markdown import render
from courses.questions.base import Grade, Html, Question, Response, WrongFormError
from courses.questions.base import Text as Words

LONGEST = 100


def normalised(typed: str) -> str:
    """What counts of a short text: letters, digits and the signs that make another word of it."""
    plain = unicodedata.normalize("NFKC", typed).casefold()
    # "Q4_K_M" is typed as "q4 k m", "KV-cache" as "kv cache".
    return "".join(re.findall(r"[^\W_]+|[+√²]", plain))


class Slip(Part):
    """Wrong answers with a known cause, and what they reveal."""

    answers: list[Words] = Field(min_length=1)
    misconception: Words


class Text(Question):
    template: ClassVar[str] = "courses/questions/_text.html"
    result_template: ClassVar[str] = "courses/questions/_written_result.html"

    type: Literal["text"]
    form: Words
    answers: list[Words] = Field(min_length=1)
    slips: list[Slip] = Field(default_factory=list)

    @model_validator(mode="after")
    def _answers_can_be_told_apart(self) -> "Text":
        right = {normalised(answer) for answer in self.answers}
        for index, answer in enumerate(self.answers):
            if not normalised(answer):
                raise MistakeError(
                    f"nothing is left of {answer!r} without its punctuation",
                    "ask for a word",
                    ("answers", index),
                )
        for index, slip in enumerate(self.slips):
            for place, answer in enumerate(slip.answers):
                if normalised(answer) in right:
                    raise MistakeError(
                        f"{answer!r} is right and a slip",
                        "keep one",
                        ("slips", index, "answers", place),
                    )
        return self

    def rendered(self) -> Html:
        return {
            "prompt": render(self.prompt),
            "explanation": render(self.explanation),
            "slips": [render(slip.misconception) for slip in self.slips],
        }

    def shown(self, html: Html, seed: str, response: Response) -> dict[str, Any]:
        return {
            "prompt": html["prompt"],
            "value": response[0] if response else "",
            "hint": self.expected,
        }

    @property
    def expected(self) -> str:
        return f"{self.form} Case, spaces and punctuation do not count."

    def check(self, response: Response) -> None:
        if len(response) != 1 or not normalised(response[0]) or len(response[0]) > LONGEST:
            raise WrongFormError(f"A short answer in words is asked for. {self.expected}")

    def grade(self, html: Html, seed: str, response: Response) -> Grade:
        given = "".join(response)
        feedback = {"answer": self.answers[0], "given": given, "misconception": ""}
        typed = normalised(given)
        if typed in {normalised(answer) for answer in self.answers}:
            return Grade(1.0, feedback)
        for slip, slip_html in zip(self.slips, html["slips"], strict=True):
            if typed in {normalised(answer) for answer in slip.answers}:
                feedback["misconception"] = slip_html
        return Grade(0.0, feedback)

    def right(self, seed: str) -> Response:
        return (self.answers[0],)

    def wrong(self, seed: str) -> Response:
        return ("something else altogether",)
