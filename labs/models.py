"""What is run: labs, draws, predictions, runs and their artifacts; and the hosts that run them."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.urls import reverse

from courses.models import Activity, OwnedQuerySet, Resource
from labs import kinds
from people.models import User

# A worker that has not been heard of for this long counts as gone.
SILENCE = timedelta(seconds=15)


class Lane(models.TextChoices):
    QUICK = "quick", "Quick"
    HEAVY = "heavy", "Heavy"
    CODE = "code", "Code"


class State(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    TIMED_OUT = "timed_out", "Timed out"
    CANCELLED = "cancelled", "Cancelled"


FINAL = (State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.CANCELLED)


class Fault(models.TextChoices):
    """Whose fault it was that a run has no result."""

    NONE = "", "Nobody's"
    OURS = "ours", "Ours"
    REQUEST = "request", "The request's"


class LabQuerySet(models.QuerySet["Lab"]):
    def visible_to(self, user: User | AnonymousUser) -> "LabQuerySet":
        """The published labs, for everyone who is signed in."""
        if not user.is_authenticated:
            return self.none()
        return self.filter(retired=False)

    def exercises(self) -> "LabQuerySet":
        """Those in which a student writes code: the rungs of the ladder, from the lowest."""
        return self.filter(activity__kind="exercise")

    def without_exercises(self) -> "LabQuerySet":
        """Those of the narrower sense, where one predicts: help and its price are exercises'."""
        return self.exclude(activity__kind="exercise")


class Lab(models.Model):
    """A lab of the course, loaded from its file; or an exercise, whose work is to run code."""

    activity = models.OneToOneField(Activity, on_delete=models.PROTECT, related_name="lab")
    key = models.SlugField(max_length=100, unique=True)
    number = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    question = models.CharField(max_length=200, help_text="What the lab asks, in one sentence.")
    kind = models.CharField(max_length=50)
    resource = models.ForeignKey(
        Resource, on_delete=models.SET_NULL, null=True, blank=True, related_name="labs"
    )
    body = models.TextField(blank=True)
    body_html = models.TextField(blank=True, editable=False)
    parameters = models.JSONField(default=dict, blank=True)
    minutes = models.PositiveSmallIntegerField(default=20)
    digest = models.CharField(max_length=64, blank=True, editable=False)
    retired = models.BooleanField(default=False)

    objects = LabQuerySet.as_manager()

    class Meta:
        ordering = ("number",)

    def __str__(self) -> str:
        return f"{kinds.REGISTRY[self.kind].noun} {self.number}: {self.title}"

    def get_absolute_url(self) -> str:
        return reverse(kinds.REGISTRY[self.kind].page, args=[self.key])


class Hint(models.Model):
    """Help with an exercise, which costs a share of its points once a student has taken it."""

    lab = models.ForeignKey(Lab, on_delete=models.CASCADE, related_name="hints")
    number = models.PositiveSmallIntegerField()
    text = models.TextField()
    text_html = models.TextField(editable=False)
    cost = models.PositiveSmallIntegerField(help_text="Percent of the points.")

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=("lab", "number"), name="one_hint_a_number"),)

    def __str__(self) -> str:
        return f"hint {self.number} of {self.lab}"


class TakenHint(models.Model):
    """That a student has read a hint. What it cost is kept, for a hint may be written anew."""

    lab = models.ForeignKey(Lab, on_delete=models.CASCADE, related_name="taken_hints")
    student = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    number = models.PositiveSmallIntegerField()
    cost = models.PositiveSmallIntegerField(help_text="Percent of the points.")
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=("lab", "student", "number"), name="a_hint_costs_once"),
        )

    def __str__(self) -> str:
        return f"hint {self.number} of {self.lab} taken by {self.student}"


class GivenUp(models.Model):
    """That a student asked for the model solution before they had passed."""

    lab = models.ForeignKey(Lab, on_delete=models.CASCADE, related_name="given_up")
    student = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("lab", "student"), name="one_gives_up_once"),
        )

    def __str__(self) -> str:
        return f"{self.student} gave {self.lab} up"


class Draft(models.Model):
    """The code in a student's editor, as it was last saved.

    The version counts the saves, so that a second window cannot write over the first unseen.
    """

    lab = models.ForeignKey(Lab, on_delete=models.CASCADE, related_name="drafts")
    student = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    code = models.TextField()
    version = models.PositiveIntegerField(default=1)
    saved_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("lab", "student"), name="one_draft_a_lab"),)

    def __str__(self) -> str:
        return f"draft of {self.lab} by {self.student}"


class Draw(models.Model):
    """One set of drawn values of a lab for a student; everything drawn follows from the seed."""

    lab = models.ForeignKey(Lab, on_delete=models.CASCADE, related_name="draws")
    student = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    number = models.PositiveIntegerField()
    seed = models.PositiveBigIntegerField()
    values = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("lab", "student", "number"), name="one_draw_a_number"),
        )

    def __str__(self) -> str:
        return f"draw {self.number} of {self.lab} for {self.student}"


