"""The explanations of a cohort's students that an instructor grades."""

from dataclasses import dataclass

from django import forms
from django.db.models import QuerySet

from courses.models import Explanation
from people.models import Cohort, User

RECENTLY_GRADED = 50


class CommentForm(forms.Form):
    comment = forms.CharField(
        label="Comment",
        help_text="What was good, and what would make it better. The student reads this.",
        widget=forms.Textarea(attrs={"rows": 5}),
        max_length=5_000,
        required=False,
    )


@dataclass(frozen=True)
class Queue:
    """`waiting` are those without a grade, the one that has waited longest first."""

    waiting: list[Explanation]
    graded: list[Explanation]


def submitted(cohort: Cohort, grader: User) -> QuerySet[Explanation]:
    """What the cohort's students have submitted and the grader may grade: never their own."""
    return (
        Explanation.objects.visible_to(grader)
        .filter(student__in=cohort.students.all(), submitted_at__isnull=False)
        .exclude(student=grader)
        .select_related("student", "graded_by", "teach_back__checkpoint", "teach_back__activity")
    )


def waiting(cohort: Cohort, grader: User) -> QuerySet[Explanation]:
    return submitted(cohort, grader).filter(graded_at=None).order_by("submitted_at", "pk")


def queue(cohort: Cohort, grader: User) -> Queue:
    """Two queries."""
    graded = submitted(cohort, grader).filter(graded_at__isnull=False).order_by("-graded_at")
    return Queue(list(waiting(cohort, grader)), list(graded[:RECENTLY_GRADED]))
