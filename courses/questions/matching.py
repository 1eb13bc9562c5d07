"""Matching: what belongs together."""

from typing import Literal

from pydantic import Field, model_validator

from courses.documents import MistakeError, Part
from courses.questions.assigning import Assigning, plain
from courses.questions.base import Text


class Pair(Part):
    left: Text
    right: Text


class Matching(Assigning):
    type: Literal["matching"]
    pairs: list[Pair] = Field(min_length=3, max_length=8)
    extra: list[Text] = Field(default_factory=list, max_length=4)

    @model_validator(mode="after")
    def _sides_can_be_shown(self) -> "Matching":
        lefts = [pair.left for pair in self.pairs]
        for index, pair in enumerate(self.pairs):
            plain(pair.right, "pairs", index, "right")
            if pair.left in lefts[:index]:
                raise MistakeError(
                    f"{pair.left!r} stands on the left twice",
                    "keep one of the two",
                    ("pairs", index, "left"),
                )
        if len(self.rights) < 2:
            raise MistakeError("every right side is the same", "write others", ("pairs",))
        return self

    @property
    def assigned(self) -> list[tuple[str, str]]:
        return [(pair.left, pair.right) for pair in self.pairs]

    @property
    def others(self) -> list[str]:
        return list(self.extra)
