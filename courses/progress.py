"""What a student has earned: a pure consequence of the evidence.

An objective is earned by the first passed evidence, in the order of recording, on any of its
activities. `extend` keeps that up to date as evidence arrives; `rebuild` computes it anew and
comes to the same. Mastery of skills follows in mastery.py.
"""

from django.db import transaction

from courses import mastery
from courses.models import Evidence, Objective, ObjectiveEarned
from people.models import User


def extend(evidence: Evidence) -> list[ObjectiveEarned]:
    """Add what this newly recorded evidence earns, and return it."""
    if not evidence.passed:
        return []
    objectives = Objective.objects.filter(activities=evidence.activity_id).exclude(
        earned__student=evidence.student_id
    )
    return ObjectiveEarned.objects.bulk_create(
        [
            ObjectiveEarned(
                student_id=evidence.student_id,
                objective=objective,
                evidence=evidence,
                earned_at=evidence.created_at,
            )
            for objective in objectives
        ]
    )


@transaction.atomic
def rebuild(student: User) -> None:
    """Compute the student's earned objectives and mastery anew, from evidence alone."""
    # Evidence waits for this row too: none of it may come between reading and writing.
    User.objects.select_for_update().only("pk").get(pk=student.pk)
    mastery.rebuild(student)
    first: dict[int, Evidence] = {}
    objectives_of: dict[int, list[int]] = {}
    links = Objective.activities.through.objects.values_list("activity_id", "objective_id")
    for activity, objective in links:
        objectives_of.setdefault(activity, []).append(objective)
    for evidence in Evidence.objects.filter(student=student, passed=True).order_by("pk"):
        for objective in objectives_of.get(evidence.activity_id, ()):
            first.setdefault(objective, evidence)
    ObjectiveEarned.objects.filter(student=student).delete()
    ObjectiveEarned.objects.bulk_create(
        [
            ObjectiveEarned(
                student=student,
                objective_id=objective,
                evidence=evidence,
                earned_at=evidence.created_at,
            )
            for objective, evidence in first.items()
        ]
    )


def rebuild_all() -> None:
    """Rebuild everybody who has evidence: after the links of objectives have changed."""
    for student in User.objects.filter(evidence__isnull=False).distinct():
        rebuild(student)