class Prediction(models.Model):
    """What a student expected, kept as it was before any run on its draw."""

    draw = models.OneToOneField(Draw, on_delete=models.CASCADE, related_name="prediction")
    values = models.JSONField()
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"prediction on {self.draw}"


class RunQuerySet(OwnedQuerySet["Run"]):
    def owned_by(self, user: User | AnonymousUser) -> "RunQuerySet":
        return self.filter(student_id=user.pk)

    def unfinished(self) -> "RunQuerySet":
        # By the names of its states: so the index on the queue finds it.
        return self.filter(state__in=(State.QUEUED, State.RUNNING))

    def counted(self) -> "RunQuerySet":
        """Runs that count towards a quota: those that failed through our fault do not."""
        return self.exclude(fault=Fault.OURS)

    def in_lists(self) -> "RunQuerySet":
        """As a list shows them, with their labs: what is long stays in the database."""
        return self.select_related("lab").defer(
            *("result", "grade_detail", "choices", "lab__body", "lab__body_html")
        )

    def handed_over(self) -> "RunQuerySet":
        """Runs that are outside the database: in the broker, or with a worker."""
        return self.unfinished().filter(Q(state=State.RUNNING) | Q(handed_over_at__isnull=False))


class Run(models.Model):
    """One piece of work for the engine, from the click to its graded result."""

    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="runs")
    student = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="runs"
    )
    draw = models.ForeignKey(Draw, on_delete=models.PROTECT, null=True, related_name="runs")
    # A double click sends the same key twice and finds the run that the first click made.
    idempotency_key = models.UUIDField(default=uuid.uuid4)
    lane = models.CharField(max_length=10, choices=Lane)
    kind = models.CharField(max_length=50)
    # Pinned when the run is made: editing the lab changes no run that exists.
    parameters = models.JSONField(default=dict)
    choices = models.JSONField(default=dict, help_text="What the student chose.")

    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    # The attempt is the fencing token: whoever holds an older one cannot write a result.
    attempt = models.PositiveIntegerField(default=0)
    losses = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=200, blank=True)
    lease_expires_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField()
    handed_over_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    message = models.TextField(blank=True)
    fault = models.CharField(max_length=10, choices=Fault, default=Fault.NONE, blank=True)
    result = models.JSONField(null=True)
    grade = models.FloatField(null=True)
    grade_detail = models.JSONField(null=True)
    conclusion = models.JSONField(null=True)
    fingerprint = models.JSONField(default=dict)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("student", "idempotency_key"), name="one_run_a_submission"
            ),
            models.CheckConstraint(
                name="a_running_run_has_a_lease",
                condition=~Q(state=State.RUNNING) | Q(lease_expires_at__isnull=False),
            ),
            models.CheckConstraint(
                name="only_a_final_run_has_finished",
                condition=Q(state__in=FINAL, finished_at__isnull=False)
                | (~Q(state__in=FINAL) & Q(finished_at__isnull=True)),
            ),
        )
        indexes = (
            models.Index(fields=("lane", "state", "created_at"), name="run_queue"),
            models.Index(fields=("student", "-created_at"), name="run_history"),
            # How long a lab's runs take is asked for every run that waits.
            models.Index(fields=("lab", "state", "-finished_at"), name="run_past"),
            models.Index(
                fields=("lease_expires_at",), condition=Q(state=State.RUNNING), name="run_lease"
            ),
        )

    def __str__(self) -> str:
        return f"run {self.pk} of {self.lab}"

    def get_absolute_url(self) -> str:
        return reverse("labs:run", args=[self.pk])

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def was_ours(self) -> bool:
        return self.fault == Fault.OURS

    @property
    def seconds(self) -> float | None:
        """Wall time from the start of the last attempt to the end, in seconds."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    @property
    def events_attempt(self) -> int:
        """The attempt whose events to follow: the current one, or the next while queued."""
        return self.attempt + 1 if self.state == State.QUEUED else self.attempt

    @property
    def scratch(self) -> Path:
        """The directory in which the current attempt's child works."""
        return Path(settings.CAMPUS_HOME) / "scratch" / f"{self.pk}-{self.attempt}"


class Artifact(models.Model):
    """A file that a run left: its events and log, or a file that the engine wrote."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="artifacts")
    name = models.CharField(max_length=100)
    file = models.FileField(upload_to="runs/%Y/%m/")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("run", "name"), name="one_artifact_a_name"),)

    def __str__(self) -> str:
        return f"{self.name} of {self.run}"


class WorkerHostQuerySet(models.QuerySet["WorkerHost"]):
    def online(self, at: datetime) -> "WorkerHostQuerySet":
        return self.filter(seen_at__gte=at - SILENCE)

    def gone(self, at: datetime) -> "WorkerHostQuerySet":
        """Hosts that have been silent for so long that nobody asks where they are."""
        return self.filter(seen_at__lt=at - 20 * SILENCE)


class WorkerHost(models.Model):
    """A worker process's heartbeat. Heartbeats are rows: the broker may be wiped at any moment."""

    name = models.CharField(max_length=200, unique=True)
    lanes = models.JSONField(default=list)
    fingerprint = models.JSONField(default=dict)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = WorkerHostQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
