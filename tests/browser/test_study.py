"""A reader at work: the page notices, keeps the note while it is written, and nudges gently."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from courses.models import Note, Nudge, Place, Resource
from people.models import User
from tests.stack import wait_until

pytestmark = pytest.mark.usefixtures("course")
READING = "/resources/attention-is-all-you-need/"
SignIn = Callable[[Page, User], None]
# It comes through, and nobody hears of it.
UNHEARD_ONCE = """() => {
  const { fetch } = window;
  window.fetch = async (...request) => {
    window.fetch = fetch;
    await fetch(...request);
    throw new TypeError("the connection is lost");
  };
}"""
# Before any timer could run.
WRITTEN_AT_ONCE = """text => {
  const observer = new MutationObserver(() => {
    const box = document.querySelector("#note-text");
    if (!box) return;
    observer.disconnect();
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  observer.observe(document.body, { childList: true, subtree: true });
}"""
OFFLINE_ONCE = """() => {
  const { fetch } = window;
  window.fetch = async () => {
    window.fetch = fetch;
    window.wasOffline = true;
    throw new TypeError("offline");
  };
}"""


def my_place() -> Place:
    return Place.objects.get(resource__key="attention-is-all-you-need")


def open_and_use(page: Page) -> None:
    page.goto(READING)
    page.mouse.move(300, 300)


def test_time_counts_while_the_page_is_used_and_no_longer(
    page: Page, ada: User, sign_in: SignIn
) -> None:
    page.clock.install()
    sign_in(page, ada)
    open_and_use(page)
    page.clock.run_for(35_000)
    wait_until(lambda: 30 <= my_place().seconds <= 40, "half a minute is told", seconds=20)
    # Nobody touches the page for longer than anybody reads without scrolling.
    page.clock.run_for(10 * 60_000)
    page.goto("/")
    wait_until(lambda: 80 <= my_place().seconds <= 100, "what came until then is told", seconds=20)


def test_time_whose_telling_was_not_confirmed_counts_once(
    page: Page, ada: User, sign_in: SignIn
) -> None:
    page.clock.install()
    sign_in(page, ada)
    open_and_use(page)
    page.evaluate(UNHEARD_ONCE)
    page.clock.run_for(32_000)
    wait_until(lambda: 30 <= my_place().seconds < 35, "half a minute is told", seconds=20)
    page.goto("/")
    open_and_use(page)
    # What the first page tells as it is left comes before what the second one tells.
    with page.expect_response(lambda answer: "seconds=3" in (answer.request.post_data or "")):
        page.clock.run_for(32_000)
    assert 60 <= my_place().seconds < 70


def test_a_section_that_could_not_be_told_is_told_the_next_time(
    page: Page, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    page.goto(READING)
    page.evaluate(OFFLINE_ONCE)
    page.locator("#summary .prose h2").last.scroll_into_view_if_needed()
    page.mouse.wheel(0, 600)
    page.wait_for_function("() => window.wasOffline")
    assert not my_place().section
    # Nothing but this is told: the reader stays where they are.
    page.locator("details.derivation summary").first.evaluate("summary => summary.click()")
    wait_until(lambda: my_place().opened == [1], "the derivation is told", seconds=20)
    assert my_place().section


def test_derivations_that_were_opened_or_passed_by_are_told(
    page: Page, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    page.goto(READING)
    derivations = page.locator("details.derivation")
    assert derivations.count() == 2
    derivations.nth(0).locator("summary").click()
    wait_until(lambda: my_place().opened == [1], "the opened one is told", seconds=20)
    for number in range(2):
        derivations.nth(number).scroll_into_view_if_needed()
        page.wait_for_timeout(200)
    page.get_by_role("heading", name="Goes along with it").scroll_into_view_if_needed()
    wait_until(lambda: my_place().passed == [2], "the closed one is told", seconds=20)
    assert my_place().opened == [1]


def test_a_note_is_kept_as_it_is_written_in_one_tab_and_not_undone_in_another(
    page: Page, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    page.goto(READING)
    other = page.context.new_page()
    other.goto(READING)
    other.get_by_text("Your note", exact=True).click()
    other.get_by_label("Your note on").wait_for()

    page.get_by_text("Your note", exact=True).click()
    box = page.get_by_label("Your note on")
    box.press_sequentially("Why divide")
    expect(page.locator("#note-kept")).to_contain_text("Kept on")
    wait_until(lambda: Note.objects.get().text == "Why divide", "it is kept", seconds=20)
    box.press_sequentially(" by the root?")
    wait_until(
        lambda: Note.objects.get().text == "Why divide by the root?", "and goes on", seconds=20
    )

    other.get_by_label("Your note on").fill("Something else")
    expect(other.locator("#note-kept")).to_contain_text("changed in another tab")
    assert Note.objects.get().text == "Why divide by the root?"


def test_what_is_written_the_moment_the_note_comes_is_kept(
    page: Page, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    page.goto(READING)
    page.evaluate(WRITTEN_AT_ONCE, "Why divide")
    page.get_by_text("Your note", exact=True).click()
    expect(page.locator("#note-kept")).to_contain_text("Kept on")
    assert Note.objects.get().text == "Why divide"


def test_a_nudge_is_put_away_where_it_stands(page: Page, ada: User, sign_in: SignIn) -> None:
    resource = Resource.objects.get(key="attention-is-all-you-need")
    Place.objects.create(student=ada, resource=resource, seconds=600)
    sign_in(page, ada)
    page.goto(READING)
    nudge = page.get_by_role("region", name="A thought on how you study")
    nudge.get_by_role("button", name="Put it away").click()
    expect(nudge).to_have_count(0)
    assert Nudge.objects.get().pitfall == "passive-reading"
    page.reload()
    expect(nudge).to_have_count(0)
