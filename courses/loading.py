"""Loading the course from its files: all of it or nothing, and only what has changed.

`load` reads and checks every file and writes in one transaction; the labs app loads its own files
with the same machinery inside the caller's. What is gone from the files is retired. A row remembers
the digest of the file it was loaded from: a file that has not changed since is left alone, so what
an admin edited in the browser stays until the file itself changes.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction
from django.urls import reverse

from courses import progress, schema
from courses.documents import Document, Location
from courses.files import File, Folder, Item, Mistakes, located, meant, read_course
from courses.models import (
    Activity,
    AdvancedReading,
    Checkpoint,
    Citation,
    Diagram,
    Gate,
    Module,
    Objective,
    Pitfall,
    Quiz,
    Resource,
    Skill,
    Term,
)
from courses.rendering import Renderer
from courses.saving import (
    announced,
    connect,
    save_activity,
    save_citation,
    save_question,
    save_resource,
    save_teach_back,
)


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


def digest(document: Document, renderer: Renderer) -> str:
    """Changes when the file does, and when what its text refers to does."""
    return hashlib.sha256(f"{renderer.version} {document.digest}".encode()).hexdigest()


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


class _Store:
    """Writes the course, file by file, and retires what no file holds any more."""

    def __init__(self, *, again: bool) -> None:
        self.again = again
        self.loaded = Loaded()
        self.mistakes = Mistakes()
        self.renderer: Renderer

    def store(self, folders: list[Folder]) -> Loaded:
        links = self._links()
        self._skills([item.content for folder in folders for item in folder.skills])
        self._diagrams(folders)
        terms = [item for folder in folders for item in folder.terms]
        self._terms(terms)
        self.renderer = Renderer.of_database()
        self._citations([item.content for folder in folders for item in folder.citations])
        for position, folder in enumerate(
            sorted(folders, key=lambda each: each.module.content.number)
        ):
            self._folder(folder, position)
        self.mistakes.raise_any()
        self._prerequisites(folders)
        self._definitions(terms)
        self._cited_resources([item.content for folder in folders for item in folder.citations])
        self._retire(folders)
        self._retire_planned()
        self.mistakes.raise_any()
        connect()
        if self._links() != links:
            progress.rebuild_all()
        return self.loaded

    @staticmethod
    def _links() -> set[tuple[int, int]]:
        through = Objective.activities.through.objects
        return set(through.values_list("objective_id", "activity_id"))

    @staticmethod
    def _skills(skills: list[schema.Skill]) -> None:
        Skill.objects.bulk_create(
            [
                Skill(
                    key=skill.key,
                    title=skill.title,
                    competency=skill.competency,
                    position=position,
                )
                for position, skill in enumerate(skills)
            ],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["title", "competency", "position", "retired"],
        )
        Skill.objects.exclude(key__in=[skill.key for skill in skills]).update(retired=True)
        ids = dict(Skill.objects.values_list("key", "pk"))
        edges = {(ids[skill.key], ids[whole]) for skill in skills for whole in skill.part_of}
        through = Skill.part_of.through
        there = set(through.objects.values_list("from_skill_id", "to_skill_id"))
        if edges != there:
            through.objects.all().delete()
            through.objects.bulk_create(
                through(from_skill_id=part, to_skill_id=whole) for part, whole in sorted(edges)
            )

    @staticmethod
    def _diagrams(folders: list[Folder]) -> None:
        diagrams = [diagram for folder in folders for diagram in folder.diagrams]
        Diagram.objects.bulk_create(
            [Diagram(key=diagram.key, svg=diagram.svg) for diagram in diagrams],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["svg"],
        )
        Diagram.objects.exclude(key__in=[diagram.key for diagram in diagrams]).delete()

    @staticmethod
    def _terms(items: list[Item[schema.Term]]) -> None:
        """The terms as texts find them; their own texts follow once they can be linked."""
        Term.objects.bulk_create(
            [
                Term(
                    key=item.content.key,
                    term=item.content.term,
                    forms=[item.content.term, *item.content.also],
                    link=item.content.link,
                )
                for item in items
            ],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["term", "forms", "link"],
        )
        Term.objects.exclude(key__in=[item.content.key for item in items]).delete()

    def _definitions(self, items: list[Item[schema.Term]]) -> None:
        resources = dict(Resource.objects.values_list("key", "pk"))
        terms = {term.key: term for term in Term.objects.prefetch_related("see")}
        changed = []
        for item in items:
            content, term = item.content, terms[item.content.key]
            own = self.renderer.fresh()
            own.linked.add(term.key)
            before = (term.definition_html, term.original, term.fact_html)
            with self.mistakes.collected(), located(item.document, (item.index,)):
                term.definition_html = own.block(content.definition)
                term.original = content.original or ""
                term.fact_html = own.inline(content.fact or "")
            if before != (term.definition_html, term.original, term.fact_html):
                changed.append(term)
            see = {resources[key] for key in content.see}
            if see != {resource.pk for resource in term.see.all()}:
                term.see.set(see)
        Term.objects.bulk_update(changed, ["definition_html", "original", "fact_html"])

    @staticmethod
    def _citations(citations: list[schema.Citation]) -> None:
        there = {row.key: row.content for row in Citation.objects.all()}
        for citation in citations:
            if there.get(citation.key) != citation.model_dump(mode="json"):
                save_citation(citation)
        Citation.objects.exclude(key__in=[citation.key for citation in citations]).delete()

    @staticmethod
    def _cited_resources(citations: list[schema.Citation]) -> None:
        resources = dict(Resource.objects.values_list("key", "pk"))
        for row in Citation.objects.all():
            own = next((item.resource for item in citations if item.key == row.key), None)
            pk = resources.get(own) if own else None
            if row.resource_id != pk:
                Citation.objects.filter(pk=row.pk).update(resource_id=pk)

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
                "original": content.original or "",
                "holds": list(content.holds),
                "position": position,
                "digest": folder.module.document.digest,
                "retired": False,
            },
        )
        for item in folder.planned:
            self._planned(item, module)
        order = content.order or self._order(folder)
        listed = {key: place for place, key in enumerate(order)}
        ordered = sorted(
            folder.resources,
            key=lambda file: (listed.get(file.content.key, len(listed)), file.content.number),
        )
        for place, resource in enumerate(ordered):
            with self.mistakes.collected():
                self._resource(resource, module, place)
        # Quizzes with questions first: the others draw from them.
        for place, quiz in enumerate(
            sorted(folder.quizzes, key=lambda file: bool(file.content.pool))
        ):
            with self.mistakes.collected():
                self._quiz(quiz, module, place)
        for checkpoint in folder.checkpoints:
            with self.mistakes.collected():
                self._checkpoint(checkpoint, module)
        self._plan(folder, module)
        self._advanced(folder.advanced, module)
        self._pitfalls(folder.pitfalls)

    @staticmethod
    def _order(folder: Folder) -> list[str]:
        """The readings as the plan has them."""
        weeks = folder.plan.content.weeks if folder.plan else []
        return [key for week in weeks for block in week.blocks for key in block.readings]

    def _plan(self, folder: Folder, module: Module) -> None:
        plan: dict[str, Any] = {}
        if folder.plan:
            document, content = folder.plan.document, folder.plan.content
            for number, week in enumerate(content.weeks):
                for index, block in enumerate(week.blocks):
                    where = ("weeks", number, "blocks", index, "activities")
                    for place, key in enumerate(block.activities):
                        self._refer(folder.plan, (*where, place), key)
            plan = content.model_dump(mode="json")
            with self.mistakes.collected(), located(document):
                for week in plan["weeks"]:
                    own = self.renderer.fresh()
                    for question in week["questions"]:
                        question["html"] = own.inline(question["text"])
                        question["answer_html"] = own.block(question["answer"])
        if module.plan != plan:
            Module.objects.filter(pk=module.pk).update(plan=plan)

    def _advanced(self, items: list[Item[schema.Advanced]], module: Module) -> None:
        rows = []
        for item in items:
            with self.mistakes.collected(), located(item.document, (item.index,)):
                rows.append(
                    AdvancedReading(
                        module=module,
                        key=item.content.key,
                        topic=item.content.topic,
                        title=item.content.title,
                        url=item.content.url,
                        why_html=self.renderer.fresh().block(item.content.why),
                        minutes=item.content.minutes,
                        position=item.index,
                    )
                )
        AdvancedReading.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["module", "topic", "title", "url", "why_html", "minutes", "position"],
        )
        keys = [item.content.key for item in items]
        AdvancedReading.objects.filter(module=module).exclude(key__in=keys).delete()

    def _pitfalls(self, items: list[Item[schema.Pitfall]]) -> None:
        rows = []
        for item in items:
            with self.mistakes.collected(), located(item.document, (item.index,)):
                own, content = self.renderer.fresh(), item.content
                rows.append(
                    Pitfall(
                        key=content.key,
                        title=content.title,
                        problem_html=own.block(content.problem),
                        advice_html=[own.inline(text) for text in content.advice],
                        nudge_html=own.inline(content.nudge),
                        position=item.index,
                    )
                )
        Pitfall.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["title", "problem_html", "advice_html", "nudge_html", "position"],
        )

    def _is_new(self, model: type[Resource | Quiz | Checkpoint], file: File[Any]) -> bool:
        unchanged = model._default_manager.filter(
            key=file.content.key, digest=digest(file.document, self.renderer), retired=False
        )
        new = self.again or not unchanged.exists()
        self.loaded.changed += new
        return new

    def _refer(self, file: File[Any], location: Location, activity: str) -> None:
        self.loaded.references.append(Reference(file.document, location, activity))

    def _planned(self, item: Item[schema.Planned], module: Module) -> None:
        content = item.content
        self.loaded.planned.append(Reference(item.document, (item.index, "key"), content.key))
        activity, _created = Activity.objects.get_or_create(key=content.key)
        if activity.is_open:
            return
        activity.kind, activity.title, activity.module = content.kind, content.title, module
        activity.url, activity.planned, activity.retired = "", True, False
        activity.save()
        activity.skills.set(Skill.objects.filter(key__in=content.skills))

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
                    digest=digest(file.document, self.renderer),
                    renderer=self.renderer,
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
                "pool_types": list(content.pool.types) if content.pool else [],
                "position": position,
                "digest": digest(file.document, self.renderer),
                "retired": False,
            },
        )
        pool = content.pool
        quiz.pool_skills.set(Skill.objects.filter(key__in=pool.skills if pool else ()))
        for index, question in enumerate(content.questions):
            with self.mistakes.collected(), located(file.document, ("questions", index)):
                save_question(quiz=quiz, content=question, position=index, renderer=self.renderer)
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
        own = self.renderer.fresh()
        with located(file.document):
            checkpoint, _created = Checkpoint.objects.update_or_create(
                key=content.key,
                defaults={
                    "module": module,
                    "number": content.number,
                    "title": content.title,
                    "summary": content.summary,
                    "summary_html": own.block(content.summary),
                    "digest": digest(file.document, self.renderer),
                    "retired": False,
                },
            )
            for index, item in enumerate(content.gates):
                row, _created = Gate.objects.update_or_create(
                    checkpoint=checkpoint,
                    key=item.key,
                    defaults={
                        "text": item.text,
                        "text_html": own.inline(item.text),
                        "position": index,
                    },
                )
                row.activities.set(announced(item.activities))
                row.remediation.set(Resource.objects.filter(key__in=item.remediation))
            if content.teach_back:
                save_teach_back(
                    checkpoint=checkpoint, content=content.teach_back, renderer=self.renderer
                )
            else:
                Activity.objects.filter(teach_back__checkpoint=checkpoint).update(retired=True)
        own.mention(title=str(checkpoint), url=checkpoint.get_absolute_url())
        checkpoint.gates.exclude(key__in=[item.key for item in content.gates]).delete()

    @staticmethod
    def _prerequisites(folders: list[Folder]) -> None:
        resources = {resource.key: resource for resource in Resource.objects.all()}
        for folder in folders:
            for file in folder.resources:
                resources[file.content.key].prerequisites.set(
                    [resources[item.key] for item in file.content.prerequisites]
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
        Activity.objects.filter(teach_back__checkpoint__retired=True).update(retired=True)
        pitfalls = [item.content.key for folder in folders for item in folder.pitfalls]
        Pitfall.objects.exclude(key__in=pitfalls).delete()
        Module.objects.exclude(key__in=modules).exclude(digest="").update(retired=True)

    def _retire_planned(self) -> None:
        """What was announced once, and neither is any more nor is named by a file."""
        named = {each.activity for each in (*self.loaded.references, *self.loaded.planned)}
        Activity.objects.filter(planned=True).exclude(key__in=named).update(retired=True)
