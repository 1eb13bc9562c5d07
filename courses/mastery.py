"""How well a student has a skill, from what was observed: one formula, shown wherever it is used.

Every observation has a score s from 0 to 1 and a weight w by its kind, which fades by a fifth with
each later observation of the same skill. With a = how many came later,

    mastery = sum(w * 0.8^a * s) / (sum(w * 0.8^a) + 0.5)

The 0.5 is doubt: one right answer is no mastery yet. A skill that is made of others has the mean of
its parts. The two sums are kept in a Mastery row as observations arrive; computed anew from the
observations they come out the same, for each is built by the same steps in the same order.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from courses.models import Evidence, Mastery, Observation, Skill
from people.models import User

Kind = Observation.Kind

WEIGHT: Mapping[str, int] = {
    Kind.QUESTION: 1,
    Kind.REVIEW: 1,
    Kind.TEACH_BACK: 2,
    Kind.EXERCISE: 3,
    Kind.LAB: 3,
}
# The same in words, for the page that shows the formula.
WEIGHTS = [(Kind(kind).label, weight) for kind, weight in WEIGHT.items()]
FADING = 0.8
DOUBT = 0.5
MASTERED = 0.8
# A competency rests on this many kinds of evidence, each seen at least once with a good score.
KINDS_NEEDED = 2
GOOD = 0.8


@dataclass(frozen=True)
class Sums:
    """The two sums of the formula, how many observations they hold, and which kinds were good."""

    points: float = 0.0
    weight: float = 0.0
    count: int = 0
    kinds: frozenset[str] = frozenset()

    def and_then(self, kind: str, score: float) -> "Sums":
        """With one more observation."""
        weight = WEIGHT[kind]
        return Sums(
            points=self.points * FADING + weight * score,
            weight=self.weight * FADING + weight,
            count=self.count + 1,
            kinds=self.kinds | {kind} if score >= GOOD else self.kinds,
        )

    @property
    def mastery(self) -> float:
        return self.points / (self.weight + DOUBT)

    @classmethod
    def of(cls, row: Mastery) -> "Sums":
        return cls(row.points, row.weight, row.count, frozenset(row.kinds))


def extend(student: User, observations: Sequence[Observation]) -> None:
    """Add observations that have just been recorded. Two queries.

    The caller holds the student's row locked, so that no other observation comes between.
    """
    skills = {observation.skill_id for observation in observations}
    rows = Mastery.objects.filter(student=student, skill__in=skills)
    sums = {row.skill_id: Sums.of(row) for row in rows}
    _save(student, _summed(observations, sums))


def rebuild(student: User) -> None:
    """Compute the student's mastery anew, from observations alone."""
    observations = Observation.objects.filter(student=student).order_by("pk")
    Mastery.objects.filter(student=student).delete()
    _save(student, _summed(observations, {}))


def _summed(observations: Iterable[Observation], sums: dict[int, Sums]) -> dict[int, Sums]:
    for observation in observations:
        known = sums.get(observation.skill_id, Sums())
        sums[observation.skill_id] = known.and_then(observation.kind, observation.score)
    return sums


def _save(student: User, sums: Mapping[int, Sums]) -> None:
    Mastery.objects.bulk_create(
        [
            Mastery(
                student=student,
                skill_id=skill,
                points=each.points,
                weight=each.weight,
                count=each.count,
                kinds=sorted(each.kinds),
            )
            for skill, each in sums.items()
        ],
        update_conflicts=True,
        unique_fields=["student", "skill"],
        update_fields=["points", "weight", "count", "kinds"],
    )


