"""What is studied: modules, readings and videos, their objectives, and the skills behind them."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse

from courses.models.querysets import PublishedQuerySet


class Module(models.Model):
    """A part of the course, some weeks long."""

    key = models.SlugField(unique=True)
    number = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    summary = models.TextField(help_text="One paragraph of Markdown.")
    weeks = models.CharField(max_length=20, help_text="How many weeks it takes, e.g. 2-3.")
    locked = models.BooleanField(default=False)
    original = models.CharField(
        max_length=200, blank=True, help_text="What the original list called it."
    )
    holds = models.JSONField(default=list, help_text="What a locked module will hold.")
    plan = models.JSONField(
        default=dict, blank=True, editable=False, help_text="Weeks and day blocks, as in the file."
    )
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
    """What a student can do; a part of greater skills, the competencies at the top of them all."""

    key = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    competency = models.BooleanField(default=False, help_text="It must be mastered.")
    part_of = models.ManyToManyField("self", symmetrical=False, blank=True, related_name="parts")
    position = models.PositiveSmallIntegerField(default=0)
    retired = models.BooleanField(default=False)

    objects = PublishedQuerySet["Skill"].as_manager()

    class Meta:
        ordering = ("position", "title")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("courses:skill", args=(self.key,))


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


class Diagram(models.Model):
    """A drawing of the course, as SVG that can stand in a page."""

    key = models.SlugField(unique=True, max_length=80)
    svg = models.TextField()

    def __str__(self) -> str:
        return self.key


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
    published = models.CharField(max_length=100)
    url = models.URLField()
    stars = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(3)]
    )
    learning_value = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(5)]
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
