"""A teach-back: drafted, submitted, weighed against the model answer, and graded once.

Whoever is in a cohort with an instructor is graded by them. For everybody else the points they
gave themselves count, and the evidence says so. After a grade one may write again.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from courses import evidence, rubrics
from courses.models import Explanation, TeachBack
from courses.rubrics import Points
from people.models import User

FEWEST_WORDS = 40
LONGEST_TEXT = 20_000


class TooShortError(ValueError):
    """The text is no explanation yet."""


class AlreadySubmittedError(Exception):
    """What arrives is about an explanation that is no draft any more."""


class ChangedElsewhereError(Exception):
    """Another tab has kept another text since this form was opened; `text` is that."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            "This was changed in another tab, so what you type here is not kept."
            " Press “Keep the draft” to see both."
        )


class NotSubmittedError(Exception):
    """A draft is its writer's own; it cannot be graded."""


class AlreadyGradedError(Exception):
    """The grade stands."""


def version(text: str) -> str:
    """What a form remembers of the draft it was opened on, so that no tab undoes another."""
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""


def words(text: str) -> int:
    return len(text.split())


@dataclass(frozen=True)
class Work:
    """What a student has written for a teach-back, the latest first."""

    teach_back: TeachBack
    explanations: list[Explanation]

    @property
    def latest(self) -> Explanation | None:
        return self.explanations[0] if self.explanations else None

    @property
    def draft(self) -> Explanation | None:
        """What is being written."""
        return self.latest if self.latest and self.latest.submitted_at is None else None

    @property
    def waiting(self) -> Explanation | None:
        """What was submitted and has no grade yet: until then nothing new is written."""
        latest = self.latest
        return latest if latest and latest.submitted_at and latest.graded_at is None else None

    @property
    def graded(self) -> list[Explanation]:
        return [explanation for explanation in self.explanations if explanation.graded_at]

    @property
    def best(self) -> Explanation | None:
        """The grade that counts for most: the best, and of equals the first."""
        return max(reversed(self.graded), key=lambda row: row.score or 0.0, default=None)

    @property
    def number(self) -> int:
        """The number of the explanation that is written now, or would be next."""
        if self.latest is None:
            return 1
        return self.latest.number + 1 if self.latest.graded_at else self.latest.number

    @property
    def version(self) -> str:
        return version(self.draft.text) if self.draft else ""

    @property
    def text(self) -> str:
        """What to go on from: the draft, or what was last graded."""
        return self.latest.text if self.latest else ""


def work_of(student: User, teach_back: TeachBack) -> Work:
    """One query."""
    mine = Explanation.objects.filter(student=student, teach_back=teach_back)
    explanations = list(mine.order_by("-number"))
    for explanation in explanations:
        explanation.student, explanation.teach_back = student, teach_back
    return Work(teach_back, explanations)


def keep(
    work: Work, *, student: User, number: int, text: str, at: datetime, seen: str = ""
) -> Explanation:
    """Keep what is written so far.

    `number` is that of the explanation the page showed, `seen` the version of its draft. Raises
    AlreadySubmittedError and ChangedElsewhereError.
    """
    # A page left open since then must neither change what was submitted nor begin another.
    if work.waiting or number != work.number:
        raise AlreadySubmittedError
    with transaction.atomic():
        draft, _created = Explanation.objects.select_for_update().get_or_create(
            student=student,
            teach_back=work.teach_back,
            number=number,
            defaults={"text": text, "started_at": at},
        )
        if draft.submitted_at:
            raise AlreadySubmittedError
        if draft.text != text:
            if seen != version(draft.text):
                raise ChangedElsewhereError(draft.text)
            draft.text = text
            draft.save(update_fields=["text"])
    return draft


def submit(draft: Explanation, *, at: datetime) -> None:
    """Hand it in as it was kept. Raises TooShortError and AlreadySubmittedError."""
    count = words(draft.text)
    if count < FEWEST_WORDS:
        raise TooShortError(
            f"Write at least {FEWEST_WORDS} words before you submit; there are {count} so far."
        )
    # Zero rows mean that another tab has submitted it.
    if not _drafts(draft).update(submitted_at=at, text=draft.text):
        raise AlreadySubmittedError
    draft.submitted_at = at


def _drafts(explanation: Explanation) -> QuerySet[Explanation]:
    return Explanation.objects.filter(pk=explanation.pk, submitted_at=None)


def has_instructor(student: User) -> bool:
    """Whether somebody teaches a cohort that the student is in."""
    teachers = User.objects.filter(cohorts_taught__memberships__student=student, is_active=True)
    return teachers.exclude(pk=student.pk).exists()


def assess(explanation: Explanation, points: Points, *, at: datetime) -> None:
    """The student's own points. Without an instructor they are the grade.

    Raises WrongPointsError, NotSubmittedError and AlreadyGradedError.
    """
    rubrics.share(explanation.teach_back.rubric, points)
    if not has_instructor(explanation.student):
        _close(explanation, points, comment="", grader=explanation.student, at=at)
    elif _ungraded(explanation).update(own=dict(points)):
        explanation.own = dict(points)
    else:
        raise _refusal(explanation)


def grade(
    explanation: Explanation, points: Points, *, comment: str, grader: User, at: datetime
) -> None:
    """An instructor's grade, which stands: it is given once.

    Raises WrongPointsError, NotSubmittedError and AlreadyGradedError.
    """
    _close(explanation, points, comment=comment, grader=grader, at=at)


def _close(
    explanation: Explanation, points: Points, *, comment: str, grader: User, at: datetime
) -> None:
    """Write the grade down and record the evidence, together and once."""
    score = rubrics.share(explanation.teach_back.rubric, points)
    changes: dict[str, Any] = {
        "given": dict(points),
        "comment": comment,
        "graded_by": grader,
        "graded_at": at,
        "score": score,
    }
    if grader == explanation.student:
        changes["own"] = dict(points)
    with transaction.atomic():
        # The row is taken by this UPDATE; zero rows mean that another grade was first.
        if not _ungraded(explanation).update(**changes):
            raise _refusal(explanation)
        for field, value in changes.items():
            setattr(explanation, field, value)
        self_assessed = ", self-assessed" if explanation.is_self_assessed else ""
        evidence.record(
            student=explanation.student,
            activity=explanation.teach_back.activity,
            score=score,
            passed=explanation.passed,
            source=f"explanation {explanation.number}{self_assessed}",
            url=explanation.get_absolute_url(),
            at=at,
        )


def _ungraded(explanation: Explanation) -> QuerySet[Explanation]:
    return Explanation.objects.filter(pk=explanation.pk, submitted_at__isnull=False, graded_at=None)


def _refusal(explanation: Explanation) -> Exception:
    is_draft = Explanation.objects.filter(pk=explanation.pk, submitted_at=None).exists()
    return NotSubmittedError() if is_draft else AlreadyGradedError()
