"""Loading the course from its files: all of it or nothing, and only what has changed.

`load` reads and checks every file and writes in one transaction; the labs app loads its own files
with the same machinery inside the caller's. What is gone from the files is retired. A row remembers
the digest of the file it was loaded from: a file that has not changed since is left alone, so what
an admin edited in the browser stays until the file itself changes.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction
from django.urls import reverse

from courses import progress, schema
from courses.documents import (
    CourseFileError,
    Document,
    Location,
    MistakeError,
    read_document,
    validate,
)
from courses.files import File, Folder, Mistakes, located, meant, read_course
from courses.markdown import render, render_inline, render_page
from courses.models import (
    Activity,
    Checkpoint,
    Gate,
    Module,
    Objective,
    Question,
    QuestionVersion,
    Quiz,
    Resource,
    Skill,
)
from courses.questions import AnyQuestion

__all__ = [
    "CourseFileError",
    "Document",
    "Loaded",
    "check_references",
    "digest",
    "load",
    "located",
    "read_document",
    "save_activity",
    "validate",
]

# Raise this when rendered text changes its form: every file is then rendered again.
RENDERING = 1


@dataclass(frozen=True)
class Reference:
    """A place in a file that names an activity."""

    document: Document
    location: Location
    activity: str


@dataclass
class Loaded:
    """What a load did: which activities the files name, and how many files were new or changed."""

    references: list[Reference] = field(default_factory=list)
    planned: list[Reference] = field(default_factory=list)
    changed: int = 0


def digest(document: Document) -> str:
    """Changes when the file does, and when rendering does."""
    return hashlib.sha256(f"{RENDERING} {document.digest}".encode()).hexdigest()


def load(path: Path, *, again: bool = False) -> Loaded:
    """Load the course under `path` (one folder a module); `again` also what has not changed.

    Raises CourseFileError with every mistake, and then nothing has been written.
    """
    folders = read_course(path)
    with transaction.atomic():
        return _Store(again=again).store(folders)


def check_references(loaded: Loaded) -> None:
    """Every activity that the files name exists or is declared as planned.

    For the caller of `load`, once everybody's activities are loaded.
    """
    mistakes = Mistakes()
    there = {activity.key: activity for activity in Activity.objects.published()}
    declared = {reference.activity for reference in loaded.planned}
    for reference in loaded.references:
        activity = there.get(reference.activity)
        if reference.activity in declared or (activity and activity.is_open):
            continue
        known = sorted(key for key, activity in there.items() if activity.is_open)
        mistakes.found.append(
            reference.document.mistake(
                reference.location,
                f"there is no activity {reference.activity!r}",
                meant(reference.activity, known, "or declare it in planned.yaml"),
            )
        )
    for reference in loaded.planned:
        if there[reference.activity].is_open:
            mistakes.found.append(
                reference.document.mistake(
                    reference.location,
                    f"{reference.activity!r} is no longer planned: it is there",
                    "take it out of planned.yaml",
                )
            )
    mistakes.raise_any()


def save_activity(
    *,
    key: str,
    kind: str,
    title: str,
    url: str,
    module: Module,
    minutes: int,
    position: int,
    skills: Iterable[str],
) -> Activity:
    """Create or update an activity. Raises MistakeError at ("skills", index) for unknown ones."""
    keys = list(skills)
    known = {skill.key: skill for skill in Skill.objects.filter(key__in=keys)}
    for index, skill in enumerate(keys):
        if skill not in known:
            every = Skill.objects.values_list("key", flat=True)
            raise MistakeError(
                f"there is no skill {skill!r}",
                meant(skill, every, "or add it to skills.yaml"),
                ("skills", index),
            )
    activity, _created = Activity.objects.update_or_create(
        key=key,
        defaults={
            "kind": kind,
            "title": title,
            "url": url,
            "module": module,
            "minutes": minutes,
            "position": position,
            "planned": False,
            "retired": False,
        },
    )
    activity.skills.set(known.values())
    return activity


def save_resource(
    *, module: Module, content: schema.Resource, body: str, position: int, digest: str
) -> Resource:
    """Create or update a resource with its objectives, all text rendered.

    Prerequisites are set by the caller, once every resource exists. Raises MarkdownError.
    """
    page = render_page(body)
    data = content.model_dump(
        include={
            "sections",
            "applications",
            "exercise",
            "companions",
            "discussion",
            "connection",
            "supplementary",
            "corrections",
        }
    )
    resource, _created = Resource.objects.update_or_create(
        key=content.key,
        defaults={
            "module": module,
            "number": content.number,
            "type": content.type,
            "title": content.title,
            "authors": content.authors,
            "published": content.published,
            "url": content.url,
            "stars": content.stars,
            "minutes_full": content.minutes.full,
            "minutes_summary": content.minutes.summary,
            "why": content.why,
            "body": body,
            "body_html": page.html,
            "data": data,
            "html": {
                "why": render(content.why),
                "exercise": render(content.exercise or ""),
                "sections": [
                    {"title": section.title, "note": render_inline(section.note)}
                    for section in content.sections
                ],
                "applications": [render_inline(text) for text in content.applications],
                "discussion": [render_inline(text) for text in content.discussion],
                "connection": [render_inline(text) for text in content.connection],
                "corrections": [
                    {
                        "original": render_inline(correction.original),
                        "fact": render_inline(correction.fact),
                        "source": correction.source,
                    }
                    for correction in content.corrections
                ],
                "headings": [
                    {"id": heading.id, "title": heading.title, "level": heading.level}
                    for heading in page.headings
                ],
            },
            "position": position,
            "digest": digest,
            "retired": False,
        },
    )
    _save_objectives(resource, content.objectives)
    return resource


def _save_objectives(resource: Resource, objectives: list[schema.Objective]) -> None:
    for position, content in enumerate(objectives):
        objective, _created = Objective.objects.update_or_create(
            resource=resource,
            key=content.key,
            defaults={
                "text": content.text,
                "text_html": render_inline(content.text),
                "position": position,
            },
        )
        objective.activities.set(_announced(content.earned_by))
    resource.objectives.exclude(key__in=[content.key for content in objectives]).delete()


def connect() -> None:
    """Tell every resource its neighbours and prerequisites, so that its page need not ask."""
    resources = list(Resource.objects.published().prefetch_related("prerequisites"))
    for index, resource in enumerate(resources):
        before = resources[index - 1] if index else None
        after = resources[index + 1] if index + 1 < len(resources) else None
        near = {
            "previous": _neighbour(before, resource),
            "next": _neighbour(after, resource),
            "prerequisites": [
                _neighbour(required, required)
                for required in resource.prerequisites.all()
                if not required.retired
            ],
        }
        if resource.near != near:
            Resource.objects.filter(pk=resource.pk).update(near=near)


def _neighbour(other: Resource | None, resource: Resource) -> dict[str, str] | None:
    if other is None or other.module_id != resource.module_id:
        return None
    return {"title": other.title, "url": other.get_absolute_url()}


def save_question(*, quiz: Quiz, content: AnyQuestion, position: int) -> Question:
    """Create or update a question; changed content becomes a new version.

    Attempts keep the version they were drawn with. Raises MarkdownError and MistakeError.
    """
    plain = content.model_dump(mode="json")
    canonical = json.dumps([RENDERING, plain], sort_keys=True)
    question, _created = Question.objects.get_or_create(
        quiz=quiz, key=content.key, defaults={"position": position}
    )
    version, _created = QuestionVersion.objects.get_or_create(
        question=question,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
        # Rendered here and not by need: a mistake must show whether the version is new or not.
        defaults={"content": plain, "html": content.rendered()},
    )
    question.current = version
    question.position = position
    question.retired = False
    question.save()
    return question


def _announced(keys: Iterable[str]) -> list[Activity]:
    """The activities of these keys; one that has not been loaded yet is put down as planned."""
    return [
        Activity.objects.get_or_create(
            key=key, defaults={"kind": key.partition("-")[0], "title": key, "planned": True}
        )[0]
        for key in keys
    ]


class _Store:
    """Writes the course, file by file, and retires what no file holds any more."""

    def __init__(self, *, again: bool) -> None:
        self.again = again
        self.loaded = Loaded()
        self.mistakes = Mistakes()

    def store(self, folders: list[Folder]) -> Loaded:
        links = self._links()
        for folder in folders:
            for skill in folder.skills:
                Skill.objects.update_or_create(key=skill.key, defaults={"title": skill.title})
        for position, folder in enumerate(folders):
            self._folder(folder, position)
        self.mistakes.raise_any()
        self._prerequisites(folders)
        self._retire(folders)
        connect()
        if self._links() != links:
            progress.rebuild_all()
        return self.loaded

    @staticmethod
    def _links() -> set[tuple[int, int]]:
        through = Objective.activities.through.objects
        return set(through.values_list("objective_id", "activity_id"))

    def _folder(self, folder: Folder, position: int) -> None:
        content = folder.module.content
        module, _created = Module.objects.update_or_create(
            key=content.key,
            defaults={
                "number": content.number,
                "title": content.title,
                "summary": content.summary,
                "weeks": content.weeks,
                "locked": content.locked,
                "position": position,
                "digest": digest(folder.module.document),
                "retired": False,
            },
        )
        for document, index, item in folder.planned:
            self._planned(document, index, item, module)
        listed = {key: place for place, key in enumerate(content.order)}
        ordered = sorted(
            folder.resources,
            key=lambda file: (listed.get(file.content.key, len(listed)), file.content.number),
        )
        for place, resource in enumerate(ordered):
            with self.mistakes.collected():
                self._resource(resource, module, place)
        for place, quiz in enumerate(folder.quizzes):
            with self.mistakes.collected():
                self._quiz(quiz, module, place)
        for checkpoint in folder.checkpoints:
            with self.mistakes.collected():
                self._checkpoint(checkpoint, module)

    def _is_new(self, model: type[Resource | Quiz | Checkpoint], file: File[Any]) -> bool:
        unchanged = model._default_manager.filter(
            key=file.content.key, digest=digest(file.document), retired=False
        )
        new = self.again or not unchanged.exists()
        self.loaded.changed += new
        return new

    def _refer(self, file: File[Any], location: Location, activity: str) -> None:
        self.loaded.references.append(Reference(file.document, location, activity))

    def _planned(
        self, document: Document, index: int, item: schema.Planned, module: Module
    ) -> None:
        self.loaded.planned.append(Reference(document, (index, "key"), item.key))
        activity, _created = Activity.objects.get_or_create(key=item.key)
        if activity.is_open:
            return
        activity.kind, activity.title, activity.module = item.kind, item.title, module
        activity.url, activity.planned, activity.retired = "", True, False
        activity.save()
        activity.skills.set(Skill.objects.filter(key__in=item.skills))

    def _resource(self, file: File[schema.Resource], module: Module, position: int) -> None:
        for index, objective in enumerate(file.content.objectives):
            for number, key in enumerate(objective.earned_by):
                self._refer(file, ("objectives", index, "earned_by", number), key)
        for index, companion in enumerate(file.content.companions):
            if companion.activity:
                self._refer(file, ("companions", index, "activity"), companion.activity)
        if self._is_new(Resource, file):
            with located(file.document):
                save_resource(
                    module=module,
                    content=file.content,
                    body=file.document.body,
                    position=position,
                    digest=digest(file.document),
                )
        else:
            Resource.objects.filter(key=file.content.key).update(module=module, position=position)

    def _quiz(self, file: File[schema.Quiz], module: Module, position: int) -> None:
        if not self._is_new(Quiz, file):
            return
        content = file.content
        with located(file.document):
            activity = save_activity(
                key=content.key,
                kind="quiz",
                title=f"Quiz: {content.title}",
                url=reverse("courses:quiz", args=(content.key,)),
                module=module,
                minutes=content.minutes,
                position=position,
                skills=content.skills,
            )
        quiz, _created = Quiz.objects.update_or_create(
            key=content.key,
            defaults={
                "activity": activity,
                "resource": Resource.objects.filter(key=content.resource).first(),
                "title": content.title,
                "pass_mark": content.pass_mark,
                "draw": content.draw,
                "position": position,
                "digest": digest(file.document),
                "retired": False,
            },
        )
        for index, question in enumerate(content.questions):
            with self.mistakes.collected(), located(file.document, ("questions", index)):
                save_question(quiz=quiz, content=question, position=index)
        keys = [question.key for question in content.questions]
        quiz.questions.filter(key__in=keys).update(of_file=True)
        # What an admin added in the browser was never in a file.
        quiz.questions.filter(of_file=True).exclude(key__in=keys).update(retired=True)

    def _checkpoint(self, file: File[schema.Checkpoint], module: Module) -> None:
        content = file.content
        for index, gate in enumerate(content.gates):
            for number, key in enumerate(gate.activities):
                self._refer(file, ("gates", index, "activities", number), key)
        if not self._is_new(Checkpoint, file):
            return
        with located(file.document):
            checkpoint, _created = Checkpoint.objects.update_or_create(
                key=content.key,
                defaults={
                    "module": module,
                    "number": content.number,
                    "title": content.title,
                    "summary": content.summary,
                    "summary_html": render(content.summary),
                    "digest": digest(file.document),
                    "retired": False,
                },
            )
            for index, item in enumerate(content.gates):
                row, _created = Gate.objects.update_or_create(
                    checkpoint=checkpoint,
                    key=item.key,
                    defaults={
                        "text": item.text,
                        "text_html": render_inline(item.text),
                        "position": index,
                    },
                )
                row.activities.set(_announced(item.activities))
                row.remediation.set(Resource.objects.filter(key__in=item.remediation))
        checkpoint.gates.exclude(key__in=[item.key for item in content.gates]).delete()

    @staticmethod
    def _prerequisites(folders: list[Folder]) -> None:
        resources = {resource.key: resource for resource in Resource.objects.all()}
        for folder in folders:
            for file in folder.resources:
                resources[file.content.key].prerequisites.set(
                    [resources[key] for key in file.content.prerequisites]
                )

    @staticmethod
    def _retire(folders: list[Folder]) -> None:
        resources = [file.content.key for folder in folders for file in folder.resources]
        quizzes = [file.content.key for folder in folders for file in folder.quizzes]
        checkpoints = [file.content.key for folder in folders for file in folder.checkpoints]
        modules = [folder.module.content.key for folder in folders]
        # What an admin added in the browser was never in a file, and has no digest of one.
        Resource.objects.exclude(key__in=resources).exclude(digest="").update(retired=True)
        Quiz.objects.exclude(key__in=quizzes).exclude(digest="").update(retired=True)
        Activity.objects.filter(quiz__retired=True).update(retired=True)
        gone = Checkpoint.objects.exclude(key__in=checkpoints).exclude(digest="")
        gone.update(retired=True)
        Module.objects.exclude(key__in=modules).exclude(digest="").update(retired=True)
