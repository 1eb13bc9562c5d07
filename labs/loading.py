"""Loading labs and exercises from their files, with the machinery of the course's others."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.urls import reverse
from pydantic import Field, ValidationError

from courses.documents import Document, MistakeError, Part, explain, read_document, validate
from courses.files import Mistakes, located, meant
from courses.loading import digest
from courses.models import Activity, Module, Resource
from courses.questions.base import Key, Text
from courses.rendering import Renderer
from courses.saving import save_activity
from courses.schema import Minutes, Title, names_file
from labs import kinds
from labs.models import Hint, Lab


class HintFile(Part):
    """A hint of an exercise, and its cost in percent of the points."""

    text: Text
    cost: int = Field(ge=0, le=50)


class LabFile(Part):
    """The front matter of `labs/<key>.md` and of `exercises/<key>.md`.

    `parameters` are held against the kind's own schema.
    """

    key: Key
    number: int = Field(ge=1)
    title: Title
    question: Text
    kind: Text
    minutes: Minutes
    skills: tuple[Key, ...] = ()
    resource: Key | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    hints: tuple[HintFile, ...] = ()


@transaction.atomic
def load(path: Path, *, again: bool = False) -> int:
    """Load every lab under `path`; returns how many files had changed.

    The course must have been loaded before, in the caller's transaction. Raises CourseFileError
    with every mistake, and then nothing has been written.
    """
    mistakes = Mistakes()
    changed = 0
    keys = []
    renderer = Renderer.of_database()
    for file in sorted((*path.glob("*/labs/*.md"), *path.glob("*/exercises/*.md"))):
        with mistakes.collected():
            document = read_document(file)
            content = validate(document, LabFile)
            keys.append(content.key)
            changed += _save(document, content, renderer, again=again)
    mistakes.raise_any()
    # One without a digest came from no file: an admin added it.
    Lab.objects.exclude(key__in=keys).exclude(digest="").update(retired=True)
    Activity.objects.filter(lab__retired=True).update(retired=True)
    return changed


def _save(document: Document, content: LabFile, renderer: Renderer, *, again: bool) -> bool:
    current = digest(document, renderer)
    if not again and Lab.objects.filter(key=content.key, digest=current, retired=False).exists():
        return False
    with located(document):
        if not names_file(content.key, document.path):
            raise MistakeError(
                f"the key {content.key!r} does not fit the name of the file",
                "rename one of the two, for addresses are made of the key",
                ("key",),
            )
        module = Module.objects.get(key=document.path.parent.parent.name)
        lab = save_lab(
            content=content,
            body=document.body,
            module=module,
            digest=current,
            renderer=renderer,
        )
        _save_hints(lab, content.hints, renderer)
    return True


def save_lab(
    *, content: LabFile, body: str, module: Module, digest: str, renderer: Renderer
) -> Lab:
    """Create or update a lab with its activity, all but its hints.

    Raises MistakeError and MarkdownError.
    """
    parameters = check(content)
    resource = _resource(content)
    own = renderer.fresh()
    kind = kinds.REGISTRY[content.kind]
    activity = save_activity(
        key=content.key,
        kind=kind.activity,
        title=f"{kind.noun} {content.number}: {content.title}",
        url=reverse(kind.page, args=(content.key,)),
        module=module,
        minutes=content.minutes,
        position=content.number,
        skills=content.skills,
    )
    lab, _created = Lab.objects.update_or_create(
        key=content.key,
        defaults={
            "activity": activity,
            "number": content.number,
            "title": content.title,
            "question": content.question,
            "kind": content.kind,
            "resource": resource,
            "body": body,
            "body_html": own.block(body),
            "parameters": parameters,
            "minutes": content.minutes,
            "digest": digest,
            "retired": False,
        },
    )
    own.mention(title=str(lab), url=activity.url)
    return lab


def _save_hints(lab: Lab, hints: Sequence[HintFile], renderer: Renderer) -> None:
    for number, hint in enumerate(hints, 1):
        html = renderer.fresh().block(hint.text)
        Hint.objects.update_or_create(
            lab=lab,
            number=number,
            defaults={"text": hint.text, "text_html": html, "cost": hint.cost},
        )
    lab.hints.filter(number__gt=len(hints)).delete()


def check(content: LabFile) -> dict[str, Any]:
    """The parameters, complete with their defaults. Raises MistakeError where the kind objects."""
    kind = kinds.REGISTRY.get(content.kind)
    if kind is None:
        known = ", ".join(sorted(kinds.REGISTRY))
        raise MistakeError(
            f"there is no kind of lab {content.kind!r}",
            meant(content.kind, kinds.REGISTRY, f"known are {known}"),
            ("kind",),
        )
    try:
        return kind.parameters(**content.parameters).model_dump(mode="json")
    except ValidationError as error:
        location, problem, remedy = explain(error.errors()[0], kind.parameters)
        raise MistakeError(problem, remedy, ("parameters", *location)) from error


def _resource(content: LabFile) -> Resource | None:
    if content.resource is None:
        return None
    resource = Resource.objects.published().filter(key=content.resource).first()
    if resource is None:
        known = Resource.objects.published().values_list("key", flat=True)
        raise MistakeError(
            f"there is no resource {content.resource!r}",
            meant(content.resource, known, "or take the line out"),
            ("resource",),
        )
    return resource
