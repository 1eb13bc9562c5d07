"""What an instructor sees of a cohort, and who sees nothing."""

import csv

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from courses import evidence
from courses.models import Place, QuizAttempt
from people.models import Cohort, Membership, User
from tests.teaching.course import Course


@pytest.fixture
def addresses(course: Course, cohort: Cohort, ada: User) -> list[str]:
    """Every address of the teaching pages, for Ada where it is about one student."""
    return [
        reverse("teaching:cohort", args=("spring",)),
        reverse("teaching:cohort_csv", args=("spring",)),
        reverse("teaching:activity", args=("spring", "ada", "quiz-llama")),
        reverse("teaching:resource", args=("spring", "ada", "llama")),
    ]


def test_students_and_strangers_find_nothing(
    client: Client, addresses: list[str], ada: User, stranger: User
) -> None:
    for nosy in (ada, stranger):
        client.force_login(nosy)
        for address in [reverse("teaching:cohorts"), *addresses]:
            assert client.get(address).status_code == 404, (nosy, address)


def test_an_instructor_of_another_cohort_finds_nothing(
    client: Client, addresses: list[str], iris: User, cohort: Cohort, other_cohort: Cohort
) -> None:
    cohort.instructors.remove(iris)
    other_cohort.instructors.add(iris)
    client.force_login(iris)

    assert [client.get(address).status_code for address in addresses] == [404] * 4


def test_visitors_are_asked_to_sign_in(client: Client, addresses: list[str]) -> None:
    for address in addresses:
        response = client.get(address)
        assert response.headers["Location"].startswith(reverse("account_login"))


def test_instructor_and_admin_open_every_page(
    client: Client, addresses: list[str], iris: User, olga: User
) -> None:
    for teacher in (iris, olga):
        client.force_login(teacher)
        for address in [reverse("teaching:cohorts"), *addresses]:
            assert client.get(address).status_code == 200, (teacher, address)


def test_a_student_of_another_cohort_is_not_found_below_this_one(
    client: Client, addresses: list[str], olga: User, stranger: User
) -> None:
    client.force_login(olga)

    response = client.get(reverse("teaching:activity", args=("spring", "stranger", "quiz-llama")))
    assert response.status_code == 404


def test_every_cell_opens_its_evidence(
    client: Client, course: Course, iris: User, ada: User, ben: User
) -> None:
    evidence.record(
        student=ada,
        activity=course.quiz.activity,
        score=0.9,
        passed=True,
        source="attempt 2",
        url="/attempts/77/",
        at=timezone.now(),
    )
    client.force_login(iris)

    page = client.get(reverse("teaching:cohort", args=("spring",))).content.decode()
    for student in ("ada", "ben"):
        for cell in (
            reverse("teaching:resource", args=("spring", student, "llama")),
            reverse("teaching:activity", args=("spring", student, "quiz-llama")),
            reverse("teaching:activity", args=("spring", student, "lab-1")),
        ):
            assert f'href="{cell}"' in page
            assert client.get(cell).status_code == 200

    opened = client.get(reverse("teaching:activity", args=("spring", "ada", "quiz-llama")))
    assert '<a href="/attempts/77/">Attempt 2</a>' in opened.content.decode()
    assert "90\N{NO-BREAK SPACE}%" in opened.content.decode()
    earned = client.get(reverse("teaching:resource", args=("spring", "ada", "llama")))
    assert "1 of 2 earned" in earned.content.decode()
    nothing = client.get(reverse("teaching:activity", args=("spring", "ben", "quiz-llama")))
    assert "Nothing yet" in nothing.content.decode()


def test_an_open_attempt_is_shown_as_begun(
    client: Client, course: Course, iris: User, ada: User
) -> None:
    attempt = QuizAttempt.objects.create(student=ada, quiz=course.quiz, number=1, seed=1)
    client.force_login(iris)

    page = client.get(reverse("teaching:activity", args=("spring", "ada", "quiz-llama")))
    assert f'href="{attempt.get_absolute_url()}"' in page.content.decode()
    assert "not handed in yet" in page.content.decode()


def test_an_empty_cohort_says_what_to_do(client: Client, course: Course, iris: User) -> None:
    client.force_login(iris)

    page = client.get(reverse("teaching:cohort", args=("spring",))).content.decode()
    assert "Nobody is in this cohort yet" in page


def test_an_empty_course_says_so(client: Client, iris: User, ada: User) -> None:
    client.force_login(iris)

    page = client.get(reverse("teaching:cohort", args=("spring",))).content.decode()
    assert "The course is empty" in page


def test_an_instructor_without_a_cohort_is_told(client: Client, iris: User, cohort: Cohort) -> None:
    cohort.instructors.clear()
    client.force_login(iris)

    assert "No cohort yet" in client.get(reverse("teaching:cohorts")).content.decode()


def test_the_export_has_a_line_per_student_and_unit(
    client: Client, course: Course, iris: User, ada: User, ben: User
) -> None:
    Place.objects.create(student=ada, resource=course.resource)
    ben.first_name = "=HYPERLINK(1)"
    ben.save()
    client.force_login(iris)

    response = client.get(reverse("teaching:cohort_csv", args=("spring",)))
    assert response.headers["Content-Disposition"] == 'attachment; filename="spring.csv"'
    lines = list(csv.DictReader(response.content.decode().splitlines()))
    assert [(line["student"], line["unit"], line["state"]) for line in lines] == [
        ("'=HYPERLINK(1)", "llama", "none"),
        ("'=HYPERLINK(1)", "quiz-llama", "none"),
        ("'=HYPERLINK(1)", "lab-1", "none"),
        ("Ada", "llama", "begun"),
        ("Ada", "quiz-llama", "none"),
        ("Ada", "lab-1", "none"),
    ]


def test_thirty_students_cost_as_many_queries_as_three(
    client: Client,
    course: Course,
    iris: User,
    cohort: Cohort,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def enrol(count: int) -> None:
        for _ in range(count):
            number = User.objects.count()
            student = User.objects.create_user(f"student-{number}")
            Membership.objects.create(cohort=cohort, student=student)
            Place.objects.create(student=student, resource=course.resource)
            evidence.record(
                student=student,
                activity=course.quiz.activity,
                score=1.0,
                passed=True,
                source="attempt 1",
                url="",
                at=timezone.now(),
            )

    client.force_login(iris)
    address = reverse("teaching:cohort", args=("spring",))
    enrol(3)
    # Session, user, cohort, two of columns, the students, and five of what they did.
    with django_assert_num_queries(12):
        client.get(address)
    enrol(27)
    with django_assert_num_queries(12):
        client.get(address)
