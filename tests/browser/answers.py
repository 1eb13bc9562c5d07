"""Answering the questions of a quiz, in the page."""

from playwright.sync_api import Page

from courses.attempts import Item
from courses.questions.assigning import Assigning
from courses.questions.base import Response
from courses.questions.code import Code
from courses.questions.numeric import Numeric
from courses.questions.ordering import Ordering
from courses.questions.text import Text


def answer_rightly(page: Page, item: Item) -> None:
    """Answer as somebody who knows."""
    answer(page, item, item.question.right(item.seed))


def answer_wrongly(page: Page, item: Item) -> None:
    """Answer as somebody who does not."""
    answer(page, item, item.question.wrong(item.seed))


def answer(page: Page, item: Item, response: Response) -> None:
    question = page.locator(f"#{item.name}")
    if isinstance(item.question, Numeric | Text):
        question.get_by_label("Your answer").fill(response[0])
    elif isinstance(item.question, Code):
        question.get_by_label("What belongs in the gap").fill(response[0])
    elif isinstance(item.question, Ordering | Assigning):
        for value, select in zip(response, question.get_by_role("combobox").all(), strict=True):
            select.select_option(value)
    else:
        for value in response:
            question.locator(f"input[value='{value}']").check()
