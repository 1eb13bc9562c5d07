"""The Fast path, from sign-up to Checkpoint 1: answered right, then wrong, then right."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from courses import attempts
from courses.attempts import Item
from courses.models import ObjectiveEarned, QuizAttempt, StudyPlan
from tests.browser.answers import answer_rightly, answer_wrongly

GATES = {
    "How the attention mechanism works": "attention",
    "What RoPE does better": "RoPE",
    "What RMSNorm saves": "RMSNorm",
    "What SwiGLU computes": "SwiGLU",
}


@pytest.mark.timeout(300)
def test_the_fast_path_to_the_first_checkpoint(page: Page, course: None) -> None:
    sign_up(page)
    choose_fast(page)
    for title in (
        "The Illustrated Transformer",
        "Attention Is All You Need",
        "LLaMA: Open and Efficient Foundation Language Models",
    ):
        read_and_pass(page, title)
    go_to_checkpoint(page)
    open_gate(page, "How the attention mechanism works")
    fail_gate(page, "What RoPE does better")
    open_gate(page, "What RoPE does better")
    open_gate(page, "What RMSNorm saves")
    open_gate(page, "What SwiGLU computes")

    expect(page.locator(".badge", has_text="open")).to_have_count(4)
    page.get_by_role("link", name="Inference Campus").click()
    checkpoints = page.locator(".card", has_text="Checkpoints")
    expect(checkpoints).to_contain_text("4 of 4 gates open")
    assert ObjectiveEarned.objects.filter(student__username="wren").count() >= 9


def sign_up(page: Page) -> None:
    page.goto("/accounts/signup/")
    page.get_by_label("Username").fill("wren")
    page.get_by_label("Email").fill("wren@example.org")
    page.get_by_label("Password").fill("reads-every-tensor")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, wren")


def choose_fast(page: Page) -> None:
    page.get_by_role("link", name="Choose a path and make a plan").click()
    page.get_by_role("radio", name=re.compile("^Fast")).check()
    page.get_by_label("Hours I have a week").fill("6")
    page.get_by_role("button", name="Make the plan").click()
    expect(page.get_by_role("status")).to_contain_text("Your path is Fast")
    plan = StudyPlan.objects.get(student__username="wren")
    assert (plan.path, plan.hours_a_week) == ("fast", 6)
    expect(page.locator(".blocks > li").first).to_contain_text("The Illustrated Transformer")


def read_and_pass(page: Page, title: str) -> None:
    page.get_by_role("link", name="Inference Campus").click()
    page.locator(".track").get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.get_by_role("link", name="Take the quiz", exact=True).click()
    take(page, answer_rightly)
    expect(page.get_by_role("heading", name="Passed")).to_be_visible()


def go_to_checkpoint(page: Page) -> None:
    page.get_by_role("link", name="Inference Campus").click()
    page.get_by_role("link", name="Checkpoint 1: Architecture").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Architecture")


def gate(page: Page, words: str) -> None:
    page.locator("li", has_text=words).get_by_role("link", name=re.compile("^Quiz: ")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(GATES[words])


def open_gate(page: Page, words: str) -> None:
    gate(page, words)
    take(page, answer_rightly)
    expect(page.get_by_role("heading", name="Passed")).to_be_visible()
    back_to_checkpoint(page)
    expect(page.locator("li", has_text=words).locator(".badge", has_text="open")).to_be_visible()


def fail_gate(page: Page, words: str) -> None:
    """A gate that stays shut says what to read, and draws anew."""
    gate(page, words)
    first = take(page, answer_wrongly)
    expect(page.get_by_role("heading", name="Not passed yet")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^Read RoFormer"))).to_be_visible()
    back_to_checkpoint(page)
    item = page.locator("li", has_text=words)
    expect(item.locator(".badge", has_text="not passed")).to_be_visible()
    expect(item.get_by_role("link", name=re.compile("^RoFormer"))).to_be_visible()
    gate(page, words)
    page.get_by_role("button", name="Try again with a fresh draw").click()
    page.wait_for_url(re.compile(r"/attempts/\d+/$"))
    second = attempts.items(QuizAttempt.objects.get(submitted_at=None))
    assert {item.seed for item in first}.isdisjoint(item.seed for item in second)
    back_to_checkpoint(page)


def back_to_checkpoint(page: Page) -> None:
    page.goto("/checkpoints/architecture/")


def take(page: Page, answer: Callable[[Page, Item], None]) -> list[Item]:
    """Begin, or go on with, the quiz whose page is open; answer all of it and submit."""
    page.get_by_role("main").get_by_role("button").click()
    page.wait_for_url(re.compile(r"/attempts/\d+/$"))
    drawn = attempts.items(QuizAttempt.objects.get(submitted_at=None))
    for item in drawn:
        answer(page, item)
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="Question by question").wait_for()
    return drawn
