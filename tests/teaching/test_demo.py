"""The demo's people and their progress: believable, repeatable, never among real people."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone as clock

from courses import loading
from courses.models import Evidence, Place, QuizAttempt
from labs.models import Run
from people import demo
from people.models import Cohort, Membership, User
from teaching import heatmap
from teaching.demo import STORIES, study

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def loaded_course(db: None) -> None:
    loading.load(settings.COURSE_DIR)


@pytest.fixture
def demo_cohort(loaded_course: None) -> Cohort:
    call_command("demopeople", verbosity=0)
    return Cohort.objects.get()


def test_everybody_can_sign_in_and_iris_teaches_a_dozen(
    client: Client, demo_cohort: Cohort
) -> None:
    for username in ("ada", "iris", "olga"):
        assert client.login(username=username, password="campus-demo")
    assert demo_cohort.students.count() == 12
    iris = User.objects.get(username="iris")
    assert list(Cohort.objects.visible_to(iris)) == [demo_cohort]
    assert User.objects.get(username="olga").is_campus_admin


def test_their_progress_shows_every_state_an_instructor_meets(demo_cohort: Cohort) -> None:
    heat = heatmap.build(demo_cohort, at=clock.now())

    assert {cell.state for row in heat.rows for cell in row.cells} == set(heatmap.State)
    worries = " ".join(worry for row in heat.rows for worry in row.worries)
    assert "has not begun" in worries
    assert "days ago" in worries
    assert "none passed" in worries


def test_what_they_did_lies_within_the_last_three_weeks(demo_cohort: Cohort) -> None:
    now = clock.now()
    moments = [
        *Place.objects.values_list("at", flat=True),
        *QuizAttempt.objects.values_list("started_at", flat=True),
        *Evidence.objects.values_list("created_at", flat=True),
    ]

    assert all(now - timedelta(weeks=3) < moment < now for moment in moments)


def test_all_evidence_comes_from_an_attempt_that_can_be_opened(
    client: Client, demo_cohort: Cohort
) -> None:
    client.login(username="iris", password="campus-demo")

    assert Evidence.objects.count() > 20
    for evidence in Evidence.objects.select_related("student"):
        attempt = QuizAttempt.objects.get(
            student=evidence.student, score=evidence.score, submitted_at=evidence.created_at
        )
        assert evidence.url == attempt.get_absolute_url()
        assert client.get(evidence.url).status_code == 200


def test_no_run_is_made_up(demo_cohort: Cohort) -> None:
    assert not Run.objects.exists()


def test_ada_has_everything_before_her(demo_cohort: Cohort) -> None:
    ada = User.objects.get(username="ada")

    assert Place.objects.filter(student=ada).count() == 1
    assert not QuizAttempt.objects.filter(student=ada).exists()


def test_a_student_does_the_same_every_time(loaded_course: None) -> None:
    def scores_of_ben() -> list[float | None]:
        ben = User.objects.create_user("ben")
        study(ben, STORIES["ben"], at=NOW)
        scores = list(ben.quiz_attempts.order_by("pk").values_list("score", flat=True))
        ben.delete()
        return scores

    first = scores_of_ben()
    assert first
    assert scores_of_ben() == first


def test_a_second_time_adds_nothing(demo_cohort: Cohort) -> None:
    before = (User.objects.count(), Membership.objects.count(), Evidence.objects.count())

    call_command("demopeople", verbosity=0)

    assert (User.objects.count(), Membership.objects.count(), Evidence.objects.count()) == before


def test_demo_people_never_move_in_with_real_ones(loaded_course: None, ada: User) -> None:
    call_command("demopeople", verbosity=0)

    assert list(User.objects.all()) == [ada]


def test_a_campus_without_a_course_gets_its_people_all_the_same(db: None) -> None:
    call_command("demopeople", verbosity=0)

    assert User.objects.count() == 2 + len(demo.STUDENTS)
    assert not Place.objects.exists()


def test_every_cell_of_the_demo_opens(client: Client, demo_cohort: Cohort) -> None:
    client.login(username="iris", password="campus-demo")
    page = client.get(reverse("teaching:cohort", args=(demo_cohort.slug,)))

    assert "Ben Osei" in page.content.decode()
