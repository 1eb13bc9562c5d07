"""The look, where a browser can say whether it holds: themes, keyboard, margins, charts."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from people.models import User

LIGHT = "rgb(252, 251, 248)"
DARK = "rgb(21, 22, 27)"
PAPER = "() => getComputedStyle(document.documentElement).backgroundColor"
# Notes down which theme is in force when the first thing to be painted enters the page.
NOTE_THEME_AT_BODY = """
new MutationObserver((_, observer) => {
  if (!document.body) return;
  window.themeAtBody = document.documentElement.dataset.theme;
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
DRAW = """
async () => {
  const script = document.createElement("script");
  script.type = "text/plain";
  script.dataset.plotly = "/static/plotly/plotly.min.js";
  const chart = document.createElement("div");
  chart.className = "chart";
  document.querySelector("main").replaceChildren(script, chart);
  const { draw } = await import("/static/js/chart.js");
  await draw(chart, {
    data: [
      { type: "scatter", mode: "markers", name: "You said", x: [1, 2], y: [1, 2] },
      { type: "scatter", mode: "markers", name: "Measured", x: [1, 2], y: [2, 1] },
    ],
  });
}
"""
POINTS = """
() => [...document.querySelectorAll(".scatterlayer .trace")].map((trace) => {
  const { fillOpacity, fill, stroke } = getComputedStyle(trace.querySelector("path.point"));
  const hollow = fill === "none" || fillOpacity === "0";
  return { hollow, colour: hollow ? stroke : fill };
})
"""

PANELS = """
async () => {
  const { panels } = await import("/static/js/live.js");
  const points = (y) => ({ x: [1, 2], y, low: y, high: y });
  const { data, layout } = panels(new Map([
    ["kl Q8_0", points([1e-4, 1e-4])],
    ["perplexity Q8_0", points([8, 8])],
    ["kl Q2_K", points([5e-2, 4e-2])],
    ["perplexity Q2_K", points([8.1, 8.2])],
  ]), 2);
  const lines = data.filter(({ name }) => name);
  return {
    axes: Object.fromEntries(lines.map(({ name, yaxis }) => [name, yaxis ?? "y"])),
    colours: Object.fromEntries(lines.map(({ name, line }) => [name, line.color])),
    labels: Object.fromEntries(lines.map(({ name, text }) => [name, text.at(-1)])),
    scales: [layout.yaxis.type, layout.yaxis2.type],
  };
}
"""


def test_the_system_decides_until_somebody_chooses(
    open_context: Callable[..., BrowserContext], transactional_db: None
) -> None:
    by_night = open_context(color_scheme="dark").new_page()
    by_night.goto("/")
    assert by_night.evaluate(PAPER) == DARK
    by_day = open_context(color_scheme="light").new_page()
    by_day.goto("/")
    assert by_day.evaluate(PAPER) == LIGHT


def test_a_chosen_theme_holds_and_is_there_before_the_first_paint(
    page: Page, transactional_db: None
) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/")
    button = page.get_by_role("button", name="Theme")
    expect(button).to_have_accessible_name("Theme: as the system. Change it")
    button.click()
    button.click()
    expect(button).to_have_accessible_name("Theme: dark. Change it")
    assert page.evaluate(PAPER) == DARK

    page.add_init_script(NOTE_THEME_AT_BODY)
    page.goto("/accounts/login/")
    assert page.evaluate("window.themeAtBody") == "dark"
    assert page.evaluate(PAPER) == DARK


def test_ada_reaches_content_and_menu_by_keyboard(
    page: Page, ada: User, sign_in: Callable[[Page, User], None]
) -> None:
    sign_in(page, ada)
    page.goto("/runs/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()

    menu = page.get_by_role("group").filter(has_text="Ada")
    sign_out = page.get_by_role("button", name="Sign out")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(sign_out).to_be_visible()
    page.keyboard.press("Escape")
    expect(sign_out).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()


def test_corrections_stand_in_the_margin_where_there_is_one(page: Page, course: None) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/resources/illustrated-transformer/")
    text = page.locator(".summary .prose > p").first
    correction = page.locator(".summary .prose > .correction").first
    column, note = text.bounding_box(), correction.bounding_box()
    assert column is not None
    assert note is not None
    assert note["x"] > column["x"] + column["width"]

    page.set_viewport_size({"width": 360, "height": 740})
    column, note = text.bounding_box(), correction.bounding_box()
    assert column is not None
    assert note is not None
    assert note["x"] == pytest.approx(column["x"], abs=1)
    assert note["width"] == pytest.approx(column["width"], abs=1)


def test_what_goes_on_beyond_the_edge_of_a_phone_fades_until_it_is_scrolled_to(
    page: Page, course: None
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/resources/gguf/")
    drawing = page.locator(".diagram > div").first
    more = "(element) => parseFloat(getComputedStyle(element).getPropertyValue('--more'))"
    assert drawing.evaluate(more) > 0
    drawing.evaluate("(element) => element.scrollTo(element.scrollWidth, 0)")
    page.wait_for_function(f"(element) => ({more})(element) === 0", arg=drawing.element_handle())
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_function(f"(element) => ({more})(element) === 0", arg=drawing.element_handle())


def test_a_note_that_is_not_open_leaves_the_lines_of_a_phone_free(
    page: Page, course: None, ada: User, sign_in: Callable[[Page, User], None]
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, ada)
    page.goto("/resources/gguf/")
    notepad = page.locator(".notepad")
    shut = notepad.bounding_box()
    assert shut is not None
    assert shut["width"] < 180
    notepad.locator("summary").click()
    opened = notepad.bounding_box()
    assert opened is not None
    assert opened["width"] > 300


def test_mathematics_is_set_in_its_font_without_gaps(page: Page, course: None) -> None:
    page.goto("/resources/illustrated-transformer/")
    root = page.locator("msqrt").first
    root.wait_for()
    assert page.evaluate("document.fonts.check('16px \"Campus Math\"')")
    # Behind the root stands the next thing, not the empty box that Chromium reserves.
    page.wait_for_function("() => document.querySelector('msqrt').style.marginInlineEnd !== ''")
    assert page.evaluate(
        "() => [...document.querySelectorAll('.unbroken')]"
        ".every((span) => span.getClientRects().length === 1)"
    )


def test_a_chart_follows_the_theme_and_tells_series_apart_by_shape(
    page: Page, transactional_db: None
) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("/")
    page.evaluate(DRAW)
    said, measured = page.evaluate(POINTS)
    assert said["hollow"]
    assert not measured["hollow"]
    assert said["colour"] != measured["colour"]

    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        f"(old) => ({POINTS})()[1]?.colour && ({POINTS})()[1].colour !== old",
        arg=measured["colour"],
    )


def test_a_live_chart_gives_each_quantity_a_panel_of_its_own(
    page: Page, transactional_db: None
) -> None:
    page.goto("/")
    drawn = page.evaluate(PANELS)
    assert drawn["axes"] == {
        "kl Q8_0": "y",
        "kl Q2_K": "y",
        "perplexity Q8_0": "y2",
        "perplexity Q2_K": "y2",
    }
    assert drawn["scales"] == ["log", "linear"]
    # One file type has one colour throughout, and its name where the lines lie apart.
    assert drawn["colours"]["kl Q8_0"] == drawn["colours"]["perplexity Q8_0"]
    assert drawn["colours"]["kl Q8_0"] != drawn["colours"]["kl Q2_K"]
    assert drawn["labels"] == {
        "kl Q8_0": "Q8_0",
        "kl Q2_K": "Q2_K",
        "perplexity Q8_0": "",
        "perplexity Q2_K": "",
    }
