"""The cards of the glossary: for a mouse that rests and a keyboard that stops, never in the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

pytestmark = pytest.mark.usefixtures("course")
READING = "/resources/gguf/"
PHONE = {"width": 360, "height": 740}


def first_term(page: Page) -> Locator:
    page.goto(READING)
    term = page.locator("main .prose a.term").first
    term.scroll_into_view_if_needed()
    return term


def card(page: Page) -> Locator:
    return page.get_by_role("tooltip")


@contextmanager
def asked(page: Page) -> Iterator[list[str]]:
    """The cards that the page asks for meanwhile."""
    seen: list[str] = []

    def hear(request: Request) -> None:
        if request.url.endswith("/card/"):
            seen.append(request.url)

    page.on("request", hear)
    yield seen
    page.remove_listener("request", hear)


def test_resting_on_a_term_shows_its_definition_until_the_mouse_has_left_both(page: Page) -> None:
    term = first_term(page)
    before = page.locator("main").bounding_box()
    with asked(page) as cards:
        term.hover()
        expect(card(page)).to_be_visible()
        assert term.get_attribute("aria-describedby") == card(page).get_attribute("id")
        assert page.locator("main").bounding_box() == before
        card(page).hover()
        page.wait_for_timeout(500)
        expect(card(page)).to_be_visible()
        page.mouse.move(1, 1)
        expect(card(page)).to_be_hidden()
        assert term.get_attribute("aria-describedby") is None
        term.hover()
        expect(card(page)).to_be_visible()
    assert len(cards) == 1


def test_a_mouse_that_passes_over_asks_for_nothing(page: Page) -> None:
    term = first_term(page)
    with asked(page) as cards:
        term.hover()
        page.mouse.move(1, 1)
        page.wait_for_timeout(400)
    assert cards == []
    expect(card(page)).to_have_count(0)


def test_a_keyboard_sees_the_card_and_escape_puts_it_away(page: Page) -> None:
    term = first_term(page)
    page.keyboard.press("Tab")
    term.focus()
    expect(card(page)).to_be_visible()
    expect(term).to_have_accessible_description(card(page).inner_text(), ignore_case=True)
    page.keyboard.press("Escape")
    expect(card(page)).to_be_hidden()
    expect(term).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/glossary/**")


def test_a_tap_just_leads_to_the_term(open_context: Callable[..., BrowserContext]) -> None:
    page = open_context(viewport=PHONE, has_touch=True, is_mobile=True).new_page()
    term = first_term(page)
    with asked(page) as cards:
        term.tap()
        page.wait_for_url("**/glossary/**")
    assert cards == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_card_of_a_page_stays_on_a_phones_screen(
    open_context: Callable[..., BrowserContext], scheme: str
) -> None:
    context = open_context(viewport=PHONE, color_scheme=scheme, reduced_motion="reduce")
    context.add_init_script(AXE_SCRIPT)
    page = context.new_page()
    page.goto(READING)
    page.keyboard.press("Tab")
    terms = page.locator("main .prose a.term:visible")
    for index in range(min(terms.count(), 12)):
        terms.nth(index).focus()
        expect(card(page)).to_be_visible()
        expect(terms.nth(index)).to_have_attribute("aria-describedby", "term-card")
        box, link = card(page).bounding_box(), terms.nth(index).bounding_box()
        assert box is not None
        assert link is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= PHONE["height"]
        assert box["y"] >= link["y"] + link["height"] or box["y"] + box["height"] <= link["y"]
    assert page.evaluate("document.scrollingElement.scrollWidth") == PHONE["width"]
    found = page.evaluate("axe.run('#term-card').then(({ violations }) => violations)")
    assert found == []


def test_typing_in_the_glossary_narrows_the_list(page: Page) -> None:
    page.goto("/glossary/")
    page.get_by_label("Find a term").press_sequentially("perplex")
    expect(page.get_by_role("status")).to_contain_text("2 terms with “perplex”")
    expect(page.locator("dt").get_by_role("link", name="perplexity", exact=True)).to_be_visible()
    expect(page).to_have_url("/glossary/?q=perplex")
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("2 terms with “perplex”")


def test_an_entry_is_copied_as_it_stands(open_context: Callable[..., BrowserContext]) -> None:
    context = open_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto("/bibliography/")
    entry = page.locator("#touvron2023llama")
    entry.locator("summary").click()
    entry.get_by_role("button", name="Copy").click()
    expect(entry.get_by_role("status")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("@article{touvron2023llama,")
    assert copied == entry.locator("code").text_content()
