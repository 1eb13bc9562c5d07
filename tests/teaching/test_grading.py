"""Instructors grade the teach-backs of their own cohorts: once, and nobody else does."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from courses import teach_backs
from courses.models import Activity, Checkpoint, Evidence, Explanation, Module, TeachBack
from people.models import Cohort, Membership, User

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
TEXT = "A block normalises, attends, adds and feeds forward. " * 8
RUBRIC = [
    {"key": "attention", "html": "Attention, step by step", "points": 3},
    {"key": "number", "html": "A number that is right", "points": 2},
]
FULL = {"points-attention": "3", "points-number": "2", "comment": "Well said."}
QUEUE = "/cohorts/spring/teach-backs/"


@pytest.fixture
def block(db: None) -> TeachBack:
    module = Module.objects.create(
        key="foundations", number=1, title="Foundations", summary="", weeks="2-3"
    )
    return TeachBack.objects.create(
        checkpoint=Checkpoint.objects.create(
            module=module, key="architecture", number=1, title="Architecture", summary=""
        ),
        activity=Activity.objects.create(
            key="teach-back-architecture",
            kind="teach-back",
            title="Teach-back: a block",
            url="/checkpoints/architecture/teach-back/",
            module=module,
        ),
        title="What happens in a block",
        rubric=RUBRIC,
    )


def hand_in(student: User, teach_back: TeachBack, *, at: datetime = NOW) -> Explanation:
    work = teach_backs.work_of(student, teach_back)
    draft = teach_backs.keep(work, student=student, number=work.number, text=TEXT, at=at)
    teach_backs.submit(draft, at=at)
    return draft


def page(explanation: Explanation, cohort: str = "spring") -> str:
    return reverse("teaching:grade", args=(cohort, explanation.pk))


# What must not work.


def test_students_strangers_and_visitors_find_nothing(
    client: Client, block: TeachBack, ada: User, ben: User, stranger: User
) -> None:
    explanation = hand_in(ada, block)
    for url in (QUEUE, page(explanation)):
        assert client.get(url)["Location"].startswith(reverse("account_login"))
    for nosy in (ada, ben, stranger):
        client.force_login(nosy)
        for url in (QUEUE, page(explanation)):
            assert client.get(url).status_code == 404
        assert client.post(page(explanation), FULL).status_code == 404
    assert not Evidence.objects.exists()


def test_an_instructor_of_another_cohort_finds_nothing_by_any_address(
    client: Client, block: TeachBack, ada: User, iris: User, cohort: Cohort, other_cohort: Cohort
) -> None:
    explanation = hand_in(ada, block)
    cohort.instructors.remove(iris)
    other_cohort.instructors.add(iris)
    client.force_login(iris)
    assert client.get(QUEUE).status_code == 404
    for slug in ("spring", "autumn"):
        assert client.get(page(explanation, slug)).status_code == 404
        assert client.post(page(explanation, slug), FULL).status_code == 404
    assert "Ada" not in client.get("/cohorts/autumn/teach-backs/").content.decode()
    assert not Evidence.objects.exists()


def test_a_draft_is_neither_listed_nor_graded(
    client: Client, block: TeachBack, ada: User, iris: User
) -> None:
    draft = teach_backs.keep(
        teach_backs.work_of(ada, block), student=ada, number=1, text=TEXT, at=NOW
    )
    client.force_login(iris)
    assert "Nothing is waiting" in client.get(QUEUE).content.decode()
    assert client.get(page(draft)).status_code == 404
    assert client.post(page(draft), FULL).status_code == 404
    with pytest.raises(teach_backs.NotSubmittedError):
        teach_backs.grade(draft, {"attention": 3, "number": 2}, comment="", grader=iris, at=NOW)


def test_nobody_grades_their_own(
    client: Client, block: TeachBack, iris: User, cohort: Cohort
) -> None:
    Membership.objects.create(cohort=cohort, student=iris)
    own = hand_in(iris, block)
    client.force_login(iris)
    assert "Nothing is waiting" in client.get(QUEUE).content.decode()
    assert client.post(page(own), FULL).status_code == 404


@pytest.mark.parametrize(
    "change",
    [{"points-attention": "4"}, {"points-attention": "-1"}, {"points-number": ""}],
)
def test_tampered_points_give_no_grade_and_keep_the_comment(
    client: Client, block: TeachBack, ada: User, iris: User, change: dict[str, str]
) -> None:
    explanation = hand_in(ada, block)
    client.force_login(iris)
    response = client.post(page(explanation), FULL | change)
    assert response.status_code == 422
    assert "Well said.</textarea>" in response.content.decode()
    explanation.refresh_from_db()
    assert explanation.graded_at is None


def test_a_second_grade_is_refused_and_the_first_stands(
    client: Client, block: TeachBack, ada: User, iris: User, olga: User
) -> None:
    explanation = hand_in(ada, block)
    client.force_login(olga)
    client.post(page(explanation), FULL)
    client.force_login(iris)
    response = client.post(page(explanation), FULL | {"points-attention": "0"}, follow=True)
    html = response.content.decode()
    assert "This had been graded before. The first grade stands." in html
    assert "Graded by Olga" in html
    assert "Give this grade" not in html
    explanation.refresh_from_db()
    assert (explanation.score, explanation.graded_by) == (1.0, olga)
    assert Evidence.objects.count() == 1


# What works.


def test_the_cohort_says_how_many_wait_and_the_longest_waiting_stands_first(
    client: Client, block: TeachBack, ada: User, ben: User, iris: User
) -> None:
    hand_in(ada, block, at=NOW)
    hand_in(ben, block, at=NOW - timedelta(days=2))
    client.force_login(iris)
    html = client.get("/cohorts/spring/").content.decode()
    assert f'href="{QUEUE}"' in html
    assert "2 waiting for a grade" in html
    html = client.get(QUEUE).content.decode()
    assert html.index("Ben: ") < html.index("Ada: ")


def test_a_grade_reaches_the_student_and_the_evidence(
    client: Client, block: TeachBack, ada: User, iris: User
) -> None:
    explanation = hand_in(ada, block)
    teach_backs.assess(explanation, {"attention": 1, "number": 0}, at=NOW)
    client.force_login(iris)
    html = client.get(page(explanation)).content.decode()
    assert "normalises, attends" in html
    assert "1 of 3" in html, "Ada's own points"
    html = client.post(page(explanation), FULL, follow=True).content.decode()
    assert "Ada has your grade." in html
    assert "Nothing is waiting" in html
    assert "passed, 100" in html
    explanation.refresh_from_db()
    assert explanation.own == {"attention": 1, "number": 0}
    assert explanation.given == {"attention": 3, "number": 2}
    found = Evidence.objects.get()
    assert (found.student, found.activity, found.source) == (ada, block.activity, "explanation 1")
    client.force_login(ada)
    assert "Well said." in client.get(explanation.get_absolute_url()).content.decode()


def test_what_was_begun_stands_under_the_students_cell(
    client: Client, block: TeachBack, ada: User, iris: User
) -> None:
    explanation = hand_in(ada, block)
    client.force_login(iris)
    html = client.get("/cohorts/spring/ada/activities/teach-back-architecture/").content.decode()
    assert f'href="{explanation.get_absolute_url()}"' in html
    assert "waits for a grade" in html


def test_the_pages_ask_the_database_little_however_many_wait(
    client: Client,
    block: TeachBack,
    cohort: Cohort,
    iris: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(9):
        student = User.objects.create_user(f"student-{number}")
        Membership.objects.create(cohort=cohort, student=student)
        explanation = hand_in(student, block)
        if number % 2:
            teach_backs.grade(
                explanation, {"attention": 3, "number": 2}, comment="", grader=iris, at=NOW
            )
    client.force_login(iris)
    for url in (QUEUE, page(explanation)):
        with django_assert_max_num_queries(12):
            assert client.get(url).status_code == 200
