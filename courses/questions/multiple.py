"""Multiple choice: each choice is true or false by itself.

Partial credit: every choice left as it should be, ticked or blank, counts the same. No tick at all
is no answer and scores 0.
"""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from courses.documents import MistakeError
from courses.questions.base import Grade, Html, Question, Response, chosen, shuffled
from courses.questions.single import Choice, choices_feedback, choices_rendered, choices_shown


class Multiple(Question):
    template: ClassVar[str] = "courses/questions/_multiple.html"
    result_template: ClassVar[str] = "courses/questions/_choices_result.html"

    type: Literal["multiple"]
    choices: list[Choice] = Field(min_length=2, max_length=12)

    @model_validator(mode="after")
    def _some_are_correct(self) -> "Multiple":
        if not any(choice.correct for choice in self.choices):
            raise MistakeError(
                "no choice is correct", "mark one or more with `correct: true`", ("choices",)
            )
        return self

    def rendered(self) -> Html:
        return choices_rendered(self.prompt, self.explanation, self.choices)

    def shown(self, html: Html, seed: str, response: Response) -> dict[str, Any]:
        return choices_shown(html, seed, response)

    def check(self, response: Response) -> None:
        chosen(response, len(self.choices), form="Tick any of the answers listed, each once.")

    def grade(self, html: Html, seed: str, response: Response) -> Grade:
        order = shuffled(seed, len(self.choices))
        picked = {order[int(value)] for value in response if value}
        fitting = sum(
            (index in picked) is choice.correct for index, choice in enumerate(self.choices)
        )
        score = fitting / len(self.choices) if picked else 0.0
        feedback = choices_feedback(self.choices, html, order, picked)
        return Grade(score, {"choices": feedback, "fitting": fitting if picked else 0})

    def right(self, seed: str) -> Response:
        order = shuffled(seed, len(self.choices))
        return [str(place) for place, index in enumerate(order) if self.choices[index].correct]

    def wrong(self, seed: str) -> Response:
        right = self.right(seed)
        every = [str(place) for place in range(len(self.choices))]
        return every if len(right) < len(every) else right[1:]
