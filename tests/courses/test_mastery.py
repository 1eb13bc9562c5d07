"""Mastery: one formula over observations, the same however it is computed."""

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from courses import evidence, mastery, progress
from courses.mastery import Sums
from courses.models import (
    Activity,
    Evidence,
    EvidenceIsAppendOnlyError,
    Mastery,
    ObjectiveEarned,
    Observation,
    Skill,
)
from people.models import User

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
KINDS = ["quiz", "lab", "exercise", "review", "teach-back"]


def sums(*observed: tuple[str, float]) -> Sums:
    found = Sums()
    for kind, score in observed:
        found = found.and_then(kind, score)
    return found


def test_the_formula_by_hand() -> None:
    assert sums(("question", 1.0)).mastery == pytest.approx(1 / 1.5)
    assert sums(("question", 1.0), ("question", 1.0)).mastery == pytest.approx(1.8 / 2.3)
    # A lab of half the points after a right question: (0.8 + 3 * 0.5) / (0.8 + 3 + 0.5).
    assert sums(("question", 1.0), ("lab", 0.5)).mastery == pytest.approx(2.3 / 4.3)


def test_one_right_answer_is_no_mastery_and_three_are() -> None:
    right = ("question", 1.0)
    assert sums(right).mastery < mastery.MASTERED
    assert sums(right, right, right).mastery >= mastery.MASTERED


def test_what_was_shown_last_counts_most() -> None:
    better = sums(("question", 0.0), ("question", 1.0)).mastery
    worse = sums(("question", 1.0), ("question", 0.0)).mastery
    assert better > worse


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(mastery.WEIGHT)), st.floats(0, 1)), min_size=1, max_size=40
    )
)
def test_mastery_is_a_share_and_grows_with_the_score_of_each(
    observed: list[tuple[str, float]],
) -> None:
    value = sums(*observed).mastery
    assert 0 <= value < 1
    for index, (kind, _score) in enumerate(observed):
        raised = [*observed[:index], (kind, 1.0), *observed[index + 1 :]]
        assert sums(*raised).mastery >= value - 1e-12


class RebuildTest(TestCase):
    """However evidence came in, progress computed anew from it is the same."""

    def setUp(self) -> None:
        whole = Skill.objects.create(key="whole", title="Whole", competency=True)
        self.skills = [
            Skill.objects.create(key=f"skill-{n}", title=f"Skill {n}", position=n) for n in range(4)
        ]
        for skill in self.skills:
            skill.part_of.add(whole)
        self.activities = []
        for number, kind in enumerate(KINDS):
            activity = Activity.objects.create(key=f"a-{number}", kind=kind, title=kind)
            activity.skills.set(self.skills[number % 4 :])
            self.activities.append(activity)
        self.people = [User.objects.create_user(name) for name in ("ada", "ben")]

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 1),
                st.integers(0, 4),
                st.floats(0, 1),
                st.none() | st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), max_size=6),
            ),
            max_size=12,
        )
    )
    def test_rebuilt_progress_is_the_same(
        self,
        history: list[tuple[int, int, float, list[tuple[int, float]] | None]],
    ) -> None:
        for person, activity, score, observed in history:
            evidence.record(
                student=self.people[person],
                activity=self.activities[activity],
                score=score,
                passed=score >= 0.8,
                source="a test",
                url="/",
                at=NOW,
                observed=None
                if observed is None
                else [(self.skills[skill].pk, each) for skill, each in observed],
            )
        before = self.state()
        Mastery.objects.all().delete()
        ObjectiveEarned.objects.all().delete()
        call_command("rebuildprogress", verbosity=0)
        assert self.state() == before

    def state(self) -> list[object]:
        mastered = Mastery.objects.order_by("student", "skill").values_list(
            "student", "skill", "points", "weight", "count", "kinds"
        )
        earned = ObjectiveEarned.objects.order_by("student", "objective")
        return [*mastered, *earned.values_list("student", "objective", "evidence")]


