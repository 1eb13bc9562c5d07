"""The diagnostic: which path its answers propose.

The rule is shown to the student: at least four fifths in every area proposes Standard, everything
right Deep, and anything less Fast. It proposes; the student chooses.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from courses.models import Answer, Path
from people.models import User

DIAGNOSTIC = "diagnostic"
SURE = 0.8


@dataclass(frozen=True)
class Area:
    """A thing the course builds on, and how the diagnostic went there (0-1)."""

    key: str
    title: str
    score: float

    @property
    def is_sure(self) -> bool:
        return self.score >= SURE


@dataclass(frozen=True)
class Proposal:
    path: Path
    areas: list[Area]

    @property
    def to_refresh(self) -> list[Area]:
        return [area for area in self.areas if not area.is_sure]


def path_for(areas: Iterable[Area]) -> Path:
    """The path for these results. Without any, Standard."""
    scores = [area.score for area in areas]
    if all(score >= 1.0 for score in scores) and scores:
        return Path.DEEP
    return Path.STANDARD if all(score >= SURE for score in scores) else Path.FAST


def proposal(student: User) -> Proposal | None:
    """What the student's latest diagnostic proposes; None before there is one. One query."""
    answers = Answer.objects.filter(
        attempt__student=student,
        attempt__quiz__key=DIAGNOSTIC,
        attempt__submitted_at__isnull=False,
        version__question__skill__isnull=False,
    ).select_related("version__question__skill")
    latest = list(answers.order_by("-attempt__number").defer("version__content", "version__html"))
    if not latest:
        return None
    scores: dict[tuple[str, str], list[float]] = {}
    for answer in latest:
        skill = answer.version.question.skill
        if skill and answer.attempt_id == latest[0].attempt_id:
            scores.setdefault((skill.key, skill.title), []).append(answer.score or 0.0)
    areas = [
        Area(key, title, sum(found) / len(found)) for (key, title), found in sorted(scores.items())
    ]
    return Proposal(path_for(areas), areas)
