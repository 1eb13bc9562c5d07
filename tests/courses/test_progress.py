"""Evidence is only ever added; what it earns can be computed anew and comes to the same."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from courses import evidence, loading, progress, standing
from courses.models import (
    Activity,
    Evidence,
    EvidenceIsAppendOnlyError,
    ObjectiveEarned,
    Place,
    QuizAttempt,
    Resource,
)
from people.models import User

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def record(student: User, activity: str, *, score: float, at: datetime = NOW) -> Evidence:
    return evidence.record(
        student=student,
        activity=Activity.objects.get(key=activity),
        score=score,
        passed=score >= 0.8,
        source="run 12",
        url="/runs/12/",
        at=at,
    )


def earned(student: User) -> set[tuple[int, int, datetime]]:
    rows = ObjectiveEarned.objects.filter(student=student)
    return set(rows.values_list("objective", "evidence", "earned_at"))


def test_evidence_is_never_changed_nor_deleted(toys: loading.Loaded, ada: User) -> None:
    row = record(ada, "quiz-blocks", score=1.0)
    for change in (
        row.save,
        row.delete,
        Evidence.objects.all().delete,
        lambda: Evidence.objects.update(passed=False),
    ):
        with pytest.raises(EvidenceIsAppendOnlyError):
            change()
    assert Evidence.objects.get().passed


def test_the_first_pass_earns_and_later_failures_take_nothing(
    toys: loading.Loaded, ada: User
) -> None:
    record(ada, "quiz-blocks", score=0.5)
    assert earned(ada) == set()
    first = record(ada, "quiz-blocks", score=0.9, at=NOW + timedelta(hours=1))
    record(ada, "quiz-blocks", score=1.0, at=NOW + timedelta(hours=2))
    record(ada, "quiz-blocks", score=0.0, at=NOW + timedelta(hours=3))
    assert {(row[1], row[2]) for row in earned(ada)} == {(first.pk, first.created_at)}
    assert len(earned(ada)) == 2


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["quiz-blocks", "lab-towers"]),
            st.sampled_from([0.0, 0.5, 0.8, 1.0]),
            st.integers(-5, 5),
        ),
        max_size=8,
    )
)
def test_rebuilding_comes_to_the_same(
    toys: loading.Loaded, ada: User, history: list[tuple[str, float, int]]
) -> None:
    ObjectiveEarned.objects.all().delete()
    before = Evidence.objects.count()
    for activity, score, hours in history:
        record(ada, activity, score=score, at=NOW + timedelta(hours=hours))
    # Examples share a database: what earlier ones left is evidence too.
    if before:
        progress.rebuild(ada)
    kept = earned(ada)
    progress.rebuild(ada)
    assert earned(ada) == kept
    units = standing.units(Resource.objects.published(), standing.record_of(ada))
    shown = {
        (aim.objective.pk, aim.earned.pk, aim.earned.created_at)
        for unit in units
        for aim in unit.aims
        if aim.earned
    }
    assert shown == kept


def test_what_a_student_owns_is_seen_by_them_their_instructor_and_admins(
    toys: loading.Loaded, ada: User, ben: User, iris: User, olga: User, stranger: User
) -> None:
    activity = Activity.objects.get(key="quiz-blocks")
    record(ada, "quiz-blocks", score=1.0)
    QuizAttempt.objects.create(student=ada, quiz=activity.quiz, number=1, seed=1)
    Place.objects.create(student=ada, resource=Resource.objects.get(key="blocks"))
    for rows in (
        Evidence.objects.all(),
        ObjectiveEarned.objects.all(),
        QuizAttempt.objects.all(),
        Place.objects.all(),
    ):
        for user in (ada, iris, olga):
            assert rows.visible_to(user).exists()
        for user in (ben, stranger):
            assert not rows.visible_to(user).exists()


def test_the_progress_page_names_what_earned_each_objective(
    client: Client, toys: loading.Loaded, ada: User
) -> None:
    record(ada, "quiz-blocks", score=1.0)
    client.force_login(ada)
    html = client.get("/progress/").content.decode()
    assert "<strong>2 of 3</strong> objectives earned" in html
    assert 'earned 2 March 2026 by <a href="/runs/12/">run 12</a>' in html
    assert "Lab, Towers (comes later)" in html
    # What is done and what is not begun is shut: of a long list one sees what is under way.
    assert "2 of 2 earned" in html
    assert '<details class="standing" open>' not in html


def test_progress_is_for_those_signed_in(client: Client, db: None) -> None:
    assert client.get("/progress/").status_code == 302
