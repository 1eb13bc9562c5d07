"""Quizzes, their questions through all versions, and what students answered."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from courses.models.content import Activity, Resource, Skill
from courses.models.querysets import OwnedQuerySet, PublishedQuerySet


class Quiz(models.Model):
    activity = models.OneToOneField(Activity, on_delete=models.PROTECT, related_name="quiz")
    resource = models.ForeignKey(
        Resource, on_delete=models.PROTECT, null=True, blank=True, related_name="quizzes"
    )
    key = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    pass_mark = models.FloatField(default=0.8, help_text="The share of points that passes, 0-1.")
    draw = models.PositiveSmallIntegerField(help_text="How many questions an attempt draws.")
    pool_skills = models.ManyToManyField(
        Skill,
        related_name="+",
        blank=True,
        help_text="Without questions of its own it draws from all that test one of these.",
    )
    pool_types = models.JSONField(
        default=list, blank=True, help_text="Only questions of these types; empty for all."
    )
    position = models.PositiveSmallIntegerField(default=0)
    digest = models.CharField(max_length=64, editable=False, help_text="Of the file loaded last.")
    retired = models.BooleanField(default=False)

    objects = PublishedQuerySet["Quiz"].as_manager()

    class Meta:
        ordering = ("position", "key")
        verbose_name_plural = "quizzes"

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("courses:quiz", args=(self.key,))

    def pool(self) -> "PublishedQuerySet[Question]":
        """The questions that attempts draw from: its own, or those that test its pool's skills."""
        there = Question.objects.published().filter(current__isnull=False, quiz__retired=False)
        skills = self.pool_skills.all()
        if not skills:
            return there.filter(quiz=self)
        drawn = there.filter(skill__in=skills)
        return drawn.filter(type__in=self.pool_types) if self.pool_types else drawn


class Question(models.Model):
    """One question of a quiz through all its versions; new attempts get the current one."""

    quiz = models.ForeignKey(Quiz, on_delete=models.PROTECT, related_name="questions")
    key = models.SlugField()
    current = models.ForeignKey(
        "QuestionVersion", on_delete=models.PROTECT, null=True, related_name="+", editable=False
    )
    skill = models.ForeignKey(
        Skill, on_delete=models.PROTECT, null=True, related_name="questions", editable=False
    )
    type = models.CharField(max_length=20, default="", editable=False)
    position = models.PositiveSmallIntegerField(default=0)
    of_file = models.BooleanField(
        default=False, editable=False, help_text="A file brought it, so a file can take it away."
    )
    retired = models.BooleanField(default=False)

    objects = PublishedQuerySet["Question"].as_manager()

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("quiz", "key"), name="one_question_per_key"),
        )

    def __str__(self) -> str:
        return self.key


class QuestionVersion(models.Model):
    """What a question said at one time. Never changed, so an attempt can pin it.

    `content` is a courses.questions.Question as JSON, `html` what its `rendered` gave; only the
    links to the glossary in it follow the glossary.
    """

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="versions")
    digest = models.CharField(max_length=64)
    content = models.JSONField()
    html = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("question", "digest"), name="one_version_per_digest"),
        )

    def __str__(self) -> str:
        return f"{self.question_id} {self.digest[:8]}"


class QuizAttempt(models.Model):
    """Questions drawn for one student from `seed`. Reserved in the database before it is shown."""

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="quiz_attempts"
    )
    quiz = models.ForeignKey(Quiz, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    submitted_at = models.DateTimeField(null=True, blank=True)
    score = models.FloatField(null=True, blank=True, help_text="The share of points, 0-1.")

    objects = OwnedQuerySet["QuizAttempt"].as_manager()

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(
                fields=("student", "quiz", "number"), name="attempts_are_numbered"
            ),
            models.UniqueConstraint(
                fields=("student", "quiz"),
                condition=Q(submitted_at__isnull=True),
                name="one_open_attempt_per_quiz",
            ),
        )

    def __str__(self) -> str:
        return f"attempt {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("courses:attempt", args=(self.pk,))

    @property
    def passed(self) -> bool:
        return self.score is not None and self.score >= self.quiz.pass_mark


class Answer(models.Model):
    """One question of an attempt. `response` is what was typed, field by field, as it was typed."""

    attempt = models.ForeignKey(QuizAttempt, on_delete=models.CASCADE, related_name="answers")
    version = models.ForeignKey(QuestionVersion, on_delete=models.PROTECT, related_name="answers")
    position = models.PositiveSmallIntegerField()
    response = models.JSONField(default=list)
    score = models.FloatField(null=True, blank=True, help_text="0-1.")
    feedback = models.JSONField(default=dict)

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("attempt", "position"), name="one_answer_per_position"),
        )

    def __str__(self) -> str:
        return f"question {self.position}"
