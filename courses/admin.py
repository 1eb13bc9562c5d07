"""Editing the course in the browser, held against the very schema of the files."""

from pathlib import Path
from typing import Any

import yaml
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from pydantic import TypeAdapter, ValidationError

from courses import saving, schema
from courses.checking import answers_itself, texts
from courses.documents import (
    CourseFileError,
    Document,
    MistakeError,
    explain,
    parse_document,
)
from courses.files import meant
from courses.markdown import MarkdownError
from courses.models import (
    Activity,
    Citation,
    Diagram,
    Evidence,
    Module,
    Question,
    Quiz,
    Resource,
    Skill,
)
from courses.questions import AnyQuestion
from courses.questions.label import Label
from courses.rendering import Renderer

# What a resource's file has beyond the columns of its row: in the form one text of YAML.
FURTHER = ("objectives", *saving.DATA)


class SchemaForm(forms.ModelForm):
    """A form whose values are held against a schema of the course files."""

    def hold_against(
        self, model: Any, data: dict[str, Any], document: Document | None = None
    ) -> Any:
        """The data as `model`; or None, with every mistake beside the field it is in.

        Mistakes in the document, which is the YAML of the field `further`, are told by line.
        """
        try:
            return TypeAdapter(model).validate_python(data)
        except ValidationError as error:
            for detail in error.errors():
                location, problem, remedy = explain(detail, model)
                name = "_".join(map(str, location))
                if document and name not in self.fields:
                    self.blame_line(document.mistake(location, problem, remedy))
                else:
                    self.blame(name, problem, remedy)
        return None

    def blame(self, name: str, problem: str, remedy: str) -> None:
        field = name if name in self.fields else "further" if "further" in self.fields else None
        self.add_error(field, f"{problem}; {remedy}.")

    def blame_line(self, mistake: CourseFileError) -> None:
        problem = f"Line {mistake.line}: {mistake.problem}"
        self.blame("further", problem, mistake.remedy)

    def read_further(self) -> Document | None:
        """The field `further` as a document of fields; or None, with its mistake told."""
        try:
            document = parse_document(Path("form.yaml"), self.cleaned_data.get("further", ""))
            if not isinstance(document.data, dict):
                raise document.mistake((), "these are no fields", "write `field: value`")
        except CourseFileError as error:
            self.blame_line(error)
            return None
        return document


class FurtherField(forms.CharField):
    """Fields of the schema as YAML."""

    widget = forms.Textarea(attrs={"rows": 36, "cols": 100, "spellcheck": "false"})

    @staticmethod
    def written(data: dict[str, Any]) -> str:
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


@admin.action(description="Retire: hide it, keep what students did")
def retire(_admin: "ContentAdmin", _request: HttpRequest, chosen: QuerySet[Any]) -> None:
    _set_retired(chosen, retired=True)


@admin.action(description="Bring back what was retired")
def bring_back(_admin: "ContentAdmin", _request: HttpRequest, chosen: QuerySet[Any]) -> None:
    _set_retired(chosen, retired=False)


def _set_retired(chosen: QuerySet[Any], *, retired: bool) -> None:
    if chosen.model is Quiz:
        Activity.objects.filter(quiz__in=chosen).update(retired=retired)
    chosen.update(retired=retired)
    saving.connect()


class ContentAdmin(admin.ModelAdmin):
    """Course content is retired, never deleted."""

    actions = (retire, bring_back)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ModuleForm(SchemaForm):
    class Meta:
        model = Module
        fields = ("key", "number", "title", "summary", "weeks", "locked", "position")

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not self.errors:
            known = {name: data[name] for name in schema.Module.model_fields if name in data}
            self.hold_against(schema.Module, known)
        return data


@admin.register(Module)
class ModuleAdmin(ContentAdmin):
    form = ModuleForm
    list_display = ("number", "title", "locked", "retired")


