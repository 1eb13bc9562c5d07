"""What is studied, what a student did there, and the evidence it left.

Course content comes from files (see loading.py) or from the admin. What has gone from the files
is retired, never deleted, so that nothing a student made loses what it was about.
"""

from typing import Any, NoReturn, TypeVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from people.models import User

M = TypeVar("M", bound=models.Model)


class PublishedQuerySet(models.QuerySet[M]):
    """Course content. What is published, everybody may read."""

    def published(self) -> "PublishedQuerySet[M]":
        return self.filter(retired=False)


class OwnedQuerySet(models.QuerySet[M]):
    """What belongs to a student."""

    def visible_to(self, user: User | AnonymousUser) -> "OwnedQuerySet[M]":
        """The student's own; for instructors that of their students; for admins all."""
        return self.filter(student__in=User.objects.visible_to(user))


class Module(models.Model):
    """A part of the course, some weeks long."""

    key = models.SlugField(unique=True)
    number = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    summary = models.TextField(help_text="One paragraph of Markdown.")
    weeks = models.CharField(max_length=20, help_text="How many weeks it takes, e.g. 2-3.")
    locked = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)
    digest = models.CharField(max_length=64, editable=False, help_text="Of the file loaded last.")
    retired = models.BooleanField(default=False)

    objects = PublishedQuerySet["Module"].as_manager()

    class Meta:
        ordering = ("position", "number")

    def __str__(self) -> str:
        return f"Module {self.number}: {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("courses:module", args=(self.key,))


class Skill(models.Model):
    key = models.SlugField(unique=True)
    title = models.CharField(max_length=200)

    class Meta:
        ordering = ("title",)

    def __str__(self) -> str:
        return self.title


class Activity(models.Model):
    """Anything that can give evidence: a quiz, a lab. Whoever owns it keeps `url` right."""

    key = models.SlugField(unique=True, max_length=80)
    kind = models.CharField(max_length=20)
    title = models.CharField(max_length=200)
    url = models.CharField(max_length=200, blank=True)
    module = models.ForeignKey(
        Module, on_delete=models.PROTECT, null=True, blank=True, related_name="activities"
    )
    minutes = models.PositiveSmallIntegerField(default=0)
    position = models.PositiveSmallIntegerField(default=0)
    skills = models.ManyToManyField(Skill, related_name="activities", blank=True)
    planned = models.BooleanField(default=False, help_text="Announced; not there yet.")
    retired = models.BooleanField(default=False)

    objects = PublishedQuerySet["Activity"].as_manager()

    class Meta:
        ordering = ("position", "key")
        verbose_name_plural = "activities"

    def __str__(self) -> str:
        return self.title or self.key

    @property
    def is_open(self) -> bool:
        """Whether a student can do it now."""
        return bool(self.url) and not self.planned and not self.retired


class Resource(models.Model):
    """A paper, specification, article or video, with our own summary of it.

    `data` holds the further fields as the file has them (schema.Resource); `html` holds the same
    rendered, and the headings of the summary; `near` names what to read before and after. So
    showing the page renders no Markdown and asks for no neighbours.
    """

    class Type(models.TextChoices):
        PAPER = "paper", "Paper"
        SPECIFICATION = "specification", "Specification"
        BLOG_POST = "blog-post", "Blog post"
        GUIDE = "guide", "Guide"
        VIDEO = "video", "Video"

    module = models.ForeignKey(Module, on_delete=models.PROTECT, related_name="resources")
    key = models.SlugField(unique=True)
    number = models.PositiveSmallIntegerField()
    type = models.CharField(max_length=20, choices=Type)
    title = models.CharField(max_length=200)
    authors = models.CharField(max_length=300)
    published = models.CharField(max_length=60)
    url = models.URLField()
    stars = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(3)]
    )
    minutes_full = models.PositiveSmallIntegerField()
    minutes_summary = models.PositiveSmallIntegerField(null=True, blank=True)
    why = models.TextField(help_text="Why it matters, in Markdown.")
    body = models.TextField(help_text="Our own summary, in Markdown.")
    body_html = models.TextField(editable=False)
    data = models.JSONField(default=dict)
    html = models.JSONField(default=dict, editable=False)
    near = models.JSONField(default=dict, editable=False)
    prerequisites = models.ManyToManyField(
        "self", symmetrical=False, blank=True, related_name="leads_to"
    )
    position = models.PositiveSmallIntegerField(default=0)
    digest = models.CharField(max_length=64, editable=False, help_text="Of the file loaded last.")
    changed_at = models.DateTimeField(auto_now=True)
    retired = models.BooleanField(default=False)

    objects = PublishedQuerySet["Resource"].as_manager()

    class Meta:
        ordering = ("module__position", "position")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("courses:resource", args=(self.key,))

    @property
    def minutes(self) -> int:
        """How long it takes to read what the campus asks for: our summary, else the original."""
        return self.minutes_summary or self.minutes_full


