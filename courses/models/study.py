"""How a student studies: the plan, where they left off, and their notes."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from courses.models.content import Module, Resource
from courses.models.querysets import OwnedQuerySet, PrivateQuerySet


class Place(models.Model):
    """Where a student left off in a resource; the latest is where home says to go on."""

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="places"
    )
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="places")
    anchor = models.CharField(max_length=100, blank=True)
    section = models.CharField(max_length=200, blank=True, help_text="The anchor's heading.")
    read = models.JSONField(default=list, help_text="Anchors of the sections that were read.")
    seconds = models.PositiveIntegerField(default=0, help_text="How long the page was in view.")
    pages = models.JSONField(
        default=list, help_text="The seconds each open page has told so far: [page, seconds]."
    )
    opened = models.JSONField(default=list, help_text="Derivations that were opened.")
    passed = models.JSONField(default=list, help_text="Derivations that were scrolled past.")
    opened_at = models.DateTimeField(
        null=True, help_text="The first visit; nothing for those of before this was kept."
    )
    at = models.DateTimeField(default=timezone.now)

    objects = OwnedQuerySet["Place"].as_manager()

    class Meta:
        ordering = ("-at",)
        constraints = (
            models.UniqueConstraint(fields=("student", "resource"), name="one_place_per_resource"),
        )

    def __str__(self) -> str:
        return f"{self.resource_id}#{self.anchor}"


class Note(models.Model):
    """What a student wrote down beside a resource. Nobody else sees it, whatever their role."""

    LONGEST = 20_000

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notes"
    )
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="notes")
    text = models.TextField(max_length=LONGEST)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = PrivateQuerySet["Note"].as_manager()

    class Meta:
        ordering = ("-changed_at",)
        constraints = (
            models.UniqueConstraint(fields=("student", "resource"), name="one_note_per_resource"),
        )

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def version(self) -> str:
        """What a form remembers of the note it was opened on, so that no tab undoes another."""
        return self.changed_at.isoformat() if self.pk else ""


class Path(models.TextChoices):
    """How much of a module somebody studies; what belongs to each is a query, see paths.py."""

    FAST = "fast", "Fast"
    STANDARD = "standard", "Standard"
    DEEP = "deep", "Deep"


class StudyPlan(models.Model):
    """The path a student has chosen through a module, from when on, and how many hours a week."""

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="plans"
    )
    module = models.ForeignKey(Module, on_delete=models.CASCADE, related_name="plans")
    path = models.CharField(max_length=20, choices=Path, default=Path.STANDARD)
    starts_on = models.DateField(default=timezone.localdate)
    hours_a_week = models.PositiveSmallIntegerField(
        default=8, validators=[MinValueValidator(1), MaxValueValidator(60)]
    )

    objects = OwnedQuerySet["StudyPlan"].as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("student", "module"), name="one_plan_per_module"),
        )

    def __str__(self) -> str:
        return f"{self.get_path_display()} from {self.starts_on}"


class Nudge(models.Model):
    """A pitfall that was shown to a student, and whether they have put it away."""

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="nudges"
    )
    pitfall = models.CharField(max_length=40)
    about = models.CharField(max_length=80, help_text="What set it off: shown once for each.")
    dismissed_at = models.DateTimeField(default=timezone.now)

    objects = OwnedQuerySet["Nudge"].as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("student", "pitfall", "about"), name="a_nudge_is_dismissed_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.pitfall}: {self.about}"
