"""What a kind of lab is: a form, a prediction, a request to the engine, a grade and charts.

To write one, subclass `LabKind` in a file of this folder and decorate it with `@register`; the
pages, the queue, the live view, grading and downloads are there for every kind.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from django import forms

from courses.documents import Part as FilePart
from labs.charts import Chart
from workers.limits import Limits

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """One line of a grade: what was said, what was measured, and the points for it."""

    question: str
    predicted: str
    measured: str
    points: float
    out_of: float
    comment: str


@dataclass(frozen=True)
class Grade:
    """The points of a run; a pure function of prediction, conclusion and result.

    `cost` is the share of the points that help has cost; it never decides whether a run passes.
    `complete` says that what earns no points, and is needed all the same, is there.
    """

    parts: tuple[Part, ...]
    pass_mark: float
    cost: float = 0.0
    complete: bool = True

    @property
    def share(self) -> float:
        """The share of all points, in [0, 1]; 0 where nothing was asked."""
        out_of = sum(part.out_of for part in self.parts)
        return sum(part.points for part in self.parts) / out_of if out_of else 0.0

    @property
    def score(self) -> float:
        """What counts: the share of all points, less what help has cost."""
        return self.share * (1 - self.cost)

    @property
    def passed(self) -> bool:
        return self.complete and self.share >= self.pass_mark


@dataclass(frozen=True)
class Work:
    """Everything about one run that a kind may look at."""

    parameters: Values
    drawn: Values
    choices: Values
    prediction: Values
    conclusion: Values | None = None

    def concluded(self, conclusion: Values) -> "Work":
        """The same work with the student's conclusion."""
        return replace(self, conclusion=conclusion)


@dataclass(frozen=True)
class Piece:
    """A piece of text; `probability` is None for what was given, not generated."""

    text: str
    probability: float | None = None


class Parameters(FilePart):
    """The `parameters` mapping of a lab's file; unknown names are an error."""


class LabForm(forms.Form):
    """A form of a lab page. It knows the lab's parameters and the values drawn for the student."""

    # Groups of fields under a heading each: (title, explanation, names of fields).
    groups: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def __init__(self, *args: Any, parameters: Values, drawn: Values, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parameters = parameters
        self.drawn = drawn

    def lock(self, values: Values) -> None:
        """Show these values, and take them whatever is handed in."""
        self.is_bound = True
        self.initial = dict(values)
        for field in self.fields.values():
            field.disabled = True

    def sections(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """The fields as a page shows them: in their groups, or all in one without a title."""
        groups = self.groups or (("", "", tuple(self.fields)),)
        return [(title, hint, [self[name] for name in names]) for title, hint, names in groups]


class LabKind(ABC):
    """A kind of lab. `engine` names the engine's kind that does the work."""

    name: ClassVar[str]
    title: ClassVar[str]
    # What one of this kind is called, what kind of activity it is, and the URL name of its page.
    noun: ClassVar[str] = "Lab"
    activity: ClassVar[str] = "lab"
    page: ClassVar[str] = "labs:lab"
    # The fragment that shows what came out of a run.
    template: ClassVar[str] = "labs/_result.html"
    engine: ClassVar[str]
    lane: ClassVar[str]
    limits: ClassVar[Limits]
    # Whether a draw must not be known before the run on it is made.
    secret_draw: ClassVar[bool] = False
    parameters: ClassVar[type[Parameters]] = Parameters
    # Asked before the run and locked with it.
    prediction_form: ClassVar[type[LabForm]] = LabForm
    # What the student may choose freely for each run.
    choices_form: ClassVar[type[LabForm]] = LabForm
    # Asked when the measurements lie on the table; None where the result speaks for itself.
    conclusion_form: ClassVar[type[LabForm] | None] = None

    def draw(self, parameters: Values, rng: random.Random) -> dict[str, Any]:
        """The values drawn for one attempt, as JSON."""
        return {}

    def facts(self, parameters: Values, drawn: Values) -> list[tuple[str, str]]:
        """What a student is told about the draw, as names and values."""
        return []

    def chosen(self, choices: Values) -> list[tuple[str, str]]:
        """What the student chose for a run, as names and values."""
        return [(name.replace("_", " ").capitalize(), str(v)) for name, v in choices.items()]

    def counts(self, choices: Values) -> bool:
        """Whether a run with these choices gives evidence."""
        return True

    def observes(self, grade: Grade) -> bool:
        """Whether evidence with this grade says something about the activity's skills."""
        return True

    @abstractmethod
    def request(self, work: Work) -> dict[str, Any]:
        """The engine's request. File names are relative to the run's own directory."""

    @abstractmethod
    def grade(self, work: Work, result: Values) -> Grade:
        """The grade. Pure: the same work and result always give the same grade."""

    def transcript(self, work: Work, result: Values) -> list[Piece]:
        """The text of a run that made some, piece by piece."""
        return []

    def charts(self, work: Work, result: Values) -> list[Chart]:
        """The charts of a finished run, each with its table."""
        return []


REGISTRY: dict[str, LabKind] = {}
K = TypeVar("K", bound=type[LabKind])


def register(kind: K) -> K:
    """Make a kind known under its name."""
    REGISTRY[kind.name] = kind()
    return kind
