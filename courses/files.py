"""Reading the course's files: every one held against its schema, then against the others.

Nothing here touches the database.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from courses import schema
from courses.diagrams import Diagram, read_diagram
from courses.documents import (
    CourseFileError,
    Document,
    Location,
    MistakeError,
    Part,
    read_document,
    validate,
)
from courses.markdown import MarkdownError
from courses.questions.label import Label

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class File(Generic[P]):
    """A file and what it holds."""

    document: Document
    content: P


@dataclass(frozen=True)
class Item(Generic[P]):
    """An item of a file that is a list."""

    document: Document
    index: int
    content: P


@dataclass(frozen=True)
class Folder:
    """The files of one module."""

    module: File[schema.Module]
    skills: list[Item[schema.Skill]]
    planned: list[Item[schema.Planned]]
    terms: list[Item[schema.Term]]
    citations: list[Item[schema.Citation]]
    advanced: list[Item[schema.Advanced]]
    pitfalls: list[Item[schema.Pitfall]]
    plan: File[schema.Plan] | None
    diagrams: list[Diagram]
    resources: list[File[schema.Resource]]
    quizzes: list[File[schema.Quiz]]
    checkpoints: list[File[schema.Checkpoint]]


@dataclass
class Mistakes:
    """Collects mistakes, so that an author sees all of them at once."""

    found: list[CourseFileError] = field(default_factory=list)

    @contextmanager
    def collected(self) -> Iterator[None]:
        try:
            yield
        except CourseFileError as error:
            self.found.append(error)

    def raise_any(self) -> None:
        if self.found:
            raise CourseFileError.of(self.found)


@contextmanager
def located(document: Document, location: Location = ()) -> Iterator[None]:
    """Give the mistakes found while using a document's content their file and line."""
    try:
        yield
    except MarkdownError as error:
        raise document.mistake_near(error.excerpt, error.problem, error.remedy) from error
    except MistakeError as error:
        where = (*location, *error.location)
        raise document.mistake(where, error.problem, error.remedy) from error


def meant(given: str, known: Iterable[str], otherwise: str) -> str:
    close = difflib.get_close_matches(given, list(known), n=1)
    return (
        f"write {close[0]!r} if that was meant, {otherwise}"
        if close
        else (f"look at its spelling {otherwise}")
    )


def read_course(path: Path) -> list[Folder]:
    """Every file of every module. Raises CourseFileError with all mistakes."""
    mistakes = Mistakes()
    folders = []
    for module_file in sorted(path.glob("*/module.yaml")):
        with mistakes.collected():
            folders.append(_read_folder(module_file.parent, mistakes))
    mistakes.raise_any()
    if not folders:
        raise CourseFileError(
            path, 1, "there is no course here", "make a folder with a module.yaml for each module"
        )
    _Check(folders).run()
    return folders


def _read_folder(folder: Path, mistakes: Mistakes) -> Folder:
    def files(pattern: str, model: type[P]) -> list[File[P]]:
        found = []
        for file in sorted(folder.glob(pattern)):
            with mistakes.collected():
                document = read_document(file)
                found.append(File(document, validate(document, model)))
        return found

    def items(name: str, model: type[P]) -> list[Item[P]]:
        if not (folder / name).exists():
            return []
        with mistakes.collected():
            document = read_document(folder / name)
            content = validate(document, list[model])  # type: ignore[valid-type]
            return [Item(document, index, item) for index, item in enumerate(content)]
        return []

    diagrams = []
    for file in sorted(folder.glob("diagrams/*.svg")):
        with mistakes.collected():
            diagrams.append(read_diagram(file))
    plans = files("plan.yaml", schema.Plan)
    module = read_document(folder / "module.yaml")
    return Folder(
        module=File(module, validate(module, schema.Module)),
        skills=items("skills.yaml", schema.Skill),
        planned=items("planned.yaml", schema.Planned),
        terms=items("glossary.yaml", schema.Term),
        citations=items("bibliography.yaml", schema.Citation),
        advanced=items("advanced.yaml", schema.Advanced),
        pitfalls=items("pitfalls.yaml", schema.Pitfall),
        plan=plans[0] if plans else None,
        diagrams=diagrams,
        resources=files("resources/*.md", schema.Resource),
        quizzes=files("quizzes/*.yaml", schema.Quiz),
        checkpoints=files("checkpoints/*.yaml", schema.Checkpoint),
    )


