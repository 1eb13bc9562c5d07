"""Ordering: each item gets the number of its place. Credit is the share in the right place."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from courses.markdown import render, render_inline
from courses.questions.base import (
    Grade,
    Html,
    Question,
    Response,
    WrongFormError,
    chosen,
    shuffled,
)


class Ordering(Question):
    template: ClassVar[str] = "courses/questions/_ordering.html"
    result_template: ClassVar[str] = "courses/questions/_ordering_result.html"

    type: Literal["ordering"]
    items: list[Annotated[str, StringConstraints(min_length=1)]] = Field(
        min_length=3, max_length=10, description="In the right order."
    )

    def rendered(self) -> Html:
        return {
            "prompt": render(self.prompt),
            "explanation": render(self.explanation),
            "items": [render_inline(item) for item in self.items],
        }

    def shown(self, html: Html, seed: str, response: Response) -> dict[str, Any]:
        count = len(self.items)
        places = [*response, *[""] * count][:count]
        return {
            "prompt": html["prompt"],
            "items": [
                {"html": html["items"][index], "place": place}
                for index, place in zip(self._order(seed), places, strict=True)
            ],
            "places": [str(place) for place in range(1, count + 1)],
        }

    def check(self, response: Response) -> None:
        count = len(self.items)
        form = f"Give every item a place of its own, from 1 to {count}."
        places = chosen(response, count + 1, form=form)
        if len(places) != count or 0 in places:
            raise WrongFormError(form)

    def grade(self, html: Html, seed: str, response: Response) -> Grade:
        if self.is_blank(response):
            right, places = 0, [""] * len(self.items)
        else:
            places = list(response)
            expected = self.right(seed)
            right = sum(given == place for given, place in zip(places, expected, strict=True))
        given = dict(zip(self._order(seed), places, strict=True))
        items = [
            {"html": item, "place": place, "given": given[place - 1]}
            for place, item in enumerate(html["items"], start=1)
        ]
        return Grade(right / len(self.items), {"items": items})

    def right(self, seed: str) -> Response:
        return [str(index + 1) for index in self._order(seed)]

    def wrong(self, seed: str) -> Response:
        right = self.right(seed)
        return [*right[1:], right[0]]

    def _order(self, seed: str) -> list[int]:
        """The items as they are shown: never in the right order."""
        order = shuffled(seed, len(self.items))
        return order if order != sorted(order) else [*order[1:], order[0]]
