"""What an admin sees of labs and runs. Labs are edited through the schema of their files."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from pydantic import ValidationError

from courses.documents import MistakeError, explain
from courses.markdown import MarkdownError
from courses.models import Module, Skill
from courses.rendering import Renderer
from labs import kinds
from labs.loading import LabFile, check, save_lab
from labs.models import Artifact, Hint, Lab, Run, WorkerHost


class LabAdminForm(forms.ModelForm):
    """The fields of a lab's file, held against the same schema."""

    module = forms.ModelChoiceField(Module.objects.published())
    skills = forms.ModelMultipleChoiceField(Skill.objects.all(), required=False)
    kind = forms.ChoiceField()
    content: LabFile

    class Meta:
        model = Lab
        fields = ("key", "number", "title", "question", "minutes", "resource", "body", "parameters")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = {name: kind.title for name, kind in sorted(kinds.REGISTRY.items())}
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = list(names.items())
        if self.instance.pk:
            self.fields["key"].disabled = True
            self.initial["kind"] = self.instance.kind
            self.initial["module"] = self.instance.activity.module_id
            self.initial["skills"] = list(self.instance.activity.skills.all())

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        resource = data["resource"]
        try:
            self.content = LabFile(
                key=data["key"],
                number=data["number"],
                title=data["title"],
                question=data["question"],
                kind=data["kind"],
                minutes=data["minutes"],
                skills=tuple(skill.key for skill in data["skills"]),
                resource=resource.key if resource else None,
                parameters=data["parameters"] or {},
            )
            check(self.content)
            Renderer.of_database().block(data["body"])
        except ValidationError as error:
            for detail in error.errors():
                location, problem, remedy = explain(detail, LabFile)
                self._blame(str(location[0]), problem, remedy)
        except MistakeError as error:
            self._blame(str(error.location[0]), error.problem, error.remedy)
        except MarkdownError as error:
            self._blame("body", error.problem, error.remedy)
        return data

    def _blame(self, field: str, problem: str, remedy: str) -> None:
        self.add_error(field if field in self.fields else None, f"{problem}; {remedy}.")


class HintForm(forms.ModelForm):
    """A hint, its text rendered as it is saved."""

    class Meta:
        model = Hint
        fields = ("number", "text", "cost")

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        try:
            self.instance.text_html = Renderer.of_database().block(text)
        except MarkdownError as error:
            raise forms.ValidationError(f"{error.problem}; {error.remedy}.") from error
        return text


class HintInline(admin.StackedInline):
    model = Hint
    form = HintForm
    extra = 0


@admin.register(Lab)
class LabAdmin(admin.ModelAdmin):
    form = LabAdminForm
    list_display = ("__str__", "kind", "resource", "minutes", "retired")
    list_filter = ("kind", "retired")
    inlines = (HintInline,)
    fields = (
        *("key", "module", "number", "title", "question", "kind", "parameters"),
        *("minutes", "skills", "resource", "body"),
    )

    def save_model(self, request: HttpRequest, obj: Lab, form: LabAdminForm, change: bool) -> None:
        """Saved by the loader of the files, so that both ways in make the same lab."""
        data = form.cleaned_data
        lab = save_lab(
            content=form.content,
            body=data["body"],
            module=data["module"],
            digest=obj.digest,
            renderer=Renderer.of_database(),
        )
        obj.pk = lab.pk

    def has_delete_permission(self, request: HttpRequest, obj: Lab | None = None) -> bool:
        """A lab is retired, for runs refer to it."""
        return False


class ArtifactInline(admin.TabularInline):
    model = Artifact
    fields = ("name", "size", "sha256")
    readonly_fields = fields
    extra = 0
    can_delete = False


@admin.register(Run)
class RunAdmin(admin.ModelAdmin):
    """To look at, not to change: a run's record is what happened."""

    list_display = ("pk", "lab", "student", "state", "fault", "attempt", "worker", "created_at")
    list_filter = ("state", "fault", "lane", "lab")
    search_fields = ("student__username", "student__email")
    list_select_related = ("lab", "student")
    date_hierarchy = "created_at"
    inlines = (ArtifactInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return False


@admin.register(WorkerHost)
class WorkerHostAdmin(admin.ModelAdmin):
    list_display = ("name", "lanes", "started_at", "seen_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: WorkerHost | None = None) -> bool:
        return False