@dataclass
class _Check:
    """What no file can know by itself: keys are unique, and what they refer to exists."""

    folders: list[Folder]
    mistakes: Mistakes = field(default_factory=Mistakes)
    seen: dict[tuple[str, str], Path] = field(default_factory=dict)

    def run(self) -> None:
        """Raises CourseFileError with every mistake."""
        for folder in self.folders:
            self._module(folder)
            self._lists(folder)
            for resource in folder.resources:
                self._resource(resource)
            for quiz in folder.quizzes:
                self._quiz(quiz, folder)
            for checkpoint in folder.checkpoints:
                self._checkpoint(checkpoint)
            if folder.plan:
                self._plan(folder.plan, folder)
        self.mistakes.raise_any()

    @cached_property
    def skills(self) -> dict[str, schema.Skill]:
        return {item.content.key: item.content for each in self.folders for item in each.skills}

    @cached_property
    def leaves(self) -> set[str]:
        """Skills that nothing else is a part of: the ones that can be tested."""
        whole = {key for skill in self.skills.values() for key in skill.part_of}
        return self.skills.keys() - whole

    @cached_property
    def resources(self) -> set[str]:
        return {file.content.key for each in self.folders for file in each.resources}

    @cached_property
    def citations(self) -> set[str]:
        return {item.content.key for each in self.folders for item in each.citations}

    def blame(self, document: Document, location: Location, problem: str, remedy: str) -> None:
        self.mistakes.found.append(document.mistake(location, problem, remedy))

    def known(
        self,
        document: Document,
        location: Location,
        keys: Iterable[str],
        among: Collection[str],
        what: str,
    ) -> None:
        for index, key in enumerate(keys):
            if key not in among:
                remedy = meant(key, among, f"or add the {what}")
                self.blame(document, (*location, index), f"there is no {what} {key!r}", remedy)

    def tested(self, document: Document, location: Location, keys: Iterable[str]) -> None:
        """The skills exist, and are such as can be tested by themselves."""
        keys = list(keys)
        self.known(document, location, keys, self.skills, "skill")
        for index, key in enumerate(keys):
            if key in self.skills and key not in self.leaves:
                self.blame(
                    document,
                    (*location, index),
                    f"{key!r} is made of other skills",
                    "name the one of its parts that is tested here",
                )

    def named(self, kind: str, document: Document, key: str, location: Location = ()) -> None:
        """The key is the only one of its kind."""
        if first := self.seen.get((kind, key)):
            self.blame(
                document,
                (*location, "key"),
                f"{first} has the key {key!r} already",
                "give this one another",
            )
        self.seen[(kind, key)] = document.path

    def filed(self, kind: str, document: Document, key: str) -> None:
        """As `named`, for what has a file of its own, named after the key."""
        self.named(kind, document, key)
        if not schema.names_file(key, document.path):
            self.blame(
                document,
                ("key",),
                f"the key {key!r} does not fit the name of the file",
                "rename one of the two, for addresses are made of the key",
            )

    def _module(self, folder: Folder) -> None:
        document, module = folder.module.document, folder.module.content
        self.named("module", document, module.key)
        if document.path.parent.name != module.key:
            self.blame(
                document,
                ("key",),
                f"the module {module.key!r} lies in another folder",
                f"name the folder {module.key!r}",
            )
        own = {file.content.key for file in folder.resources}
        self.known(document, ("order",), module.order, own, "resource")

    def _lists(self, folder: Folder) -> None:
        for skill in folder.skills:
            self.named("skill", skill.document, skill.content.key, (skill.index,))
            where = (skill.index, "part_of")
            self.known(skill.document, where, skill.content.part_of, self.skills, "skill")
            if skill.content.key in self._wholes(skill.content):
                self.blame(
                    skill.document,
                    where,
                    f"{skill.content.key!r} is a part of itself",
                    "take out one step of that circle",
                )
        for item in folder.planned:
            self.tested(item.document, (item.index, "skills"), item.content.skills)
        for term in folder.terms:
            self.named("term", term.document, term.content.key, (term.index,))
            where = (term.index, "see")
            self.known(term.document, where, term.content.see, self.resources, "resource")
            for form in (term.content.term, *term.content.also):
                self.named("spelling", term.document, form, (term.index,))
        for citation in folder.citations:
            self.named("citation", citation.document, citation.content.key, (citation.index,))
            named = [citation.content.resource] if citation.content.resource else []
            where = (citation.index, "resource")
            self.known(citation.document, where, named, self.resources, "resource")
        for advanced in folder.advanced:
            self.named(
                "advanced reading", advanced.document, advanced.content.key, (advanced.index,)
            )
            self.named("address", advanced.document, advanced.content.url, (advanced.index,))
        for pitfall in folder.pitfalls:
            self.named("pitfall", pitfall.document, pitfall.content.key, (pitfall.index,))

    def _wholes(self, skill: schema.Skill) -> set[str]:
        """Everything that the skill is a part of, however far up."""
        found: set[str] = set()
        todo = [*skill.part_of]
        while todo:
            key = todo.pop()
            if key in self.skills and key not in found:
                found.add(key)
                todo += self.skills[key].part_of
        return found

    def _resource(self, file: File[schema.Resource]) -> None:
        document, resource = file.document, file.content
        self.filed("resource", document, resource.key)
        for index, item in enumerate(resource.prerequisites):
            where = ("prerequisites", index)
            self.known(document, where, [item.key], self.resources, "resource")
        self.known(document, ("cites",), resource.cites, self.citations, "citation")

    def _quiz(self, file: File[schema.Quiz], folder: Folder) -> None:
        document, quiz = file.document, file.content
        self.filed("quiz", document, quiz.key)
        self.tested(document, ("skills",), quiz.skills)
        if quiz.resource:
            self.known(document, ("resource",), [quiz.resource], self.resources, "resource")
        if quiz.pool:
            self.tested(document, ("pool", "skills"), quiz.pool.skills)
            self._pool(document, quiz, quiz.pool)
        diagrams = {diagram.key: diagram for diagram in folder.diagrams}
        for index, question in enumerate(quiz.questions):
            self.tested(document, ("questions", index, "skill"), [question.skill])
            if isinstance(question, Label):
                where = ("questions", index, "diagram")
                self.known(document, where, [question.diagram], diagrams, "diagram")
                diagram = diagrams.get(question.diagram)
                letters = {mark.mark for mark in question.marks}
                if diagram and diagram.marks != letters:
                    self.blame(
                        document,
                        where,
                        f"the diagram has the letters {', '.join(sorted(diagram.marks)) or 'none'}",
                        f"give it those of the question: {', '.join(sorted(letters))}",
                    )

    def _pool(self, document: Document, quiz: schema.Quiz, pool: schema.Pool) -> None:
        there = sum(
            question.skill in pool.skills and (not pool.types or question.type in pool.types)
            for each in self.folders
            for file in each.quizzes
            for question in file.content.questions
        )
        if there < quiz.draw:
            self.blame(
                document,
                ("draw",),
                f"{quiz.draw} questions cannot be drawn from the pool's {there}",
                "draw fewer, add skills to the pool, or write more questions for them",
            )

    def _checkpoint(self, file: File[schema.Checkpoint]) -> None:
        document, checkpoint = file.document, file.content
        self.filed("checkpoint", document, checkpoint.key)
        for index, gate in enumerate(checkpoint.gates):
            where = ("gates", index, "remediation")
            self.known(document, where, gate.remediation, self.resources, "resource")
        if checkpoint.teach_back:
            self.tested(document, ("teach_back", "skills"), checkpoint.teach_back.skills)

    def _plan(self, file: File[schema.Plan], folder: Folder) -> None:
        document = file.document
        own = {item.content.key for item in folder.resources}
        checkpoints = {item.content.key for item in folder.checkpoints}
        planned: set[str] = set()
        for number, week in enumerate(file.content.weeks):
            for index, block in enumerate(week.blocks):
                where = ("weeks", number, "blocks", index)
                self.known(document, (*where, "readings"), block.readings, own, "resource")
                for place, key in enumerate(block.readings):
                    if key in planned:
                        self.blame(
                            document,
                            (*where, "readings", place),
                            f"{key!r} stands in the plan a second time",
                            "keep it once",
                        )
                    planned.add(key)
                if block.checkpoint:
                    keys = [block.checkpoint]
                    self.known(document, (*where, "checkpoint"), keys, checkpoints, "checkpoint")
        for key in sorted(own - planned):
            self.blame(
                document,
                ("weeks",),
                f"the plan leaves out {key!r}",
                "add it to the readings of a block",
            )
