"""What the reading list asks for, line by line, and what the course has of it.

The lines follow the reading list that the first course was built from. Each names the items that
answer it, so that "it is there" can be looked up, and what is announced for later is told apart.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from courses import paths
from courses.models import (
    Activity,
    AdvancedReading,
    Checkpoint,
    Citation,
    Module,
    Objective,
    Path,
    Pitfall,
    Question,
    Resource,
    Skill,
    Term,
)
from courses.questions import parse
from courses.questions.single import Single

# What a student is shown of each reading; a video has no sections of its own to read.
FIELDS = (
    *("title", "authors", "published", "url", "minutes_full", "why"),
    *("sections", "objectives", "applications", "exercise", "companions", "discussion"),
    *("connection", "summary", "questions"),
)
SUMMARY_WORDS = (600, 1200)
NO_PROSE = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$\n]*\$|\{=[^}]*\}|`[^`\n]*`", re.DOTALL)
WORD = re.compile(r"[^\W\d_]{2,}|\ba\b|\bI\b")
FEWEST_QUESTIONS = 5
FEWEST_TYPES = 3
DRAWN = ("numeric", "label")


@dataclass(frozen=True)
class Line:
    """A line of the list: how many it asks for, and the items there are."""

    section: str
    asks: str
    needed: int
    items: tuple[str, ...]
    later: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.items)

    @property
    def is_met(self) -> bool:
        return self.count + len(self.later) >= self.needed

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "count": self.count, "met": self.is_met}

    def __str__(self) -> str:
        state = "ok" if self.is_met else "SHORT"
        later = f", {len(self.later)} announced" if self.later else ""
        return f"{state:5} {self.count:4} of {self.needed:3}{later}  {self.section} {self.asks}"


def lines(module: Module) -> list[Line]:
    """Every line, from the course as it is loaded."""
    return [
        *_readings(module),
        *_course(module),
        *_checkpoints(module),
        *_reference(module),
        *_questions(module),
        *_plan(module),
    ]


def _line(section: str, asks: str, needed: int, items: Iterable[object], **more: Any) -> Line:
    return Line(section, asks, needed, tuple(str(item) for item in items), **more)


def _readings(module: Module) -> Iterator[Line]:
    """1a: each of the readings with every field, and the videos."""
    resources = Resource.objects.published().filter(module=module).order_by("number")
    for resource in resources.prefetch_related("objectives", "quizzes__questions"):
        yield _line("1a", f"#{resource.number} {resource.title}", len(FIELDS), _fields(resource))


def _fields(resource: Resource) -> Iterator[str]:
    """The names of the fields that a reading has."""
    questions = [
        question
        for quiz in resource.quizzes.all()
        for question in quiz.questions.all()
        if not quiz.retired and not question.retired
    ]
    low, high = SUMMARY_WORDS
    own = {
        "objectives": resource.objectives.all(),
        "summary": low <= words(resource.body) <= high,
        "questions": len(questions) >= FEWEST_QUESTIONS
        and len({question.type for question in questions}) >= FEWEST_TYPES,
    }
    for name in FIELDS:
        value = own[name] if name in own else resource.data.get(name, getattr(resource, name, None))
        if value:
            yield name


def words(body: str) -> int:
    """The words of a summary: its prose, without code, tables, formulas and computed numbers."""
    prose = NO_PROSE.sub(" ", body)
    lines = [line for line in prose.split("\n") if not line.startswith(("|", ":::", "#"))]
    return len(WORD.findall("\n".join(lines)))


def _course(module: Module) -> Iterator[Line]:
    """1b: paths, videos, competencies, labs, and what is announced."""
    published = Resource.objects.published().filter(module=module)
    for path, minutes in ((Path.FAST, 340), (Path.STANDARD, 590)):
        found = paths.reading_minutes(path, module)
        items = paths.resources(path, module).values_list("key", flat=True)
        yield _line("1b", f"{path.label} path: {minutes} minutes", minutes, ["min"] * found)
        yield _line("1b", f"{path.label} path: readings", 7 if path is Path.FAST else 15, items)
    deep = paths.resources(Path.DEEP, module).values_list("key", flat=True)
    yield _line("1b", "Deep path: more than Standard", 18, deep)
    videos = published.filter(type=Resource.Type.VIDEO)
    yield _line("1b", "Videos, with their true lengths", 3, videos)
    competencies = Skill.objects.published().filter(competency=True)
    yield _line("1b", "Competencies that must be mastered", 5, competencies)
    yield _line("1b", "Skills", 60, Skill.objects.published())
    objectives = Objective.objects.filter(resource__module=module, resource__retired=False)
    yield _line("1a", "Objectives, each with what earns it", 51, objectives)
    practice = Activity.objects.published().filter(module=module, kind__in=paths.PRACTICE)
    yield _line(
        "1b",
        "Labs and exercises",
        20,
        practice.filter(planned=False),
        later=tuple(map(str, practice.filter(planned=True))),
    )
    locked = Module.objects.published().filter(locked=True)
    yield _line("1b", "Modules to come, with what they will hold", 8, locked)


def _checkpoints(module: Module) -> Iterator[Line]:
    checkpoints = Checkpoint.objects.published().filter(module=module)
    for checkpoint in checkpoints.prefetch_related("gates__activities", "gates__remediation"):
        gates = [
            gate.text
            for gate in checkpoint.gates.all()
            if gate.remediation.all()
            and any(activity.is_open for activity in gate.activities.all())
        ]
        yield _line("1b", f"{checkpoint}: gates that can be passed", 4, gates)
    taught = checkpoints.filter(teach_back__activity__retired=False).select_related("teach_back")
    yield _line("1b", "Teach-backs", 3, [checkpoint.teach_back for checkpoint in taught])


def _reference(module: Module) -> Iterator[Line]:
    yield _line("1b", "Glossary", 80, Term.objects.all())
    yield _line("1b", "The reading list's own terms", 15, Term.objects.exclude(original=""))
    yield _line("1b", "Bibliography, with BibTeX", 15, Citation.objects.all())
    yield _line("1b", "Pitfalls", 4, Pitfall.objects.all())
    advanced = AdvancedReading.objects.filter(module=module)
    yield _line("1b", "Advanced readings, no address twice", 8, advanced)


def _questions(module: Module) -> Iterator[Line]:
    published = Question.objects.filter(
        retired=False, quiz__retired=False, current__isnull=False, quiz__activity__module=module
    )
    yield _line("4", "Questions", 120, published.values_list("key", flat=True))
    types = published.order_by().values_list("type", flat=True).distinct()
    yield _line("4", "Types of question", 8, sorted(types))
    resources = Resource.objects.published().filter(module=module)
    enough = [
        resource
        for resource in resources
        if (own := list(published.filter(quiz__resource=resource).values_list("type", flat=True)))
        and 5 * sum(kind in DRAWN for kind in own) >= 2 * len(own)
    ]
    yield _line("4", "Readings of whose questions two in five are drawn or shown", 18, enough)
    figures = [name for resource in resources for name in resource.html.get("figures", ())]
    yield _line("4", "Interactive figures", 12, sorted(set(figures)))


def longest_choice_scores() -> float:
    """What always taking the longest choice gives in the single-choice questions, 0-1."""
    questions = Question.objects.filter(
        type="single", retired=False, quiz__retired=False, current__isnull=False
    )
    hits = []
    for question in questions.select_related("current"):
        content = parse(question.current.content) if question.current else None
        if isinstance(content, Single):
            longest = max(content.choices, key=lambda choice: len(choice.text))
            hits.append(longest.correct)
    return sum(hits) / len(hits) if hits else 0.0


def _plan(module: Module) -> Iterator[Line]:
    """1c and 1d: the weeks with their blocks, and the questions of study groups."""
    weeks = module.plan.get("weeks", ())
    blocks = [block for week in weeks for block in week["blocks"]]
    yield _line("1c", "Day blocks", 9, [block["goal"] for block in blocks])
    readings = [key for block in blocks for key in block["readings"]]
    yield _line("1c", "Readings, each in one block", 18, sorted(set(readings)))
    activities = [key for block in blocks for key in block["activities"]]
    there = Activity.objects.published().in_bulk(activities, field_name="key")
    yield _line(
        "1c",
        "Exercises of the plan",
        14,
        [key for key in activities if key in there and there[key].is_open],
        later=tuple(key for key in activities if key in there and not there[key].is_open),
    )
    answered = [question["text"] for week in weeks for question in week["questions"]]
    yield _line("1d", "Study-group questions with model answers", 9, answered)
    resources = Resource.objects.published().filter(module=module)
    asked = [text for resource in resources for text in resource.data["discussion"]]
    yield _line("1d", "Discussion questions of the readings", 15, asked)
