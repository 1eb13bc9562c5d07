"""Habits that cost students time: when to say so, gently, and never twice about the same thing.

The rules are pure: they look at a reading or at the way through a module, and at the clock they are
given. What they find is a sign; its words come from the course's files.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, Q

from courses.models import Note, Nudge, Pitfall, QuizAttempt
from courses.standing import Record, Unit
from courses.track import Track
from people.models import User

LONG = timedelta(minutes=10)
SKIPPED = 2
IN_A_ROW = 3
RUSH = timedelta(days=2)
SKIPPED_DERIVATION = "skipped-derivation"
PASSIVE_READING = "passive-reading"
THEORY_ONLY = "theory-only"
RUSHING = "rushing"
# Those that a reading shows; the others are for home.
OF_A_READING = (SKIPPED_DERIVATION, PASSIVE_READING)


@dataclass(frozen=True)
class Sign:
    """A pitfall that somebody may be in, and what set it off: a reading or the module, by key."""

    pitfall: str
    about: str


@dataclass(frozen=True)
class Reading:
    """How somebody reads one text. Derivations are named by their numbers."""

    resource: str
    time: timedelta
    passed: frozenset[int] = frozenset()
    opened: frozenset[int] = frozenset()
    has_note: bool = False
    has_tried: bool = False

    @classmethod
    def of(cls, student: User, unit: Unit, record: Record) -> "Reading | None":
        """The reading so far; none on the first visit. Without need no query, at most two.

        `record` is what the student has of this reading.
        """
        if unit.place is None:
            return None
        time = timedelta(seconds=unit.place.seconds)
        has_tried = bool(record.best)
        has_note = False
        if time >= LONG and not has_tried:
            activities = [activity for activity, _passed in unit.activities]
            begun = QuizAttempt.objects.filter(student=student, quiz__activity__in=activities)
            written = Note.objects.filter(student=student, resource=unit.resource)
            has_tried = begun.exists()
            has_note = any(text.strip() for text in written.values_list("text", flat=True))
        return cls(
            resource=unit.resource.key,
            time=time,
            passed=frozenset(unit.place.passed),
            opened=frozenset(unit.place.opened),
            has_note=has_note,
            has_tried=has_tried,
        )

    def signs(self) -> list[Sign]:
        """The most specific first."""
        found = []
        if len(self.passed - self.opened) >= SKIPPED:
            found.append(Sign(SKIPPED_DERIVATION, self.resource))
        if self.time >= LONG and not self.has_note and not self.has_tried:
            found.append(Sign(PASSIVE_READING, self.resource))
        return found


@dataclass(frozen=True)
class Opening:
    """The first time that somebody opened a reading; `on_path` tells whether their path has it."""

    resource: str
    at: datetime
    on_path: bool = True


@dataclass(frozen=True)
class Way:
    """How somebody goes through a module. `readings` is how many their path has."""

    module: str
    readings: int
    openings: tuple[Opening, ...]
    practised_at: datetime | None = None

    @classmethod
    def of(cls, track: Track, *, open_attempt: QuizAttempt | None) -> "Way":
        """From what home has already asked for.

        A submitted attempt and a run that ended well both leave evidence; besides there is only
        the attempt that is open.
        """
        practised = [row.created_at for row in track.record.evidence]
        if open_attempt:
            practised.append(open_attempt.started_at)
        on_path = {unit.resource.pk for unit in track.on_path}
        return cls(
            module=track.module.key,
            readings=len(on_path),
            openings=tuple(
                Opening(unit.resource.key, unit.place.opened_at, unit.resource.pk in on_path)
                for unit in track.units
                if unit.place and unit.place.opened_at
            ),
            practised_at=max(practised, default=None),
        )

    def signs(self, at: datetime) -> list[Sign]:
        """The most specific first."""
        found = []
        row = sorted(
            (
                opening
                for opening in self.openings
                if self.practised_at is None or opening.at > self.practised_at
            ),
            key=lambda opening: opening.at,
        )
        if len(row) >= IN_A_ROW:
            # About the row's first reading, which stays the same however long the row grows.
            found.append(Sign(THEORY_ONLY, row[0].resource))
        recent = sum(opening.on_path and opening.at >= at - RUSH for opening in self.openings)
        if 2 * recent > self.readings:
            found.append(Sign(RUSHING, self.module))
        return found


@dataclass(frozen=True)
class Prompt:
    """A nudge to be shown: the words, and what it is about."""

    pitfall: Pitfall
    about: str


def prompt(student: User, signs: Sequence[Sign]) -> Prompt | None:
    """The first of the signs that the student has not put away. One query, without signs none."""
    if not signs:
        return None
    put_away = Nudge.objects.filter(student=student)
    unseen = Q()
    for sign in signs:
        known = put_away.filter(pitfall=sign.pitfall, about=sign.about)
        unseen |= Q(~Exists(known), key=sign.pitfall)
    words = {pitfall.key: pitfall for pitfall in Pitfall.objects.filter(unseen)}
    shown = (sign for sign in signs if sign.pitfall in words)
    return next((Prompt(words[sign.pitfall], sign.about) for sign in shown), None)


def put_away(student: User, sign: Sign, *, at: datetime) -> None:
    """The student has seen the nudge; twice is the same as once."""
    Nudge.objects.get_or_create(
        student=student,
        pitfall=sign.pitfall,
        about=sign.about,
        defaults={"dismissed_at": at},
    )
