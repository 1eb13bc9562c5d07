"""The certificate of a module: every competency mastered, and what that rests on.

A competency is mastered at 80 % from two kinds of good evidence, see mastery.py. The certificate
keeps what was true on the day, so nothing that is changed later changes it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from courses import mastery
from courses.mastery import Standing
from courses.models import Certificate, Module, Observation
from people.models import User

# How many parts of a competency are named as those to work at first.
WEAKEST = 3


class NotYetError(Exception):
    """No certificate yet; `missing` says why, in words, for each competency that is missing."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__("; ".join(missing))
        self.missing = missing


@dataclass(frozen=True)
class Competency:
    """One of those that must be mastered, and how the student stands in it."""

    standing: Standing

    @property
    def is_mastered(self) -> bool:
        return self.standing.is_mastered

    @property
    def missing(self) -> list[str]:
        """What stands between the student and mastery, in words."""
        return self.standing.missing

    @property
    def weakest(self) -> list[Standing]:
        """The parts that hold it back most."""
        parts = (part for part in self.standing.parts if not part.is_mastered)
        return sorted(parts, key=lambda part: part.mastery)[:WEAKEST]

    @property
    def statement(self) -> dict[str, Any]:
        return {
            "title": self.standing.skill.title,
            "percent": self.standing.percent,
            "kinds": [Observation.Kind(kind).label for kind in sorted(self.standing.kinds)],
            "observations": self.standing.count,
        }


@dataclass(frozen=True)
class Candidacy:
    """How a student stands towards the certificate of a module."""

    module: Module
    competencies: list[Competency]

    @property
    def mastered(self) -> int:
        return sum(competency.is_mastered for competency in self.competencies)

    @property
    def missing(self) -> list[str]:
        """Why there is no certificate yet. Without any competency there is nothing to certify."""
        if not self.competencies:
            return ["This module names no competencies, so there is nothing to certify."]
        return [
            f"{competency.standing.skill.title}: {words}"
            for competency in self.competencies
            for words in competency.missing
        ]

    @property
    def is_ready(self) -> bool:
        return not self.missing


def standing_for(student: User, module: Module) -> Candidacy:
    """Three queries. Competencies belong to no single module yet: each needs all of them."""
    return Candidacy(
        module=module,
        competencies=[
            Competency(standing)
            for standing in mastery.standings(student)
            if standing.skill.competency
        ],
    )


def issue(student: User, module: Module, at: datetime) -> Certificate:
    """The student's certificate of the module, made now if there is none. Raises NotYetError."""
    with transaction.atomic():
        # Evidence waits for this row too: what the certificate states is true as it is made.
        User.objects.select_for_update().only("pk").get(pk=student.pk)
        if known := Certificate.objects.filter(student=student, module=module).first():
            return known
        candidacy = standing_for(student, module)
        if candidacy.missing:
            raise NotYetError(candidacy.missing)
        return Certificate.objects.create(
            student=student,
            module=module,
            statement=_statement(student, candidacy, at),
            issued_at=at,
        )


def _statement(student: User, candidacy: Candidacy, at: datetime) -> dict[str, Any]:
    return {
        "name": student.name,
        "module": str(candidacy.module),
        "competencies": [competency.statement for competency in candidacy.competencies],
        "date": timezone.localdate(at).isoformat(),
    }
