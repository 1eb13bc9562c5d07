"""Answering the questions of a quiz, in the page."""

from playwright.sync_api import Page

from courses.attempts import Item
from courses.questions.numeric import Numeric
from courses.questions.ordering import Ordering


def answer_rightly(page: Page, item: Item) -> None:
    """Answer as somebody who knows."""
    question = page.locator(f"#{item.name}")
    right = item.question.right(item.seed)
    if isinstance(item.question, Numeric):
        question.get_by_label("Your answer").fill(right[0])
    elif isinstance(item.question, Ordering):
        for place, select in zip(right, question.get_by_role("combobox").all(), strict=True):
            select.select_option(place)
    else:
        for value in right:
            question.locator(f"input[value='{value}']").check()
