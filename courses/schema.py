"""The schema of the course files; the fields and their meaning."""

import re
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from courses.calculators import Calculator
from courses.documents import MistakeError, Part
from courses.questions import AnyQuestion
from courses.questions.base import Key, Text


def _https(url: str) -> str:
    if not url.startswith("https://") or any(space in url for space in " \n\t"):
        raise MistakeError(f"{url!r} is no https address", "write it as https://...")
    return url


def _arxiv(eprint: str) -> str:
    if not re.fullmatch(r"\d{4}\.\d{4,5}", eprint, re.ASCII):
        raise MistakeError(f"{eprint!r} is no number of arXiv's", 'write it as "2405.00001"')
    return eprint


Link = Annotated[str, AfterValidator(_https)]
Minutes = Annotated[int, Field(ge=1, le=1000)]
# As long as the columns they go into: not every database cuts, or complains, by itself.
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Names = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Phrase = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Weeks = Annotated[str, StringConstraints(min_length=1, max_length=20)]


class Module(Part):
    """`module.yaml`. `order` lists the resources as they are studied; without it, by number.

    A module that is still locked says what it `holds`, and what the original list called it.
    """

    key: Key
    number: int = Field(ge=1)
    title: Title
    summary: Text
    weeks: Weeks
    locked: bool = False
    original: Title | None = None
    holds: tuple[Text, ...] = ()
    order: tuple[Key, ...] = ()


class Skill(Part):
    """An item of `skills.yaml`. A competency is a skill that must be mastered."""

    key: Key
    title: Title
    competency: bool = False
    part_of: tuple[Key, ...] = ()


class Term(Part):
    """An item of `glossary.yaml`. `also` are other spellings; `link` whether texts link to it."""

    key: Key
    term: Phrase
    also: tuple[Text, ...] = ()
    definition: Text
    original: Text | None = None
    fact: Text | None = None
    see: tuple[Key, ...] = ()
    link: bool = True

    @model_validator(mode="after")
    def _correction_is_whole(self) -> "Term":
        if self.fact and not self.original:
            raise MistakeError(
                "`fact` corrects nothing", "say in `original` what it corrects", ("fact",)
            )
        return self


class Citation(Part):
    """An item of `bibliography.yaml`."""

    key: Key
    type: Literal["article", "inproceedings", "misc"]
    title: Title
    authors: list[Text] = Field(min_length=1)
    others: bool = False
    year: int = Field(ge=1900, le=2100)
    venue: Text | None = None
    eprint: Annotated[str, AfterValidator(_arxiv)] | None = None
    url: Link
    resource: Key | None = None


class Advanced(Part):
    """An item of `advanced.yaml`: what to read after the checkpoints."""

    key: Key
    topic: Phrase
    title: Title
    url: Link
    why: Text
    minutes: Minutes


class StudyQuestion(Part):
    text: Text
    answer: Text


class Extra(Part):
    title: Title
    url: Link
    minutes: Minutes


class Block(Part):
    """Some days of a week, and what is read and done in them."""

    days: list[Annotated[int, Field(ge=1, le=7)]] = Field(min_length=1, max_length=7)
    goal: Text
    readings: tuple[Key, ...] = ()
    activities: tuple[Key, ...] = ()
    checkpoint: Key | None = None
    extra: tuple[Extra, ...] = ()


class Week(Part):
    number: int = Field(ge=1)
    title: Title
    goal: Text
    questions: tuple[StudyQuestion, ...] = ()
    blocks: list[Block] = Field(min_length=1)


class Plan(Part):
    """`plan.yaml`: each reading of the module stands in it exactly once."""

    weeks: list[Week] = Field(min_length=1)


class Pitfall(Part):
    """An item of `pitfalls.yaml`. When it is shown is decided in pitfalls.py."""

    key: Literal["passive-reading", "skipped-derivation", "theory-only", "rushing"]
    title: Title
    problem: Text
    advice: list[Text] = Field(min_length=1)
    nudge: Text


