"""Recording what a student has done."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from courses import mastery, progress
from courses.models import Activity, Evidence, Observation
from people.models import User


def record(
    *,
    student: User,
    activity: Activity,
    score: float,
    passed: bool,
    source: str,
    url: str,
    at: datetime,
    observed: Iterable[tuple[int, float]] | None = None,
) -> Evidence:
    """Append evidence and what it earns, inside the caller's transaction.

    `score` is a share of 1; `source` names what gave it ("run 12") and `url` shows it. `observed`
    are the skills it shows something of, by primary key, each with a score; without them the
    activity's skills are all observed with the evidence's own score.
    """
    with transaction.atomic(savepoint=False):
        # One after the other for each student, or two submissions at once would lose one of them.
        User.objects.select_for_update().only("pk").get(pk=student.pk)
        evidence = Evidence.objects.create(
            student=student,
            activity=activity,
            score=score,
            passed=passed,
            source=source,
            url=url,
            created_at=at,
        )
        if observed is None:
            skills = activity.skills.order_by("pk").values_list("pk", flat=True)
            observed = [(skill, score) for skill in skills]
        if observations := mastery.observed(evidence, observed):
            Observation.objects.bulk_create(observations)
            mastery.extend(student, observations)
        progress.extend(evidence)
    return evidence
