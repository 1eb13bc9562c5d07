"""Checkpoints with their gates and teach-backs, and the certificate at the end."""

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from courses.models.content import Activity, Module, Resource
from courses.models.querysets import OwnedQuerySet, PublishedQuerySet

# The share of a rubric's points that passes a teach-back.
PASS_MARK = 0.8


class Checkpoint(models.Model):
    """A stop where a student shows what has been learnt so far."""

    module = models.ForeignKey(Module, on_delete=models.PROTECT, related_name="checkpoints")
    key = models.SlugField(unique=True)
    number = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    summary = models.TextField()
    summary_html = models.TextField(editable=False)
    digest = models.CharField(max_length=64, editable=False, help_text="Of the file loaded last.")
    retired = models.BooleanField(default=False)

    objects = PublishedQuerySet["Checkpoint"].as_manager()

    class Meta:
        ordering = ("module__position", "number")

    def __str__(self) -> str:
        return f"Checkpoint {self.number}: {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("courses:checkpoint", args=(self.key,))


class Gate(models.Model):
    """One item of a checkpoint: open once any of its activities is passed."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, related_name="gates")
    key = models.SlugField()
    text = models.TextField()
    text_html = models.TextField(editable=False)
    activities = models.ManyToManyField(Activity, related_name="gates")
    remediation = models.ManyToManyField(Resource, related_name="+", blank=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("checkpoint", "key"), name="one_gate_per_key"),
        )

    def __str__(self) -> str:
        return self.text


class TeachBack(models.Model):
    """Explain it to a colleague, in writing. `rubric` holds its criteria with their points."""

    checkpoint = models.OneToOneField(
        Checkpoint, on_delete=models.PROTECT, related_name="teach_back"
    )
    activity = models.OneToOneField(Activity, on_delete=models.PROTECT, related_name="teach_back")
    title = models.CharField(max_length=200)
    prompt_html = models.TextField(editable=False)
    rubric = models.JSONField(default=list)
    model_answer_html = models.TextField(editable=False)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("courses:teach-back", args=(self.checkpoint.key,))

    @property
    def points(self) -> int:
        return sum(criterion["points"] for criterion in self.rubric)


class Explanation(models.Model):
    """What a student wrote for a teach-back: a draft, then submitted, then graded by the rubric.

    `own` are the points the student gave themself after reading the model answer, `given` those of
    the grader; both by the criteria's keys. Without an instructor the student's own points count,
    and the evidence says so.
    """

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="explanations"
    )
    teach_back = models.ForeignKey(TeachBack, on_delete=models.PROTECT, related_name="explanations")
    number = models.PositiveSmallIntegerField()
    text = models.TextField(blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True, blank=True)
    own = models.JSONField(default=dict)
    given = models.JSONField(default=dict)
    comment = models.TextField(blank=True)
    graded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="explanations_graded",
    )
    graded_at = models.DateTimeField(null=True, blank=True)
    score = models.FloatField(null=True, blank=True, help_text="The share of points, 0-1.")

    objects = OwnedQuerySet["Explanation"].as_manager()

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(
                fields=("student", "teach_back", "number"), name="explanations_are_numbered"
            ),
            models.UniqueConstraint(
                fields=("student", "teach_back"),
                condition=Q(graded_at__isnull=True),
                name="one_ungraded_explanation",
            ),
        )

    def __str__(self) -> str:
        return f"explanation {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("courses:explanation", args=(self.pk,))

    @property
    def passed(self) -> bool:
        return self.score is not None and self.score >= PASS_MARK

    @property
    def is_self_assessed(self) -> bool:
        """Whether the grade is the student's own."""
        return self.graded_by_id is not None and self.graded_by_id == self.student_id


def _code() -> str:
    return secrets.token_urlsafe(12)


class Certificate(models.Model):
    """That a student has mastered every competency of a module; anybody can verify it.

    `statement` is what was true on the day: the name, and each competency with its evidence.
    """

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="certificates"
    )
    module = models.ForeignKey(Module, on_delete=models.PROTECT, related_name="certificates")
    code = models.CharField(max_length=32, unique=True, default=_code, editable=False)
    statement = models.JSONField()
    issued_at = models.DateTimeField(default=timezone.now)

    objects = OwnedQuerySet["Certificate"].as_manager()

    class Meta:
        ordering = ("-issued_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("student", "module"), name="one_certificate_per_module"
            ),
        )

    def __str__(self) -> str:
        return f"certificate {self.code}"

    def get_absolute_url(self) -> str:
        return reverse("courses:certificate", args=(self.code,))
