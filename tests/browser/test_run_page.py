"""The page of a run while things happen to it: clicks, kills, tabs in the background."""

import os
import re
import signal
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from courses.models import Activity
from labs import runs
from labs.models import Lab, Run, State
from people.models import User
from tests.labs.conftest import start as queued
from tests.labs.test_life_of_a_run import child_of, wait_for_child
from tests.stack import Worker, wait_until

SignIn = Callable[[Page, User], None]

# Every stream that the page has opened, so that a test can ask whether it is open.
KEEP_THE_STREAMS = """
window.streams = [];
window.EventSource = class extends window.EventSource {
  constructor(url) {
    super(url);
    window.streams.push(this);
  }
};
"""
OPEN_STREAMS = """
() => window.streams.filter(({ readyState }) => readyState !== EventSource.CLOSED).length
"""
# What the browser does to a tab when another one comes in front of it; headless, none ever does.
COVER = """
(covered) => {
  Object.defineProperty(document, "hidden", { configurable: true, value: covered });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


@pytest.fixture
def nap(transactional_db: None) -> Lab:
    """A lab of three steps, as slow as its student asks for."""
    activity = Activity.objects.create(key="nap", kind="lab", title="Nap", url="/labs/nap/")
    return Lab.objects.create(
        activity=activity,
        key="nap",
        number=9,
        title="Nap",
        question="How long is a nap?",
        kind="nap",
        parameters={"steps": 3},
    )


def fill_in(page: Page, lab: Lab, *, pause: float) -> None:
    page.goto(lab.get_absolute_url())
    page.get_by_label("How long will it take").fill("1")
    page.get_by_label("Pause per step").fill(str(pause))


def start(page: Page, lab: Lab, *, pause: float) -> Run:
    """Start a run in the page; it is under way when this returns."""
    fill_in(page, lab, pause=pause)
    page.get_by_role("button", name="Lock the prediction and run").click()
    expect(page.locator("[data-phase]")).to_have_text("Sleeping")
    return Run.objects.get(lab=lab)


def test_a_double_click_makes_one_run(
    page: Page,
    open_context: Callable[..., BrowserContext],
    nap: Lab,
    ada: User,
    ben: User,
    sign_in: SignIn,
) -> None:
    plain = open_context(java_script_enabled=False).new_page()
    for student, browser_page in ((ada, page), (ben, plain)):
        sign_in(browser_page, student)
        fill_in(browser_page, nap, pause=0)
        browser_page.get_by_role("button", name="Lock the prediction and run").dblclick()
        browser_page.wait_for_url(re.compile(r"/runs/\d+/$"))
        assert Run.objects.owned_by(student).count() == 1


def test_a_run_is_cancelled_from_its_page(page: Page, nap: Lab, ada: User, sign_in: SignIn) -> None:
    sign_in(page, ada)
    run = start(page, nap, pause=20)
    page.get_by_role("button", name="Cancel the run").click()

    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
    expect(page.get_by_text("You cancelled it.")).to_be_visible()
    run.refresh_from_db()
    assert run.cancel_requested_at is not None
    assert run.finished_at is not None
    assert (run.finished_at - run.cancel_requested_at).total_seconds() < 2
    assert child_of(run) == 0


def test_a_page_opened_in_the_queue_says_when_the_run_has_begun(
    page: Page, nap: Lab, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    run = queued(nap, ada, pause=20)
    # Marked as handed over and never sent: it stays in the queue until the sweep notices.
    runs.hand_over(run.lane, at=timezone.now())
    page.goto(run.get_absolute_url())
    badge = page.locator("#run .badge")
    expect(badge).to_have_text("Queued")
    expect(page.locator("[data-phase]")).to_have_text("Sleeping", timeout=30_000)
    expect(badge).to_have_text("Running")
    runs.cancel(run, at=timezone.now())
    expect(badge).to_have_text("Cancelled")


def test_a_failed_run_says_whose_fault_it_was(
    page: Page, nap: Lab, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    fill_in(page, nap, pause=61)
    page.get_by_role("button", name="Lock the prediction and run").click()
    expect(page.get_by_role("heading", name="The request could not be met")).to_be_visible()
    expect(page.get_by_text("seconds must lie between 0 and 60, not 61.0.")).to_be_visible()

    page.get_by_role("link", name="Back to the lab").click()
    expect(page.get_by_text("You made this prediction before")).to_be_visible()
    page.get_by_label("Pause per step").fill("20")
    page.get_by_role("button", name="Run").click()
    run = Run.objects.latest("created_at")
    for _ in range(3):
        child = wait_for_child(run)
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: child_of(run) != child, "the child is gone")  # noqa: B023
    expect(page.get_by_role("heading", name="This was our fault")).to_be_visible()
    expect(page.get_by_text("it does not count, and you can run it again")).to_be_visible()
    expect(page.get_by_role("link", name="Run it again")).to_be_visible()


def test_the_page_lives_on_when_the_worker_is_killed(
    page: Page, worker: Worker, nap: Lab, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    start(page, nap, pause=0.5)
    worker.kill(signal.SIGKILL)
    worker.start()

    expect(page.get_by_role("region", name="The nap")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("attempt 2")).to_be_visible()
    assert Run.objects.get().state == State.SUCCEEDED


def test_a_tab_in_the_background_gives_its_stream_back_and_goes_on_later(
    page: Page, nap: Lab, ada: User, sign_in: SignIn
) -> None:
    page.add_init_script(KEEP_THE_STREAMS)
    sign_in(page, ada)
    start(page, nap, pause=1.5)
    assert page.evaluate(OPEN_STREAMS) == 1

    page.evaluate(COVER, True)
    page.wait_for_function(f"() => ({OPEN_STREAMS})() === 0")
    page.evaluate(COVER, False)
    assert page.evaluate(OPEN_STREAMS) == 1
    expect(page.get_by_role("region", name="The nap")).to_be_visible()


def test_a_stranger_finds_no_run(
    page: Page,
    nap: Lab,
    ada: User,
    stranger: User,
    sign_in: SignIn,
    open_context: Callable[..., BrowserContext],
) -> None:
    sign_in(page, ada)
    run = start(page, nap, pause=20)
    elsewhere = open_context().new_page()
    sign_in(elsewhere, stranger)
    at = run.get_absolute_url()
    for path in ("", "state/", "events/?attempt=1", "run.json", "run.csv", "files/events.jsonl"):
        assert elsewhere.request.get(at + path).status == 404, path
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_role("heading", name="Cancelled")).to_be_visible()
