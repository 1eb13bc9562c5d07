"""What a type of question is: one class, its fields the schema of the course file.

A response is a list of strings, one a form field, exactly as typed: so drafts keep it, and a form
that comes back shows it, whatever it is. Everything drawn comes from a seed through `pick` and
`shuffled`, which give the same on every machine and in every version of Python.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import StringConstraints

from courses.documents import Part

T = TypeVar("T")
Response = Sequence[str]
Html = dict[str, Any]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=50)]
Text = Annotated[str, StringConstraints(min_length=1)]

# More fields, or longer ones, no form of ours sends.
MOST_FIELDS = 40
LONGEST_FIELD = 2000


class WrongFormError(ValueError):
    """A response that is no answer; the message explains the form that is expected."""


@dataclass(frozen=True)
class Grade:
    """A score from 0 to 1 and what the result page says: plain JSON, see each type's template."""

    score: float
    feedback: dict[str, Any] = field(default_factory=dict)


def _number(seed: str, *parts: object) -> int:
    digest = hashlib.sha256(":".join(map(str, (seed, *parts))).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def pick(seed: str, name: str, values: Sequence[T]) -> T:
    """One of the values, by the seed."""
    return values[_number(seed, name) % len(values)]


def shuffled(seed: str, count: int) -> list[int]:
    """The numbers below `count` in an order that the seed decides."""
    return sorted(range(count), key=lambda index: _number(seed, index))


class Question(Part, ABC):
    """A question as its author wrote it. `rendered` is called once, when it is loaded."""

    template: ClassVar[str]
    result_template: ClassVar[str]

    key: Key
    prompt: Text
    explanation: Text
    skill: Key

    @abstractmethod
    def rendered(self) -> Html:
        """The texts as HTML, by name; what the other methods get as `html`."""

    @abstractmethod
    def shown(self, html: Html, seed: str, response: Response) -> dict[str, Any]:
        """What the form's template shows: the drawn question, and nothing of its answer."""

    @abstractmethod
    def check(self, response: Response) -> None:
        """Raise WrongFormError unless the response, which is not blank, can be an answer."""

    @abstractmethod
    def grade(self, html: Html, seed: str, response: Response) -> Grade:
        """Grade a response that is blank or that `check` let pass."""

    @abstractmethod
    def right(self, seed: str) -> Response:
        """A response that is wholly right."""

    @abstractmethod
    def wrong(self, seed: str) -> Response:
        """A response that scores less than 1."""

    def is_blank(self, response: Response) -> bool:
        return not any(value.strip() for value in response)


def chosen(response: Response, count: int, *, form: str) -> list[int]:
    """The indices below `count` that the response names, each once; else WrongFormError(form)."""
    indices = [int(value) for value in response if value.isascii() and value.isdigit()]
    in_range = all(index < count for index in indices)
    if len(indices) != len(response) or not in_range or len(set(indices)) != len(indices):
        raise WrongFormError(form)
    return indices
