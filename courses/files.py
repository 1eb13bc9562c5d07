"""Reading the course's files: every one held against its schema, then against the others.

Nothing here touches the database.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from courses import schema
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

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class File(Generic[P]):
    """A file and what it holds."""

    document: Document
    content: P


@dataclass(frozen=True)
class Folder:
    """The files of one module."""

    module: File[schema.Module]
    skills: list[schema.Skill]
    planned: list[tuple[Document, int, schema.Planned]]
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
    _check(folders)
    return folders


def _read_folder(folder: Path, mistakes: Mistakes) -> Folder:
    def files(pattern: str, model: type[P]) -> list[File[P]]:
        found = []
        for file in sorted(folder.glob(pattern)):
            with mistakes.collected():
                document = read_document(file)
                found.append(File(document, validate(document, model)))
        return found

    def items(name: str, model: type[P]) -> list[tuple[Document, int, P]]:
        if not (folder / name).exists():
            return []
        with mistakes.collected():
            document = read_document(folder / name)
            content = validate(document, list[model])  # type: ignore[valid-type]
            return [(document, index, item) for index, item in enumerate(content)]
        return []

    module = read_document(folder / "module.yaml")
    return Folder(
        module=File(module, validate(module, schema.Module)),
        skills=[skill for _document, _index, skill in items("skills.yaml", schema.Skill)],
        planned=items("planned.yaml", schema.Planned),
        resources=files("resources/*.md", schema.Resource),
        quizzes=files("quizzes/*.yaml", schema.Quiz),
        checkpoints=files("checkpoints/*.yaml", schema.Checkpoint),
    )


def _check(folders: list[Folder]) -> None:
    """Check what no file can know by itself: keys are unique, and what they refer to exists."""
    mistakes = Mistakes()
    skills = {skill.key for folder in folders for skill in folder.skills}
    resources = {file.content.key for folder in folders for file in folder.resources}

    def known(
        document: Document, location: Location, keys: Iterable[str], among: set[str], what: str
    ) -> None:
        for index, key in enumerate(keys):
            if key not in among:
                remedy = meant(key, among, f"or add the {what}")
                problem = f"there is no {what} {key!r}"
                mistakes.found.append(document.mistake((*location, index), problem, remedy))

    seen: dict[tuple[str, str], Path] = {}

    def named(kind: str, document: Document, key: str) -> None:
        if first := seen.get((kind, key)):
            mistakes.found.append(
                document.mistake(
                    ("key",), f"{first} has the key {key!r} already", "give this one another"
                )
            )
        seen[(kind, key)] = document.path
        if kind != "module" and not schema.names_file(key, document.path):
            mistakes.found.append(
                document.mistake(
                    ("key",),
                    f"the key {key!r} does not fit the name of the file",
                    "rename one of the two, for addresses are made of the key",
                )
            )

    for folder in folders:
        module = folder.module
        named("module", module.document, module.content.key)
        if module.document.path.parent.name != module.content.key:
            mistakes.found.append(
                module.document.mistake(
                    ("key",),
                    f"the module {module.content.key!r} lies in another folder",
                    f"name the folder {module.content.key!r}",
                )
            )
        own = {file.content.key for file in folder.resources}
        known(module.document, ("order",), module.content.order, own, "resource")
        for document, index, item in folder.planned:
            known(document, (index, "skills"), item.skills, skills, "skill")
        for resource in folder.resources:
            named("resource", resource.document, resource.content.key)
            prerequisites = resource.content.prerequisites
            known(resource.document, ("prerequisites",), prerequisites, resources, "resource")
        for quiz in folder.quizzes:
            named("quiz", quiz.document, quiz.content.key)
            known(quiz.document, ("skills",), quiz.content.skills, skills, "skill")
            if quiz.content.resource:
                known(quiz.document, ("resource",), [quiz.content.resource], resources, "resource")
            for index, question in enumerate(quiz.content.questions):
                if question.skill:
                    place = ("questions", index, "skill")
                    known(quiz.document, place, [question.skill], skills, "skill")
        for checkpoint in folder.checkpoints:
            named("checkpoint", checkpoint.document, checkpoint.content.key)
            for index, gate in enumerate(checkpoint.content.gates):
                where = ("gates", index, "remediation")
                known(checkpoint.document, where, gate.remediation, resources, "resource")
    mistakes.raise_any()
