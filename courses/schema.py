"""The schema of the course files; the fields and their meaning."""

from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from courses.documents import MistakeError, Part
from courses.questions import AnyQuestion
from courses.questions.base import Key, Text


def _https(url: str) -> str:
    if not url.startswith("https://") or any(space in url for space in " \n\t"):
        raise MistakeError(f"{url!r} is no https address", "write it as https://...")
    return url


Link = Annotated[str, AfterValidator(_https)]
Minutes = Annotated[int, Field(ge=1, le=1000)]


class Module(Part):
    """`module.yaml`. `order` lists the resources as they are studied; without it, by number."""

    key: Key
    number: int = Field(ge=1)
    title: Text
    summary: Text
    weeks: Text
    locked: bool = False
    order: tuple[Key, ...] = ()


class Skill(Part):
    """An item of `skills.yaml`."""

    key: Key
    title: Text


class Planned(Part):
    """An item of `planned.yaml`: an activity that is announced and not there yet."""

    key: Key
    kind: Key
    title: Text
    skills: tuple[Key, ...] = ()


class ReadingTime(Part):
    full: Minutes
    summary: Minutes | None = None


class Section(Part):
    title: Text
    note: Text


class Objective(Part):
    key: Key
    text: Text
    earned_by: list[Key] = Field(min_length=1)


class Companion(Part):
    """Something to do or read along with it: an address, or an activity of ours."""

    title: Text
    url: Link | None = None
    activity: Key | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "Companion":
        if (self.url is None) is (self.activity is None):
            raise MistakeError(
                f"the companion {self.title!r} must lead to one place",
                "give it either `url: ...` or `activity: ...`",
            )
        return self


class Supplement(Part):
    title: Text
    url: Link


class Correction(Part):
    """What the original reading list says, what is true, and where that can be read."""

    original: Text
    fact: Text
    source: Text


class Resource(Part):
    """The front matter of `resources/<nn>-<key>.md`; the text below it is our own summary."""

    key: Key
    number: int = Field(ge=1)
    type: Literal["paper", "specification", "blog-post", "guide", "video"]
    title: Text
    authors: Text
    published: Text
    url: Link
    stars: int = Field(ge=1, le=3)
    minutes: ReadingTime
    why: Text
    sections: tuple[Section, ...] = ()
    objectives: list[Objective] = Field(min_length=1)
    applications: tuple[Text, ...] = ()
    exercise: Text | None = None
    companions: tuple[Companion, ...] = ()
    discussion: tuple[Text, ...] = ()
    connection: tuple[Text, ...] = ()
    supplementary: tuple[Supplement, ...] = ()
    corrections: tuple[Correction, ...] = ()
    prerequisites: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _objectives_differ(self) -> "Resource":
        _differ([objective.key for objective in self.objectives], "objectives")
        return self


class Quiz(Part):
    """`quizzes/<key>.yaml`. An attempt draws `draw` of the questions.

    The key is that of its activity too: `quiz-gguf`.
    """

    key: Key
    title: Text
    resource: Key | None = None
    pass_mark: float = Field(default=0.8, gt=0.0, le=1.0)
    draw: int = Field(ge=1)
    minutes: Minutes
    skills: tuple[Key, ...] = ()
    questions: list[AnyQuestion] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_drawn(self) -> "Quiz":
        _differ([question.key for question in self.questions], "questions")
        if self.draw > len(self.questions):
            raise MistakeError(
                f"{self.draw} questions cannot be drawn from {len(self.questions)}",
                "draw fewer, or write more questions",
                ("draw",),
            )
        return self


class Gate(Part):
    key: Key
    text: Text
    activities: list[Key] = Field(min_length=1)
    remediation: list[Key] = Field(min_length=1)


class Checkpoint(Part):
    """`checkpoints/<key>.yaml`."""

    key: Key
    number: int = Field(ge=1)
    title: Text
    summary: Text
    gates: list[Gate] = Field(min_length=1)

    @model_validator(mode="after")
    def _gates_differ(self) -> "Checkpoint":
        _differ([gate.key for gate in self.gates], "gates")
        return self


def _differ(keys: list[str], field: str) -> None:
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise MistakeError(
                f"the key {key!r} stands twice among the {field}",
                "give each a key of its own",
                (field, index, "key"),
            )


def names_file(key: str, path: PurePath) -> bool:
    """Whether a file is named after its key, a number before it allowed: `12-gguf.md`, `gguf`."""
    return path.stem == key or path.stem.lstrip("0123456789") == f"-{key}"
