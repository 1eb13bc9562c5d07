"""What students did, only ever added to, and what follows from it."""

from typing import Any, NoReturn

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from courses.models.content import Activity, Objective, Skill
from courses.models.querysets import M, OwnedQuerySet


class EvidenceIsAppendOnlyError(TypeError):
    """Evidence is history: what happened is added to, never changed or taken back."""


class AppendOnlyQuerySet(OwnedQuerySet[M]):
    def update(self, **_kwargs: Any) -> NoReturn:
        raise EvidenceIsAppendOnlyError("Evidence cannot be changed; record new evidence.")

    def delete(self) -> NoReturn:
        raise EvidenceIsAppendOnlyError("Evidence cannot be deleted.")


class AppendOnly(models.Model):
    """A row that is written once."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise EvidenceIsAppendOnlyError("Evidence cannot be changed; record new evidence.")
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise EvidenceIsAppendOnlyError("Evidence cannot be deleted.")


class Evidence(AppendOnly):
    """That a student did an activity, how well, and where that can be seen. Append-only."""

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="evidence"
    )
    activity = models.ForeignKey(Activity, on_delete=models.PROTECT, related_name="evidence")
    score = models.FloatField(
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)], help_text="0-1."
    )
    passed = models.BooleanField()
    source = models.CharField(max_length=100, help_text="What gave it, e.g. run 12.")
    url = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = AppendOnlyQuerySet["Evidence"].as_manager()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "evidence"
        indexes = (models.Index(fields=("student", "activity", "passed")),)
        constraints = (
            models.CheckConstraint(
                name="a_score_is_a_share", condition=Q(score__gte=0.0, score__lte=1.0)
            ),
        )

    def __str__(self) -> str:
        return f"{self.source}: {self.score:.0%}"


class Observation(AppendOnly):
    """What a piece of evidence shows of one skill. Append-only, as the evidence is."""

    class Kind(models.TextChoices):
        QUESTION = "question", "Question"
        LAB = "lab", "Lab"
        EXERCISE = "exercise", "Exercise"
        REVIEW = "review", "Review"
        TEACH_BACK = "teach-back", "Teach-back"

    evidence = models.ForeignKey(Evidence, on_delete=models.CASCADE, related_name="observations")
    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="observations"
    )
    skill = models.ForeignKey(Skill, on_delete=models.PROTECT, related_name="observations")
    kind = models.CharField(max_length=20, choices=Kind)
    score = models.FloatField(
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)], help_text="0-1."
    )

    objects = AppendOnlyQuerySet["Observation"].as_manager()

    class Meta:
        ordering = ("pk",)
        indexes = (models.Index(fields=("student", "skill")),)
        constraints = (
            models.CheckConstraint(
                name="an_observed_score_is_a_share", condition=Q(score__gte=0.0, score__lte=1.0)
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.score:.0%}"


class Mastery(models.Model):
    """How well a student has a skill: derived from observations, see mastery.py.

    `points` and `weight` are the two sums of its formula, `kinds` which kinds of evidence were
    good ones.
    """

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="masteries"
    )
    skill = models.ForeignKey(Skill, on_delete=models.CASCADE, related_name="masteries")
    points = models.FloatField()
    weight = models.FloatField()
    count = models.PositiveIntegerField()
    kinds = models.JSONField(default=list)

    objects = OwnedQuerySet["Mastery"].as_manager()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "masteries"
        constraints = (
            models.UniqueConstraint(fields=("student", "skill"), name="one_mastery_per_skill"),
        )

    def __str__(self) -> str:
        return f"skill {self.skill_id}: {self.points:.2f} of {self.weight:.2f}"


class ObjectiveEarned(models.Model):
    """That a student has earned an objective: derived from evidence, see progress.py."""

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="objectives_earned"
    )
    objective = models.ForeignKey(Objective, on_delete=models.CASCADE, related_name="earned")
    evidence = models.ForeignKey(Evidence, on_delete=models.CASCADE, related_name="earned")
    earned_at = models.DateTimeField()

    objects = OwnedQuerySet["ObjectiveEarned"].as_manager()

    class Meta:
        ordering = ("pk",)
        verbose_name_plural = "objectives earned"
        constraints = (
            models.UniqueConstraint(
                fields=("student", "objective"), name="an_objective_is_earned_once"
            ),
        )

    def __str__(self) -> str:
        return f"objective {self.objective_id} earned"
