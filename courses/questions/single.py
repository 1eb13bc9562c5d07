"""Single choice: exactly one choice is right; each wrong one can name its misconception."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from courses.documents import MistakeError, Part
from courses.markdown import render, render_inline
from courses.questions.base import (
    Grade,
    Html,
    Question,
    Response,
    Text,
    WrongFormError,
    chosen,
    shuffled,
)


class Choice(Part):
    text: Text
    correct: bool = False
    misconception: Text | None = Field(default=None, description="What choosing it reveals.")


class Single(Question):
    template: ClassVar[str] = "courses/questions/_single.html"
    result_template: ClassVar[str] = "courses/questions/_choices_result.html"

    type: Literal["single"]
    choices: list[Choice] = Field(min_length=2, max_length=12)

    @model_validator(mode="after")
    def _exactly_one_is_correct(self) -> "Single":
        correct = sum(choice.correct for choice in self.choices)
        if correct != 1:
            raise MistakeError(
                f"{correct} choices are marked `correct: true`",
                "mark exactly one, or make it a question of type multiple",
                ("choices",),
            )
        return self

    def rendered(self) -> Html:
        return choices_rendered(self.prompt, self.explanation, self.choices)

    def shown(self, html: Html, seed: str, response: Response) -> dict[str, Any]:
        return choices_shown(html, seed, response)

    def check(self, response: Response) -> None:
        form = "Choose one of the answers listed."
        if len(chosen(response, len(self.choices), form=form)) != 1:
            raise WrongFormError(form)

    def grade(self, html: Html, seed: str, response: Response) -> Grade:
        order = shuffled(seed, len(self.choices))
        picked = {order[int(value)] for value in response if value}
        score = float(any(self.choices[index].correct for index in picked))
        return Grade(score, {"choices": choices_feedback(self.choices, html, order, picked)})

    def right(self, seed: str) -> Response:
        return (self._places(seed, correct=True)[0],)

    def wrong(self, seed: str) -> Response:
        return (self._places(seed, correct=False)[0],)

    def _places(self, seed: str, *, correct: bool) -> list[str]:
        order = shuffled(seed, len(self.choices))
        return [str(i) for i, index in enumerate(order) if self.choices[index].correct is correct]


def choices_rendered(prompt: str, explanation: str, choices: list[Choice]) -> Html:
    return {
        "prompt": render(prompt),
        "explanation": render(explanation),
        "choices": [render_inline(choice.text) for choice in choices],
        "misconceptions": [render_inline(choice.misconception or "") for choice in choices],
    }


def choices_shown(html: Html, seed: str, response: Response) -> dict[str, Any]:
    """The choices in the order drawn; each is named by its place in that order."""
    order = shuffled(seed, len(html["choices"]))
    return {
        "prompt": html["prompt"],
        "choices": [
            {"value": str(place), "html": html["choices"][index], "chosen": str(place) in response}
            for place, index in enumerate(order)
        ],
    }


def choices_feedback(
    choices: list[Choice], html: Html, order: list[int], picked: set[int]
) -> list[dict[str, Any]]:
    """Every choice in the order shown, with the misconception of those wrongly picked."""
    return [
        {
            "html": html["choices"][index],
            "correct": choices[index].correct,
            "chosen": index in picked,
            "misconception": html["misconceptions"][index]
            if (index in picked) is not choices[index].correct
            else "",
        }
        for index in order
    ]