@pytest.mark.django_db
def test_observations_are_never_changed_or_deleted(ada: User) -> None:
    skill = Skill.objects.create(key="s", title="S")
    lab = Activity.objects.create(key="lab", kind="lab", title="Lab")
    lab.skills.add(skill)
    evidence.record(
        student=ada, activity=lab, score=1.0, passed=True, source="run 1", url="/runs/1/", at=NOW
    )
    observation = Observation.objects.get()
    with pytest.raises(EvidenceIsAppendOnlyError):
        observation.save()
    with pytest.raises(EvidenceIsAppendOnlyError):
        observation.delete()
    with pytest.raises(EvidenceIsAppendOnlyError):
        Observation.objects.update(score=0.0)
    with pytest.raises(EvidenceIsAppendOnlyError):
        Observation.objects.all().delete()
    assert Evidence.objects.get().observations.get().score == 1.0


def competency(student: User, **scores: float) -> mastery.Standing:
    """A competency of one part, with evidence of these kinds recorded for the student."""
    whole = Skill.objects.create(key="whole", title="Whole", competency=True)
    part = Skill.objects.create(key="part", title="Part")
    part.part_of.add(whole)
    for kind, score in scores.items():
        activity = Activity.objects.create(key=kind, kind=kind, title=kind)
        activity.skills.add(part)
        for _ in range(4):
            evidence.record(
                student=student,
                activity=activity,
                score=score,
                passed=score >= 0.8,
                source="a test",
                url="/",
                at=NOW,
            )
    return mastery.standings(student)[0]


@pytest.mark.django_db
def test_a_competency_needs_two_kinds_of_evidence(ada: User) -> None:
    standing = competency(ada, quiz=1.0)
    assert standing.mastery >= mastery.MASTERED
    assert not standing.is_mastered
    assert standing.missing == ["only one kind of evidence so far (question), and two are needed"]


@pytest.mark.django_db
def test_a_poor_lab_is_no_second_kind(ada: User) -> None:
    assert not competency(ada, lab=0.3, quiz=1.0).is_mastered


@pytest.mark.django_db
def test_two_good_kinds_master_it(ada: User) -> None:
    standing = competency(ada, quiz=1.0, lab=0.9)
    assert standing.is_mastered
    assert standing.missing == []


@pytest.mark.django_db
def test_the_page_of_a_skill_says_why(client: Client, ada: User) -> None:
    competency(ada, quiz=0.5)
    client.force_login(ada)
    page = client.get("/skills/part/").content.decode()
    assert "Why 42 %" in page
    assert page.count("quiz, a test") == 4
    assert "1.476 / (2.952 + 0.5)" in page
    whole = client.get("/skills/whole/").content.decode()
    assert "mastery is 42\u00a0%, and 80\u00a0% is needed" in whole


@pytest.mark.django_db
def test_somebody_elses_evidence_is_not_in_it(client: Client, ada: User, stranger: User) -> None:
    competency(ada, quiz=1.0)
    client.force_login(stranger)
    page = client.get("/skills/part/").content.decode()
    assert "Why 0 %" in page
    assert "a test" not in page


@pytest.mark.django_db
def test_what_is_recorded_meanwhile_waits_until_progress_is_rebuilt(ada: User) -> None:
    """Both take the student's row first; SQLite has one writer at a time anyhow."""
    with CaptureQueriesContext(connection) as queries:
        progress.rebuild(ada)
    first = next(query["sql"] for query in queries if query["sql"].startswith("SELECT"))
    assert 'FROM "people_user"' in first


@pytest.mark.django_db
def test_rebuilding_one_student_leaves_the_others(ada: User, ben: User) -> None:
    competency(ada, quiz=1.0)
    Mastery.objects.update(points=0.0)
    progress.rebuild(ben)
    assert Mastery.objects.get().points == 0.0
    progress.rebuild(ada)
    assert Mastery.objects.get().points > 0.0
