"""Recording what a student has done."""

from datetime import datetime

from django.db import transaction

from courses import progress
from courses.models import Activity, Evidence
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
) -> Evidence:
    """Append evidence and what it earns, inside the caller's transaction.

    `score` is a share of 1; `source` names what gave it ("run 12") and `url` shows it.
    """
    with transaction.atomic(savepoint=False):
        evidence = Evidence.objects.create(
            student=student,
            activity=activity,
            score=score,
            passed=passed,
            source=source,
            url=url,
            created_at=at,
        )
        progress.extend(evidence)
    return evidence
