"""What matching and labelling share: every left side gets one of the right sides.

Both sides are shown in an order that the seed decides. A right side may serve more than once, and
some may fit nothing. Credit is the share of left sides with what belongs to them.
"""

import html as html_escapes
import re
from abc import abstractmethod
from typing import Any, ClassVar

from courses.documents import MistakeError
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


def plain(text: str, *place: str | int) -> str:
    """Course text without markup, as an option of a list has to be. Raises MistakeError."""
    if "$" in text:
        raise MistakeError(
            f"{text!r} holds a formula, which a list of options cannot show",
            "write it in plain text",
            place,
        )
    return html_escapes.unescape(re.sub(r"<[^>]*>", "", render_inline(text)))


class Assigning(Question):
    template: ClassVar[str] = "courses/questions/_assigning.html"
    result_template: ClassVar[str] = "courses/questions/_assigning_result.html"

    @property
    @abstractmethod
    def assigned(self) -> list[tuple[str, str]]:
        """Each left side with the right side that belongs to it, as the author wrote them."""

    @property
    @abstractmethod
    def others(self) -> list[str]:
        """Right sides that belong to nothing."""

    @property
    def rights(self) -> list[str]:
        """Every right side once."""
        return list(dict.fromkeys([*(right for _left, right in self.assigned), *self.others]))

    def rendered(self) -> Html:
        return {
            "prompt": render(self.prompt),
            "explanation": render(self.explanation),
            "lefts": [render_inline(left) for left, _right in self.assigned],
            "rights": [plain(right) for right in self.rights],
        }

    def shown(self, html: Html, seed: str, response: Response) -> dict[str, Any]:
        order = self._lefts(seed)
        given = [*response, *[""] * len(order)][: len(order)]
        return {
            "prompt": html["prompt"],
            "diagram": html.get("diagram", ""),
            "items": [
                {"html": html["lefts"][index], "given": value}
                for index, value in zip(order, given, strict=True)
            ],
            "options": [
                {"value": str(place), "text": html["rights"][index]}
                for place, index in enumerate(self._rights(seed))
            ],
        }

    def check(self, response: Response) -> None:
        form = "Choose one of the list for every line."
        if len(response) != len(self.assigned):
            raise WrongFormError(form)
        for value in response:
            chosen([value], len(self.rights), form=form)

    def grade(self, html: Html, seed: str, response: Response) -> Grade:
        rights, shown = self.rights, self._rights(seed)
        given = [""] * len(self.assigned) if self.is_blank(response) else list(response)
        items = []
        for index, value in zip(self._lefts(seed), given, strict=True):
            left, right = html["lefts"][index], self.assigned[index][1]
            answer = rights[shown[int(value)]] if value else None
            items.append(
                {
                    "html": left,
                    "right": html["rights"][rights.index(right)],
                    "given": html["rights"][rights.index(answer)] if answer else "",
                    "fits": answer == right,
                }
            )
        score = sum(item["fits"] for item in items) / len(items)
        return Grade(score, {"items": items, "diagram": html.get("diagram", "")})

    def right(self, seed: str) -> Response:
        rights, shown = self.rights, self._rights(seed)
        return [
            str(shown.index(rights.index(self.assigned[index][1]))) for index in self._lefts(seed)
        ]

    def wrong(self, seed: str) -> Response:
        first, *others = self.right(seed)
        return [str((int(first) + 1) % len(self.rights)), *others]

    def _lefts(self, seed: str) -> list[int]:
        return shuffled(f"{seed}:left", len(self.assigned))

    def _rights(self, seed: str) -> list[int]:
        return shuffled(f"{seed}:right", len(self.rights))