class Planned(Part):
    """An item of `planned.yaml`: an activity that is announced and not there yet."""

    key: Key
    kind: Key
    title: Title
    skills: tuple[Key, ...] = ()


class ReadingTime(Part):
    full: Minutes
    summary: Minutes | None = None


class Section(Part):
    title: Title
    note: Text


class Objective(Part):
    key: Key
    text: Text
    earned_by: list[Key] = Field(min_length=1)


class Companion(Part):
    """Something to do or read along with it: an address, or an activity of ours."""

    title: Title
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
    title: Title
    url: Link


class Correction(Part):
    """What the original reading list says, what is true, and where that can be read."""

    original: Text
    fact: Text
    source: Text


class Prerequisite(Part):
    """What makes a resource easier, and why: a hint, never a lock."""

    key: Key
    reason: Text


class Resource(Part):
    """The front matter of `resources/<nn>-<key>.md`; the text below it is our own summary."""

    key: Key
    number: int = Field(ge=1)
    type: Literal["paper", "specification", "blog-post", "guide", "video"]
    title: Title
    authors: Names
    published: Phrase
    url: Link
    stars: int | None = Field(default=None, ge=1, le=3)
    learning_value: int | None = Field(default=None, ge=1, le=5)
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
    calculators: tuple[Calculator, ...] = ()
    cites: tuple[Key, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()

    @model_validator(mode="after")
    def _keys_differ(self) -> "Resource":
        _differ([objective.key for objective in self.objectives], "objectives")
        _differ([calculator.key for calculator in self.calculators], "calculators")
        return self

    @model_validator(mode="after")
    def _is_rated(self) -> "Resource":
        if self.type == "video" and self.stars is not None:
            raise MistakeError(
                "paths are made by stars, and videos are no part of Fast or Standard",
                "give a video its `learning_value` alone",
                ("stars",),
            )
        if self.type != "video" and self.stars is None:
            raise MistakeError("`stars` is missing", "add a line `stars: ...`")
        return self


class Pool(Part):
    """Where a quiz without questions of its own draws from: all that test one of these skills."""

    skills: list[Key] = Field(min_length=1)
    types: tuple[
        Literal["single", "multiple", "numeric", "ordering", "matching", "text", "code", "label"],
        ...,
    ] = ()


class Quiz(Part):
    """`quizzes/<key>.yaml`. An attempt draws `draw` of the questions, or of the pool's.

    The key is that of its activity too: `quiz-gguf`.
    """

    key: Key
    title: Title
    resource: Key | None = None
    pass_mark: float = Field(default=0.8, gt=0.0, le=1.0)
    draw: int = Field(ge=1)
    minutes: Minutes
    skills: tuple[Key, ...] = ()
    questions: list[AnyQuestion] = Field(default_factory=list)
    pool: Pool | None = None

    @model_validator(mode="after")
    def _can_be_drawn(self) -> "Quiz":
        _differ([question.key for question in self.questions], "questions")
        if (self.pool is None) is not bool(self.questions):
            raise MistakeError(
                "a quiz has either `questions` or a `pool`", "give it one of the two"
            )
        if self.questions and self.draw > len(self.questions):
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


class Criterion(Part):
    """A line of a rubric."""

    key: Key
    text: Text
    points: int = Field(ge=1, le=10)


class TeachBack(Part):
    """Explain it to a colleague, in writing; graded by a rubric."""

    title: Title
    prompt: Text
    minutes: Minutes
    skills: tuple[Key, ...] = ()
    rubric: list[Criterion] = Field(min_length=2)
    model_answer: Text

    @model_validator(mode="after")
    def _criteria_differ(self) -> "TeachBack":
        _differ([criterion.key for criterion in self.rubric], "rubric")
        return self


class Checkpoint(Part):
    """`checkpoints/<key>.yaml`."""

    key: Key
    number: int = Field(ge=1)
    title: Title
    summary: Text
    gates: list[Gate] = Field(min_length=1)
    teach_back: TeachBack | None = None

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