class ResourceForm(SchemaForm):
    content: schema.Resource
    url = forms.URLField(label="URL", assume_scheme="https")
    further = FurtherField(help_text=f"YAML as in the file: {', '.join(FURTHER)}.")

    class Meta:
        model = Resource
        fields = (
            "module",
            "key",
            "number",
            "type",
            "title",
            "authors",
            "published",
            "url",
            "stars",
            "learning_value",
            "minutes_full",
            "minutes_summary",
            "why",
            "body",
            "position",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["key"].disabled = True
            self.initial["further"] = FurtherField.written(_further(self.instance))

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        document = None if self.errors else self.read_further()
        if document is None:
            return data
        columns = (
            *("key", "number", "type", "title", "authors", "published", "url", "stars"),
            *("learning_value", "why"),
        )
        minutes = {"full": data["minutes_full"], "summary": data["minutes_summary"]}
        fields = {name: data[name] for name in columns} | {"minutes": minutes}
        content = self.hold_against(schema.Resource, document.data | fields, document)
        if content is None:
            return data
        self.content = content
        self._check_references(document)
        try:
            list(texts(content, data["body"], Renderer.of_database()))
        except MarkdownError as error:
            field = next((name for name in ("body", "why") if error.excerpt in data[name]), "")
            self.blame(field, f"{error.excerpt!r}: {error.problem}", error.remedy)
        return data

    def _check_references(self, document: Document) -> None:
        """Whatever the YAML names by key is there."""
        objectives, companions = self.content.objectives, self.content.companions
        activities = [
            (("objectives", index, "earned_by"), key)
            for index, objective in enumerate(objectives)
            for key in objective.earned_by
        ] + [
            (("companions", index, "activity"), companion.activity)
            for index, companion in enumerate(companions)
            if companion.activity
        ]
        prerequisites = [
            (("prerequisites", index, "key"), item.key)
            for index, item in enumerate(self.content.prerequisites)
        ]
        citations = [(("cites", index), key) for index, key in enumerate(self.content.cites)]
        for what, named, rows in (
            ("activity", activities, Activity.objects.published()),
            ("resource", prerequisites, Resource.objects.published()),
            ("citation", citations, Citation.objects.all()),
        ):
            there = set(rows.values_list("key", flat=True))
            for location, key in named:
                if key not in there:
                    known = meant(key, there, "or add it first")
                    problem = f"there is no {what} {key!r}"
                    self.blame_line(document.mistake(location, problem, known))


def _further(resource: Resource) -> dict[str, Any]:
    """The further fields of a resource, in the order and the form of the files."""
    objectives = [
        {
            "key": objective.key,
            "text": objective.text,
            "earned_by": [activity.key for activity in objective.activities.all()],
        }
        for objective in resource.objectives.all()
    ]
    every = {**resource.data, "objectives": objectives}
    return {name: _without_none(every[name]) for name in FURTHER if every.get(name)}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


@admin.register(Resource)
class ResourceAdmin(ContentAdmin):
    form = ResourceForm
    list_display = ("title", "number", "type", "stars", "module", "retired")
    list_filter = ("module", "type", "retired")

    def save_model(
        self, request: HttpRequest, obj: Resource, form: ResourceForm, change: bool
    ) -> None:
        saved = saving.save_resource(
            module=obj.module,
            content=form.content,
            body=obj.body,
            position=obj.position,
            digest=obj.digest,
            renderer=Renderer.of_database(),
        )
        keys = [item.key for item in form.content.prerequisites]
        required = Resource.objects.filter(key__in=keys)
        saved.prerequisites.set(required)
        saving.connect()
        obj.pk = saved.pk


class QuizForm(SchemaForm):
    class Meta:
        model = Quiz
        fields = ("title", "resource", "pass_mark", "draw", "position")

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        questions = self.instance.pool().count()
        if data.get("draw", 0) > questions:
            problem = f"{data['draw']} questions cannot be drawn from {questions}"
            self.blame("draw", problem, "draw fewer, or write more questions")
        return data


@admin.register(Quiz)
class QuizAdmin(ContentAdmin):
    form = QuizForm
    list_display = ("title", "resource", "draw", "pass_mark", "retired")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A quiz comes from a file: it is an activity that other files refer to."""
        return False


class QuestionForm(SchemaForm):
    content: AnyQuestion
    further = FurtherField(
        label="Content", help_text="YAML as in a quiz file, without the key: type, prompt, ..."
    )

    class Meta:
        model = Question
        fields = ("quiz", "key", "position")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["key"].disabled = self.fields["quiz"].disabled = True
            if self.instance.current:
                content = {**self.instance.current.content}
                del content["key"]
                self.initial["further"] = FurtherField.written(_without_none(content))

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        document = None if self.errors else self.read_further()
        if document is None:
            return data
        whole = {**document.data, "key": data["key"]}
        content = self.hold_against(AnyQuestion, whole, document)
        if content is None:
            return data
        self.content = content
        if not Skill.objects.filter(key=content.skill).exists():
            every = Skill.objects.values_list("key", flat=True)
            known = meant(content.skill, every, "or leave it out")
            problem = f"there is no skill {content.skill!r}"
            self.blame_line(document.mistake(("skill",), problem, known))
        if isinstance(content, Label):
            self._check_diagram(content, document)
        try:
            for problem in answers_itself(content):
                self.blame("", f"it does not answer itself: {problem}", "look at its answer")
        except MarkdownError as error:
            self.blame_line(document.mistake_near(error.excerpt, error.problem, error.remedy))
        except MistakeError as error:
            self.blame_line(document.mistake(error.location, error.problem, error.remedy))
        return data

    def _check_diagram(self, content: Label, document: Document) -> None:
        drawn = set(Diagram.objects.values_list("key", flat=True))
        if content.diagram not in drawn:
            known = meant(content.diagram, drawn, "or draw it first")
            problem = f"there is no diagram {content.diagram!r}"
            self.blame_line(document.mistake(("diagram",), problem, known))


@admin.register(Question)
class QuestionAdmin(ContentAdmin):
    form = QuestionForm
    list_display = ("key", "quiz", "type", "retired")
    list_filter = ("quiz", "retired")
    list_select_related = ("quiz", "current")

    @admin.display
    def type(self, question: Question) -> str:
        return question.current.content["type"] if question.current else ""

    def save_model(
        self, request: HttpRequest, obj: Question, form: QuestionForm, change: bool
    ) -> None:
        """What attempts have drawn stays as it was: other content is a new version."""
        saved = saving.save_question(
            quiz=obj.quiz,
            content=form.content,
            position=obj.position,
            renderer=Renderer.of_database(),
        )
        obj.pk = saved.pk


@admin.register(Evidence)
class EvidenceAdmin(admin.ModelAdmin):
    """To be looked at; evidence is never changed."""

    list_display = ("student", "activity", "score", "passed", "source", "created_at")
    list_filter = ("activity", "passed")
    list_select_related = ("student", "activity")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Evidence | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Evidence | None = None) -> bool:
        return False
