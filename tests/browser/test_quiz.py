"""A quiz in other ways than with mouse and script."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from courses import attempts
from courses.models import Question, Quiz, QuizAttempt
from people.models import User
from tests.browser.answers import answer_rightly

SignIn = Callable[[Page, User], None]

FOCUS_CAN_BE_SEEN = """
() => {
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
  return (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none";
}
"""


@pytest.fixture
def quiz(course: None) -> Quiz:
    return Quiz.objects.get(key="quiz-gguf")


def test_a_quiz_needs_no_javascript(
    open_context: Callable[..., BrowserContext],
    quiz: Quiz,
    ada: User,
    sign_in: SignIn,
) -> None:
    page = open_context(java_script_enabled=False).new_page()
    sign_in(page, ada)
    page.goto(quiz.get_absolute_url())
    page.get_by_role("button", name="Begin").click()
    attempt = QuizAttempt.objects.get(student=ada)
    first, *others = attempts.items(attempt)
    for item in others:
        answer_rightly(page, item)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("alert")).to_contain_text("1 question has no answer: question 1.")

    answer_rightly(page, first)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Passed")).to_be_visible()
    expect(page.locator(".verdict .score")).to_have_text("100 %")


def test_an_ordering_question_is_answered_with_the_keyboard_alone(
    page: Page, quiz: Quiz, ada: User, sign_in: SignIn
) -> None:
    ordering = Question.objects.filter(current__content__type="ordering", retired=False).first()
    assert ordering is not None
    ordering.quiz.questions.exclude(pk=ordering.pk).update(retired=True)
    sign_in(page, ada)
    page.goto(ordering.quiz.get_absolute_url())
    tab_to(page, "Begin")
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Question 1 of 1")).to_be_visible()

    (item,) = attempts.items(QuizAttempt.objects.get(student=ada))
    places = item.question.right(item.seed)
    first = page.get_by_role("combobox").first
    while not first.evaluate("(select) => select === document.activeElement"):
        page.keyboard.press("Tab")
    for place in places:
        assert page.evaluate(FOCUS_CAN_BE_SEEN)
        page.keyboard.type(place)
        page.keyboard.press("Tab")
    tab_to(page, "Submit")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Passed")).to_be_visible()
    expect(page.locator(".verdict .score")).to_have_text("100 %")


def tab_to(page: Page, button: str) -> None:
    """Press the tabulator until the focus is on the button."""
    target = page.get_by_role("button", name=button)
    for _ in range(60):
        if target.evaluate("(button) => button === document.activeElement"):
            assert page.evaluate(FOCUS_CAN_BE_SEEN)
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{button} cannot be reached with the tabulator.")
