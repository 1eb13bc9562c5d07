"""Taking a quiz: reserved, kept while typing, submitted once, explained afterwards."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from courses import attempts, loading
from courses.models import Answer, Evidence, ObjectiveEarned, Question, Quiz, QuizAttempt
from people.models import User

pytestmark = pytest.mark.usefixtures("toys")
Typed = dict[str, list[str]]
URL = "/quizzes/quiz-blocks/"


@pytest.fixture
def attempt(client: Client, ada: User) -> QuizAttempt:
    """Ada has begun the quiz in her browser."""
    client.force_login(ada)
    client.post(URL)
    return QuizAttempt.objects.get()


def typed(attempt: QuizAttempt, *, right: Callable[[str], bool] = lambda _key: True) -> Typed:
    """A form filled in: right where `right(key of the question)` says so, else wrong."""
    return {
        item.name: list(
            item.question.right(item.seed)
            if right(item.question.key)
            else item.question.wrong(item.seed)
        )
        for item in attempts.items(attempt)
    }


def field(attempt: QuizAttempt, key: str) -> str:
    return next(item.name for item in attempts.items(attempt) if item.question.key == key)


def test_beginning_reserves_one_attempt_whatever_the_number_of_tabs(
    client: Client, ada: User
) -> None:
    client.force_login(ada)
    first, second = client.post(URL), client.post(URL)
    assert first["Location"] == second["Location"]
    assert QuizAttempt.objects.count() == 1
    assert Answer.objects.count() == 4


def test_the_database_itself_refuses_a_second_open_attempt(attempt: QuizAttempt) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        QuizAttempt.objects.create(
            student=attempt.student, quiz=attempt.quiz, number=2, seed=1, started_at=timezone.now()
        )


def test_the_page_of_an_open_attempt_holds_no_answers(client: Client, attempt: QuizAttempt) -> None:
    html = client.get(attempt.get_absolute_url()).content.decode()
    assert "How many sides has a block?" in html
    for secret in (
        "forgot",
        "Colour weighs",
        "Top, bottom",
        "Weight low",
        "ground up",
        "is correct",
    ):
        assert secret not in html
    assert html.count("<fieldset") == 4


def test_all_right_passes_and_earns_the_objectives(client: Client, attempt: QuizAttempt) -> None:
    response = client.post(attempt.get_absolute_url(), typed(attempt), follow=True)
    attempt.refresh_from_db()
    assert attempt.score == 1
    evidence = Evidence.objects.get()
    assert (evidence.passed, evidence.score, evidence.url) == (True, 1, attempt.get_absolute_url())
    earned = ObjectiveEarned.objects.filter(student=attempt.student)
    assert {row.objective.key for row in earned} == {"count", "build"}
    html = response.content.decode()
    assert "Passed" in html
    assert "Read it: Balls" in html
    assert html.count(">right</span>") == 4 + 3  # the questions, and the places of one


def test_a_failed_attempt_explains_earns_nothing_and_leads_back(
    client: Client, attempt: QuizAttempt
) -> None:
    form = typed(attempt, right=lambda key: key == "steps")
    html = client.post(attempt.get_absolute_url(), form, follow=True).content.decode()
    attempt.refresh_from_db()
    assert attempt.score is not None
    assert attempt.score < 0.8
    assert not Evidence.objects.get().passed
    assert not ObjectiveEarned.objects.exists()
    assert "Not passed yet" in html
    assert "You forgot" in html
    assert "<p>Top, bottom and four around.</p>" in html
    assert "Try again with a fresh draw" in html
    assert "Read Blocks again" in html


def test_submitting_twice_grades_once(client: Client, attempt: QuizAttempt) -> None:
    right, wrong = typed(attempt), typed(attempt, right=lambda _key: False)
    client.post(attempt.get_absolute_url(), right)
    response = client.post(attempt.get_absolute_url(), wrong)
    assert response["Location"] == attempt.get_absolute_url()
    attempt.refresh_from_db()
    assert attempt.score == 1
    assert Evidence.objects.count() == 1


def test_two_tabs_that_submit_at_once_grade_once(attempt: QuizAttempt) -> None:
    """Both have read the attempt as open; the second finds it taken."""
    first, second = attempts.items(attempt), attempts.items(attempt)
    attempts.take_in(first, typed(attempt))
    attempts.take_in(second, typed(attempt, right=lambda _key: False))
    attempts.submit(attempt, first, at=timezone.now())
    stale = QuizAttempt.objects.select_related("quiz__activity", "student").get()
    with pytest.raises(attempts.AlreadySubmittedError):
        attempts.submit(stale, second, at=timezone.now())
    assert Evidence.objects.count() == 1
    assert all(answer.score == 1 for answer in Answer.objects.all())


def test_an_answer_of_the_wrong_form_is_explained_and_everything_typed_is_kept(
    client: Client, attempt: QuizAttempt
) -> None:
    form = typed(attempt)
    form[field(attempt, "bytes")] = ["<b>lots</b>"]
    response = client.post(attempt.get_absolute_url(), form)
    html = response.content.decode()
    assert response.status_code == 422
    assert "Nothing has been graded yet" in html
    assert "A number such as 1536 or 1.5e3, with KiB after it" in html
    assert 'value="&lt;b&gt;lots&lt;/b&gt;"' in html
    assert html.count(" checked") == 3
    assert html.count(" selected") == 3
    attempt.refresh_from_db()
    assert attempt.submitted_at is None
    assert not Evidence.objects.exists()


@pytest.mark.parametrize(
    ("key", "values", "words"),
    [
        ("sides", ["7"], "Choose one of the answers listed."),
        ("sides", ["0", "1"], "Choose one of the answers listed."),
        ("stable", ["0", "9"], "Tick any of the answers listed"),
        ("steps", ["1", "1", "2"], "a place of its own"),
        ("steps", ["1", "2", "3", "4"], "a place of its own"),
        ("bytes", ["1", "2"], "A number such as"),
        ("bytes", ["9" * 3000], "far longer than any answer"),
        ("bytes", ["9"] * 50, "far longer than any answer"),
    ],
)
def test_tampered_fields_are_refused_in_words(
    client: Client, attempt: QuizAttempt, key: str, values: list[str], words: str
) -> None:
    form = {**typed(attempt), field(attempt, key): values}
    response = client.post(attempt.get_absolute_url(), form)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Evidence.objects.exists()


def test_blanks_are_asked_about_once_and_then_count_as_wrong(
    client: Client, attempt: QuizAttempt
) -> None:
    form = typed(attempt)
    name = field(attempt, "sides")
    del form[name]
    response = client.post(attempt.get_absolute_url(), form)
    assert response.status_code == 422
    assert "Submit with 1 unanswered" in response.content.decode()
    client.post(attempt.get_absolute_url(), {**form, "blanks": "accepted"})
    attempt.refresh_from_db()
    assert attempt.score == 0.75
    html = client.get(attempt.get_absolute_url()).content.decode()
    assert ">not answered</span>" in html


def test_blanks_are_not_accepted_unasked_beside_a_wrong_form(
    client: Client, attempt: QuizAttempt
) -> None:
    form = typed(attempt) | {field(attempt, "bytes"): ["lots"]}
    del form[field(attempt, "sides")]
    html = client.post(attempt.get_absolute_url(), form).content.decode()
    assert "cannot be read" in html
    assert 'value="accepted"' not in html


def test_a_draft_is_kept_on_the_server_in_whatever_form(
    client: Client, attempt: QuizAttempt
) -> None:
    name = field(attempt, "bytes")
    url = f"{attempt.get_absolute_url()}draft/"
    assert "Kept at" in client.post(url, {name: "12 and a h"}).content.decode()
    assert 'value="12 and a h"' in client.get(attempt.get_absolute_url()).content.decode()


def test_a_late_draft_changes_nothing_and_says_so(client: Client, attempt: QuizAttempt) -> None:
    form = typed(attempt)
    client.post(attempt.get_absolute_url(), form)
    url = f"{attempt.get_absolute_url()}draft/"
    response = client.post(url, {field(attempt, "bytes"): "1"})
    assert "submitted in another tab" in response.content.decode()
    answer = Answer.objects.get(version__question__key="bytes")
    assert [answer.response] == [form[field(attempt, "bytes")]]


def test_another_attempt_is_a_fresh_draw(client: Client, attempt: QuizAttempt) -> None:
    client.post(attempt.get_absolute_url(), typed(attempt))
    client.post(URL)
    first, second = QuizAttempt.objects.all()
    assert (first.number, second.number) == (1, 2)
    assert first.seed != second.seed


def test_questions_met_least_are_drawn_first(toys: loading.Loaded, ada: User) -> None:
    quiz = Quiz.objects.get()
    quiz.draw = 2
    first = attempts.start(student=ada, quiz=quiz, at=timezone.now())
    attempts.submit(first, attempts.items(first), at=timezone.now())
    second = attempts.start(student=ada, quiz=quiz, at=timezone.now())
    drawn = [{item.question.key for item in attempts.items(attempt)} for attempt in (first, second)]
    assert drawn[0].isdisjoint(drawn[1])


def test_a_quiz_that_has_lost_its_questions_reserves_no_attempt(client: Client, ada: User) -> None:
    Question.objects.update(retired=True)
    client.force_login(ada)
    answer = client.post(URL, follow=True)
    assert "This quiz has no questions just now." in answer.content.decode()
    assert not QuizAttempt.objects.exists()


def test_nothing_typed_is_more_than_postgresql_can_hold(
    client: Client, attempt: QuizAttempt
) -> None:
    """It keeps no NUL in a text."""
    client.post(f"{attempt.get_absolute_url()}draft/", {"q1": "a\0b"})
    assert Answer.objects.get(position=1).response == ["ab"]


def test_others_neither_see_nor_submit_an_attempt(
    client: Client, attempt: QuizAttempt, ben: User, stranger: User
) -> None:
    url = attempt.get_absolute_url()
    form = typed(attempt)
    for other in (ben, stranger):
        client.force_login(other)
        assert client.get(url).status_code == 404
        assert client.post(url, form).status_code == 404
        assert client.post(f"{url}draft/", form).status_code == 404
    attempt.refresh_from_db()
    assert attempt.submitted_at is None


def test_an_instructor_reads_a_students_result_and_cannot_submit_for_them(
    client: Client, attempt: QuizAttempt, iris: User
) -> None:
    form = typed(attempt)
    url = attempt.get_absolute_url()
    client.force_login(iris)
    assert "not submitted it yet" in client.get(url).content.decode()
    assert client.post(url, form).status_code == 404
    attempt.refresh_from_db()
    assert attempt.submitted_at is None
    client.force_login(attempt.student)
    client.post(url, form)
    client.force_login(iris)
    html = client.get(url).content.decode()
    assert "Ada" in html
    assert "Try again" not in html


def test_somebody_not_signed_in_is_asked_to(client: Client) -> None:
    response = client.get(URL)
    assert response.status_code == 302
    assert response["Location"].endswith("?next=/quizzes/quiz-blocks/")
