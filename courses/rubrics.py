"""Points by the criteria of a rubric: asked for in a form, and turned into a share of all points.

A rubric is a list of criteria, each with a key, its text as HTML, and the most points it gives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.safestring import mark_safe

Rubric = Sequence[Mapping[str, Any]]
# By the keys of the criteria.
Points = Mapping[str, int]


class WrongPointsError(ValueError):
    """These are no points that the rubric can give."""


def share(rubric: Rubric, points: Points) -> float:
    """The share of all points, 0-1. Raises WrongPointsError."""
    most: dict[str, int] = {criterion["key"]: criterion["points"] for criterion in rubric}
    if points.keys() != most.keys():
        raise WrongPointsError("Every criterion takes points, and nothing else does.")
    if any(not 0 <= given <= most[key] for key, given in points.items()):
        raise WrongPointsError("A criterion takes from no points to all of its own.")
    # Rounded, or a sum of thirds would miss a pass mark that it reaches.
    return round(sum(points.values()) / sum(most.values()), 6)


class RubricForm(forms.Form):
    """Points for each criterion, none chosen beforehand."""

    def __init__(self, rubric: Rubric, data: Any = None, *, given: Points | None = None) -> None:
        super().__init__(data, prefix="points", initial=dict(given or {}))
        for criterion in rubric:
            self.fields[criterion["key"]] = forms.TypedChoiceField(
                # The course's own HTML, rendered as its files were loaded.
                label=mark_safe(criterion["html"]),  # noqa: S308
                choices=[
                    (points, f"{points} of {criterion['points']}")
                    for points in range(criterion["points"] + 1)
                ],
                coerce=int,
                widget=forms.RadioSelect,
                error_messages={
                    "required": "Choose how many points this earns.",
                    "invalid_choice": "Choose one of the points shown.",
                },
            )

    @property
    def points(self) -> dict[str, int]:
        return {key: self.cleaned_data[key] for key in self.fields}


@dataclass(frozen=True)
class Mark:
    """A criterion with the points that were given for it: None where there are none."""

    html: str
    most: int
    own: int | None
    given: int | None


def marks(rubric: Rubric, *, own: Points, given: Points) -> list[Mark]:
    """The criteria as they stand now; points for a criterion that has gone are left out."""
    return [
        Mark(
            html=criterion["html"],
            most=criterion["points"],
            own=own.get(criterion["key"]),
            given=given.get(criterion["key"]),
        )
        for criterion in rubric
    ]
