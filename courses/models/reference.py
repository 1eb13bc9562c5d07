"""What the course is looked up in: glossary, bibliography, further reading, pitfalls, links."""

from django.db import models
from django.urls import reverse
from django.utils import timezone

from courses.models.content import Module, Resource
from courses.models.querysets import PublishedQuerySet


class Term(models.Model):
    """A term of the glossary. `forms` are the spellings by which texts link to it."""

    key = models.SlugField(unique=True, max_length=80)
    term = models.CharField(max_length=100)
    forms = models.JSONField(default=list)
    link = models.BooleanField(default=True, help_text="Whether texts link to it by themselves.")
    definition_html = models.TextField()
    original = models.TextField(blank=True)
    fact_html = models.TextField(blank=True)
    see = models.ManyToManyField(Resource, related_name="terms", blank=True)

    class Meta:
        ordering = ("term",)

    def __str__(self) -> str:
        return self.term

    def get_absolute_url(self) -> str:
        return reverse("courses:term", args=(self.key,))


class Mention(models.Model):
    """A page of the course that uses a term: the way back from the glossary."""

    term = models.ForeignKey(Term, on_delete=models.CASCADE, related_name="mentions")
    url = models.CharField(max_length=200)
    title = models.CharField(max_length=250)

    class Meta:
        ordering = ("title",)
        constraints = (
            models.UniqueConstraint(fields=("term", "url"), name="one_mention_per_page"),
        )

    def __str__(self) -> str:
        return self.title


class Citation(models.Model):
    """What the course cites; `content` is a schema.Citation."""

    key = models.SlugField(unique=True, max_length=80)
    content = models.JSONField()
    bibtex = models.TextField()
    resource = models.ForeignKey(
        Resource, on_delete=models.SET_NULL, null=True, blank=True, related_name="citations"
    )
    cited_by = models.ManyToManyField(Resource, related_name="cites", blank=True)

    class Meta:
        ordering = ("key",)

    def __str__(self) -> str:
        return self.key


class AdvancedReading(models.Model):
    """What to read once the checkpoints of a module are passed."""

    module = models.ForeignKey(Module, on_delete=models.CASCADE, related_name="advanced")
    key = models.SlugField(unique=True, max_length=80)
    topic = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    url = models.URLField()
    why_html = models.TextField()
    minutes = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return self.title


class Pitfall(models.Model):
    """A habit that costs students time, and the words of the nudge; see pitfalls.py for when."""

    key = models.SlugField(unique=True)
    title = models.CharField(max_length=200)
    problem_html = models.TextField()
    advice_html = models.JSONField(default=list)
    nudge_html = models.TextField()
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("position",)

    def __str__(self) -> str:
        return self.title


class Link(models.Model):
    """An address outside the campus that the course names, and what the last check found."""

    class Status(models.TextChoices):
        OK = "ok", "There"
        MOVED = "moved", "Moved"
        GONE = "gone", "Gone"
        UNKNOWN = "unknown", "Not known"

    url = models.URLField(unique=True, max_length=500)
    places = models.JSONField(default=list, help_text="Title and address of the pages it is on.")
    status = models.CharField(max_length=10, choices=Status, default=Status.UNKNOWN)
    detail = models.CharField(max_length=300, blank=True)
    location = models.CharField(max_length=500, blank=True, help_text="Where it has moved to.")
    checked_at = models.DateTimeField(null=True, blank=True)
    retired = models.BooleanField(default=False)

    objects = PublishedQuerySet["Link"].as_manager()

    class Meta:
        ordering = ("url",)

    def __str__(self) -> str:
        return self.url


class LinkCheck(models.Model):
    """One look at a link."""

    link = models.ForeignKey(Link, on_delete=models.CASCADE, related_name="checks")
    status = models.CharField(max_length=10, choices=Link.Status)
    detail = models.CharField(max_length=300, blank=True)
    location = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at",)

    def __str__(self) -> str:
        return f"{self.status} at {self.at:%Y-%m-%d}"