@dataclass(frozen=True)
class Standing:
    """A skill and how a student stands in it. `kinds` are those of its parts too."""

    skill: Skill
    mastery: float
    count: int
    kinds: frozenset[str]
    parts: tuple["Standing", ...]

    @property
    def is_mastered(self) -> bool:
        """A competency also needs evidence of two kinds."""
        enough = len(self.kinds) >= KINDS_NEEDED or not self.skill.competency
        return enough and self.mastery >= MASTERED

    @property
    def percent(self) -> int:
        return int(100 * self.mastery)

    @property
    def missing(self) -> list[str]:
        """What stands between the student and mastery, in words."""
        words = []
        if self.mastery < MASTERED:
            words.append(
                f"mastery is {self.percent}\u00a0%, and {100 * MASTERED:.0f}\u00a0% is needed"
            )
        if self.skill.competency and len(self.kinds) < KINDS_NEEDED:
            known = " and ".join(Kind(kind).label.lower() for kind in sorted(self.kinds))
            words.append(
                f"only one kind of evidence so far ({known}), and two are needed"
                if known
                else "there is no good evidence yet, and two kinds are needed"
            )
        return words


def standings(student: User | None) -> list[Standing]:
    """The skills at the top, competencies first, each with its parts. Three queries."""
    skills = list(Skill.objects.published())
    edges = Skill.part_of.through.objects.values_list("from_skill_id", "to_skill_id")
    parts: dict[int, list[int]] = {}
    below = set()
    for part, whole in edges:
        parts.setdefault(whole, []).append(part)
        below.add(part)
    rows = Mastery.objects.filter(student=student) if student else ()
    sums = {row.skill_id: Sums.of(row) for row in rows}
    by_pk = {skill.pk: skill for skill in skills}
    order = {skill.pk: place for place, skill in enumerate(skills)}

    def standing(skill: Skill) -> Standing:
        own = sums.get(skill.pk, Sums())
        inner = tuple(
            standing(by_pk[pk])
            for pk in sorted(parts.get(skill.pk, ()), key=lambda pk: order.get(pk, 0))
            if pk in by_pk
        )
        if not inner:
            return Standing(skill, own.mastery, own.count, own.kinds, ())
        return Standing(
            skill=skill,
            mastery=sum(part.mastery for part in inner) / len(inner),
            count=sum(part.count for part in inner),
            kinds=frozenset().union(*(part.kinds for part in inner)),
            parts=inner,
        )

    tops = [standing(skill) for skill in skills if skill.pk not in below]
    return sorted(tops, key=lambda top: not top.skill.competency)


def standing_of(skill: Skill, standings: Iterable[Standing]) -> Standing:
    """The one of this skill, wherever it is among them or their parts."""
    for standing in standings:
        if standing.skill.pk == skill.pk:
            return standing
        with suppress(LookupError):
            return standing_of(skill, standing.parts)
    raise LookupError(skill.key)


@dataclass(frozen=True)
class Reason:
    """An observation in the formula: what it weighs now, and what it adds to the sum."""

    observation: Observation
    weight: float

    @property
    def points(self) -> float:
        return self.weight * self.observation.score


def reasons(student: User, skill: Skill) -> list[Reason]:
    """Everything that a skill's mastery is made of, the latest first. One query."""
    observations = (
        Observation.objects.filter(student=student, skill=skill)
        .select_related("evidence__activity")
        .order_by("-pk")
    )
    return [
        Reason(observation, WEIGHT[observation.kind] * FADING**age)
        for age, observation in enumerate(observations)
    ]


def observed(evidence: Evidence, scores: Iterable[tuple[int, float]]) -> list[Observation]:
    """Observations of skills (by primary key) that a piece of evidence gives, not yet saved."""
    kind = KIND_OF_ACTIVITY.get(evidence.activity.kind)
    if kind is None:
        return []
    return [
        Observation(
            evidence=evidence,
            student_id=evidence.student_id,
            skill_id=skill,
            kind=kind,
            score=score,
        )
        for skill, score in scores
    ]


KIND_OF_ACTIVITY: Mapping[str, str] = {
    "quiz": Kind.QUESTION,
    "lab": Kind.LAB,
    "exercise": Kind.EXERCISE,
    "review": Kind.REVIEW,
    "teach-back": Kind.TEACH_BACK,
}
