"""Labelling: the letters in a diagram get their names."""

from typing import Literal

from pydantic import Field, model_validator

from courses.documents import MistakeError, Part
from courses.questions.assigning import Assigning, plain
from courses.questions.base import Key, Text


class Mark(Part):
    mark: Text = Field(max_length=3)
    text: Text


class Label(Assigning):
    """The loader draws the diagram into the HTML; its letters must be those of `marks`."""

    type: Literal["label"]
    diagram: Key
    marks: list[Mark] = Field(min_length=3, max_length=8)
    extra: list[Text] = Field(default_factory=list, max_length=4)

    @model_validator(mode="after")
    def _marks_differ(self) -> "Label":
        letters = [mark.mark for mark in self.marks]
        for index, mark in enumerate(self.marks):
            plain(mark.text, "marks", index, "text")
            if mark.mark in letters[:index]:
                raise MistakeError(
                    f"the mark {mark.mark!r} stands here twice",
                    "give each its own letter",
                    ("marks", index, "mark"),
                )
        return self

    @property
    def assigned(self) -> list[tuple[str, str]]:
        return [(mark.mark, mark.text) for mark in self.marks]

    @property
    def others(self) -> list[str]:
        return list(self.extra)

    def _lefts(self, seed: str) -> list[int]:
        """Letters stay in their order: the eye goes through the diagram with them."""
        return list(range(len(self.marks)))
