"""From what files and forms of the admin hold to the rows of the course: one function a thing."""

import hashlib
import json
from collections.abc import Iterable

from django.template.loader import render_to_string
from django.utils import timezone

from courses import citations, schema
from courses.bibliography import bibtex
from courses.documents import MistakeError
from courses.files import meant
from courses.models import (
    Activity,
    Checkpoint,
    Citation,
    Module,
    Objective,
    Question,
    QuestionVersion,
    Quiz,
    Resource,
    Skill,
    TeachBack,
)
from courses.questions import AnyQuestion
from courses.questions.label import Label
from courses.rendering import RENDERING, Renderer

# What a resource's file has beyond the columns of its row.
DATA = (
    "sections",
    "applications",
    "exercise",
    "companions",
    "discussion",
    "connection",
    "supplementary",
    "corrections",
    "calculators",
    "cites",
    "prerequisites",
)


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
    *,
    module: Module,
    content: schema.Resource,
    body: str,
    position: int,
    digest: str,
    renderer: Renderer,
) -> Resource:
    """Create or update a resource with its objectives, all text rendered.

    Prerequisites are set by the caller, once every resource exists. Raises MarkdownError.
    """
    own = renderer.fresh()
    address = Resource(key=content.key).get_absolute_url()
    why = own.block(content.why)
    page = own.page(body, calculators=content.calculators, address=address)
    data = content.model_dump(
        mode="json",
        include=set(DATA),
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
            "learning_value": content.learning_value,
            "minutes_full": content.minutes.full,
            "minutes_summary": content.minutes.summary,
            "why": content.why,
            "body": body,
            "body_html": page.html,
            "data": data,
            "html": {
                "why": why,
                "exercise": own.block(content.exercise or ""),
                "sections": [
                    {"title": section.title, "note": own.inline(section.note)}
                    for section in content.sections
                ],
                "applications": [own.inline(text) for text in content.applications],
                "discussion": [own.inline(text) for text in content.discussion],
                "connection": [own.inline(text) for text in content.connection],
                "corrections": [
                    {
                        "original": own.inline(correction.original),
                        "fact": own.inline(correction.fact),
                        "source": correction.source,
                    }
                    for correction in content.corrections
                ],
                "headings": [
                    {"id": heading.id, "title": heading.title, "level": heading.level}
                    for heading in page.headings
                ],
                "figures": list(page.figures),
            },
            "position": position,
            "digest": digest,
            "retired": False,
        },
    )
    _save_objectives(resource, content.objectives, own)
    resource.cites.set(Citation.objects.filter(key__in=content.cites))
    own.mention(title=content.title, url=address)
    return resource


def _save_objectives(
    resource: Resource, objectives: list[schema.Objective], renderer: Renderer
) -> None:
    for position, content in enumerate(objectives):
        objective, _created = Objective.objects.update_or_create(
            resource=resource,
            key=content.key,
            defaults={
                "text": content.text,
                "text_html": renderer.inline(content.text),
                "position": position,
            },
        )
        objective.activities.set(announced(content.earned_by))
    resource.objectives.exclude(key__in=[content.key for content in objectives]).delete()


def connect() -> None:
    """Tell every resource its neighbours, prerequisites and sources: its page need not ask."""
    resources = list(Resource.objects.published().prefetch_related("prerequisites"))
    for index, resource in enumerate(resources):
        before = resources[index - 1] if index else None
        after = resources[index + 1] if index + 1 < len(resources) else None
        reasons = {item["key"]: item["reason"] for item in resource.data["prerequisites"]}
        near = {
            "previous": _neighbour(before, resource),
            "next": _neighbour(after, resource),
            "prerequisites": [
                {
                    "title": required.title,
                    "url": required.get_absolute_url(),
                    "reason": reasons.get(required.key, ""),
                }
                for required in resource.prerequisites.all()
                if not required.retired
            ],
            "sources": render_to_string(
                "courses/_sources.html", {"sources": citations.sources(resource)}
            ),
        }
        if resource.near != near:
            Resource.objects.filter(pk=resource.pk).update(near=near, changed_at=timezone.now())


def _neighbour(other: Resource | None, resource: Resource) -> dict[str, str] | None:
    if other is None or other.module_id != resource.module_id:
        return None
    return {"title": other.title, "url": other.get_absolute_url()}


def save_question(
    *, quiz: Quiz, content: AnyQuestion, position: int, renderer: Renderer
) -> Question:
    """Create or update a question; changed content becomes a new version.

    Attempts keep the version they were drawn with. Raises MarkdownError and MistakeError.
    """
    plain = content.model_dump(mode="json")
    html = content.rendered()
    if isinstance(content, Label):
        html["diagram"] = renderer.diagrams.get(content.diagram, "")
    canonical = json.dumps([RENDERING, plain, html.get("diagram", "")], sort_keys=True)
    html["explanation"] = renderer.fresh().linked_html(html["explanation"])
    question, _created = Question.objects.get_or_create(
        quiz=quiz, key=content.key, defaults={"position": position}
    )
    version, _created = QuestionVersion.objects.get_or_create(
        question=question,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
        defaults={"content": plain, "html": html},
    )
    if version.html != html:
        # The links to the glossary: they are no part of what was asked.
        QuestionVersion.objects.filter(pk=version.pk).update(html=html)
    question.current = version
    question.skill = Skill.objects.filter(key=content.skill).first()
    question.type = content.type
    question.position = position
    question.retired = False
    question.save()
    return question


def save_teach_back(
    *, checkpoint: Checkpoint, content: schema.TeachBack, renderer: Renderer
) -> TeachBack:
    """Create or update the teach-back of a checkpoint, with its activity."""
    own = renderer.fresh()
    teach_back = TeachBack(checkpoint=checkpoint)
    activity = save_activity(
        key=f"teach-back-{checkpoint.key}",
        kind="teach-back",
        title=f"Teach-back: {content.title}",
        url=teach_back.get_absolute_url(),
        module=checkpoint.module,
        minutes=content.minutes,
        position=checkpoint.number,
        skills=content.skills,
    )
    saved, _created = TeachBack.objects.update_or_create(
        checkpoint=checkpoint,
        defaults={
            "activity": activity,
            "title": content.title,
            "prompt_html": own.block(content.prompt),
            "rubric": [
                {
                    "key": criterion.key,
                    "html": own.inline(criterion.text),
                    "points": criterion.points,
                }
                for criterion in content.rubric
            ],
            "model_answer_html": own.block(content.model_answer),
        },
    )
    return saved


def save_citation(content: schema.Citation) -> Citation:
    saved, _created = Citation.objects.update_or_create(
        key=content.key,
        defaults={"content": content.model_dump(mode="json"), "bibtex": bibtex(content)},
    )
    return saved


def announced(keys: Iterable[str]) -> list[Activity]:
    """The activities of these keys; one that has not been loaded yet is put down as planned."""
    return [
        Activity.objects.get_or_create(
            key=key, defaults={"kind": key.partition("-")[0], "title": key, "planned": True}
        )[0]
        for key in keys
    ]