class Objective(models.Model):
    """What a student can do afterwards. Earned by passing any one of its activities."""

    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="objectives")
    key = models.SlugField()
    text = models.TextField()
    text_html = models.TextField(editable=False)
    position = models.PositiveSmallIntegerField(default=0)
    activities = models.ManyToManyField(Activity, related_name="objectives", blank=True)

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=("resource", "key"), name="one_objective_per_key"),
        )

    def __str__(self) -> str:
        return self.text


class Quiz(models.Model):
    activity = models.OneToOneField(Activity, on_delete=models.PROTECT, related_name="quiz")
    resource = models.ForeignKey(
        Resource, on_delete=models.PROTECT, null=True, blank=True, related_name="quizzes"
    )
    key = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    pass_mark = models.FloatField(default=0.8, help_text="The share of points that passes, 0-1.")
    draw = models.PositiveSmallIntegerField(help_text="How many questions an attempt draws.")
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


class Question(models.Model):
    """One question of a quiz through all its versions; new attempts get the current one."""

    quiz = models.ForeignKey(Quiz, on_delete=models.PROTECT, related_name="questions")
    key = models.SlugField()
    current = models.ForeignKey(
        "QuestionVersion", on_delete=models.PROTECT, null=True, related_name="+", editable=False
    )
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

    `content` is a courses.questions.Question as JSON, `html` what its `rendered` gave.
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


class EvidenceIsAppendOnlyError(TypeError):
    """Evidence is history: what happened is added to, never changed or taken back."""


class EvidenceQuerySet(OwnedQuerySet["Evidence"]):
    def update(self, **_kwargs: Any) -> NoReturn:
        raise EvidenceIsAppendOnlyError("Evidence cannot be changed; record new evidence.")

    def delete(self) -> NoReturn:
        raise EvidenceIsAppendOnlyError("Evidence cannot be deleted.")


class Evidence(models.Model):
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

    objects = EvidenceQuerySet.as_manager()

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

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise EvidenceIsAppendOnlyError("Evidence cannot be changed; record new evidence.")
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise EvidenceIsAppendOnlyError("Evidence cannot be deleted.")


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


class Place(models.Model):
    """Where a student left off in a resource; the latest is where home says to go on."""

    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="places"
    )
    resource = models.ForeignKey(Resource, on_delete=models.CASCADE, related_name="places")
    anchor = models.CharField(max_length=100, blank=True)
    section = models.CharField(max_length=200, blank=True, help_text="The anchor's heading.")
    at = models.DateTimeField(default=timezone.now)

    objects = OwnedQuerySet["Place"].as_manager()

    class Meta:
        ordering = ("-at",)
        constraints = (
            models.UniqueConstraint(fields=("student", "resource"), name="one_place_per_resource"),
        )

    def __str__(self) -> str:
        return f"{self.resource_id}#{self.anchor}"
