"""The main job of the campus, from sign-up to progress, on real parts all the way."""

import csv
import io
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from courses import attempts
from courses.models import ObjectiveEarned, Place, QuizAttempt
from labs import stream
from labs.models import Draw, Lab, Run, State
from tests.browser.answers import answer_rightly
from tests.labs.test_life_of_a_run import wait_for_child
from tests.stack import wait_until
from workers.random_model import Shape

# What a student may have read about the file types: bits per weight, and nats lost.
BITS = {
    "F16": 16,
    "Q8_0": 8.5,
    "Q6_K": 6.56,
    "Q5_K_M": 5.7,
    "Q4_K_M": 4.9,
    "Q3_K_M": 4.0,
    "Q2_K": 3.2,
}
NATS = {"Q8_0": 1e-5, "Q6_K": 6e-5, "Q5_K_M": 2e-4, "Q4_K_M": 8e-4, "Q3_K_M": 3e-3, "Q2_K": 1e-2}

# The live view goes when the run is done: what it has heard and drawn is kept for the test.
KEEP_WHAT_COMES = """
window.heard = [];
window.EventSource = class extends window.EventSource {
  constructor(url) {
    super(url);
    this.addEventListener("message", ({ data }) => window.heard.push(JSON.parse(data)));
    this.addEventListener("state", () => {
      const { data } = document.querySelector("[data-live-chart]");
      const named = data.filter(({ showlegend }) => showlegend !== false);
      window.drawn = named.map(({ name, x, y }) => [name, x, y]);
    });
  }
};
"""


@pytest.fixture
def lab_4(course: None) -> Lab:
    """Lab 4 on so few tokens that the test need not wait for it."""
    lab = Lab.objects.get(key="lab-4-quantize-and-measure")
    lab.parameters |= {"chunks": 4}
    lab.save()
    return lab


def test_a_new_student_reads_answers_predicts_runs_and_sees_progress(
    page: Page, lab_4: Lab
) -> None:
    page.add_init_script(KEEP_WHAT_COMES)
    sign_up(page)
    read(page)
    take_the_quiz(page)
    run = predict_and_run(page, lab_4)
    watch(page, run)
    look_at_charts(page, run)
    conclude(page, run)
    look_at_home(page, run)


def sign_up(page: Page) -> None:
    page.goto("/")
    page.get_by_role("main").get_by_role("link", name="Sign up").click()
    page.get_by_label("Username").fill("wren")
    page.get_by_label("Email").fill("wren@example.org")
    page.get_by_label("Password").fill("reads-every-tensor")
    page.get_by_role("button", name="Sign up").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, wren")
    next_step = page.get_by_role("region", name="Next step")
    expect(next_step).to_contain_text("The Illustrated Transformer")
    expect(page.get_by_text(re.compile(r"\b0 of \d+ objectives earned"))).to_be_visible()
    expect(page.get_by_text("Where you left off")).to_have_count(0)


def read(page: Page) -> None:
    page.get_by_role("region", name="Next step").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The Illustrated Transformer")
    last_section = page.locator("#summary .prose h2").last
    with page.expect_response(re.compile(r"/resources/illustrated-transformer/place/$")):
        last_section.scroll_into_view_if_needed()
        page.mouse.wheel(0, 600)
    assert Place.objects.get(student__username="wren").section


def take_the_quiz(page: Page) -> None:
    page.get_by_role("link", name="Take the quiz").click()
    page.get_by_role("button", name="Begin").click()
    page.wait_for_url(re.compile(r"/attempts/\d+/$"))
    attempt = QuizAttempt.objects.get(student__username="wren")
    drawn = attempts.items(attempt)
    assert len(drawn) == attempt.quiz.draw
    for item in drawn:
        answer_rightly(page, item)
    expect(page.get_by_text("Kept at")).to_be_visible()
    page.get_by_role("button", name="Submit").click()

    expect(page.get_by_role("heading", name="Passed")).to_be_visible()
    expect(page.locator(".verdict .score")).to_have_text("100 %")
    earned = ObjectiveEarned.objects.filter(student__username="wren").count()
    assert earned
    expect(page.locator(".objectives .earned")).to_have_count(earned)


def predict_and_run(page: Page, lab: Lab) -> Run:
    page.get_by_role("link", name="Inference Campus").click()
    page.get_by_role("link", name="Lab 4: Quantize and Measure").first.click()
    facts = dict(
        zip(
            page.locator("dl.facts dt").all_inner_texts(),
            page.locator("dl.facts dd").all_inner_texts(),
            strict=True,
        )
    )
    parameters, start = (
        int(facts[name].replace(",", "")) for name in ("Parameters", "Data begin at byte")
    )
    for name in facts["Sizes of"].split(", "):
        guess = round(parameters * BITS[name] / 8 + start)
        page.get_by_label(f"File size as {name}, in bytes").fill(f"{guess:,}")
    for name in facts["Losses of"].split(", "):
        page.get_by_label(f"Mean KL divergence of {name}, in nats").fill(str(NATS[name]))
    for pair in page.get_by_role("group", name=re.compile(r"^\w+ and \w+$")).all():
        pair.get_by_label("No").check()
    page.get_by_role("button", name="Lock the prediction and run").click()
    page.wait_for_url(re.compile(r"/runs/\d+/$"))

    run = Run.objects.get(student__username="wren")
    assert run.lab == lab
    draw = Draw.objects.get(runs=run)
    assert Shape(**draw.values["shape"]).parameters == parameters
    assert draw.prediction.values["apart_0"] is False
    return run


def watch(page: Page, run: Run) -> None:
    live = page.locator("[data-live]")
    expect(live.locator("[data-phase]")).to_contain_text(re.compile("model|Quantizing"))
    expect(live.get_by_role("progressbar")).to_be_visible()

    # The engine is held while the page is looked at and loaded anew, or it might be through first.
    with held_at_the_first_points(run):
        expect(live.locator("[data-live-chart][data-drawn]")).to_be_visible()
        page.reload()
        shown_at_once = json.loads(page.locator("#live-points").text_content() or "")
        assert shown_at_once
        expect(live.locator("[data-phase]")).to_contain_text("Timing")
        expect(live.get_by_role("progressbar")).to_be_visible()
        expect(live.locator("[data-live-chart][data-drawn]")).to_be_visible()

    expect(page.locator(".verdict")).to_be_visible(timeout=60_000)
    expect(live).to_have_count(0)
    run.refresh_from_db()
    assert (run.state, run.attempt) == (State.SUCCEEDED, 1)
    nothing_was_lost_or_doubled(page, run, shown_at_once)


@contextmanager
def held_at_the_first_points(run: Run) -> Iterator[None]:
    def has_points() -> bool:
        events, _ = stream.so_far(stream.name(run.pk, attempt=1))
        return any(event["type"] == "point" for event in events)

    wait_until(has_points, "points arrive", seconds=60)
    child = wait_for_child(run)
    os.killpg(child, signal.SIGSTOP)
    yield
    os.killpg(child, signal.SIGCONT)


def nothing_was_lost_or_doubled(page: Page, run: Run, shown_at_once: list[dict[str, Any]]) -> None:
    """What came with the reloaded page and what it heard afterwards make up the whole record."""
    wait_until(lambda: run.artifacts.filter(name="events.jsonl").exists(), "the events are kept")
    with run.artifacts.get(name="events.jsonl").file.open() as file:
        events = [json.loads(line) for line in file]
    points = [event for event in events if event["type"] == "point"]
    heard = page.evaluate("() => window.heard")
    assert len(shown_at_once) < len(points)
    assert shown_at_once + [event for event in heard if event["type"] == "point"] == points
    drawn = page.evaluate("() => window.drawn")
    assert drawn
    for name, x, y in drawn:
        series = [(point["x"], point["y"]) for point in points if point["series"] == name]
        # The chart is drawn a few times a second, so the last points may be missing from it.
        assert list(zip(x, y, strict=True)) == series[: len(x)]


def measured(run: Run) -> dict[str, Any]:
    run.refresh_from_db()
    assert isinstance(run.result, dict)
    return run.result


def look_at_charts(page: Page, run: Run) -> None:
    result = measured(run)
    expect(page.locator(".chart[data-chart]")).to_have_count(3)
    expect(page.locator(".chart[data-chart][data-drawn] svg.main-svg:visible")).not_to_have_count(0)
    expect(page.locator(".chart[data-chart][data-drawn]")).to_have_count(3)
    tables = page.locator("#run .table-wrap table")
    expect(tables).to_have_count(5)
    losses = page.get_by_role("region", name="Loss, predicted and measured")
    for rung in result["rungs"]:
        expect(losses.get_by_role("row", name=rung["type"])).to_contain_text(
            f"{rung['kl_mean']:.2e}"
        )

    record = page.request.get(page.get_by_role("link", name="run.json").get_attribute("href") or "")
    assert record.json()["result"] == result
    assert record.json()["prediction"]["apart_0"] is False
    with page.expect_download() as download:
        page.get_by_role("link", name="run.csv").click()
    text = download.value.path().read_text()
    rows = list(csv.reader(io.StringIO(text)))
    for size in result["sizes"]:
        assert any(row[:1] == [size["type"]] and f"{size['bytes']:,}" in row for row in rows)


def conclude(page: Page, run: Run) -> None:
    result = measured(run)
    clear = [pair["log_perplexity"]["clear"] for pair in result["comparisons"]]
    told = "all three pairs" if all(clear) else "some of the pairs" if any(clear) else "no pair"
    page.get_by_role("group", name=re.compile("told apart$")).get_by_label(told).check()
    budget = Draw.objects.get(runs=run).values["budget"]
    fitting = [rung for rung in result["rungs"] if rung["kl_mean"] <= budget]
    ship = min(fitting, key=lambda rung: rung["bytes"])["type"] if fitting else "none"
    page.get_by_role("group", name=re.compile("^The smallest file")).locator(
        f"input[value='{ship}']"
    ).check()
    page.get_by_label("What surprised you?").fill("How little Q8_0 loses.")
    page.get_by_role("button", name="Hand in the conclusion").click()

    verdicts = page.get_by_role("row", name=re.compile("^Conclusion:"))
    expect(verdicts).to_have_count(2)
    for verdict in verdicts.all():
        expect(verdict.locator(".badge")).to_have_text("right")
    run.refresh_from_db()
    assert run.conclusion is not None
    assert run.conclusion["notes"] == "How little Q8_0 loses."


def look_at_home(page: Page, run: Run) -> None:
    page.get_by_role("link", name="Inference Campus").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome back, wren")
    earned = ObjectiveEarned.objects.filter(student__username="wren").count()
    expect(page.get_by_text(re.compile(rf"\b{earned} of \d+ objectives earned"))).to_be_visible()
    left_off = page.get_by_role("region", name="Where you left off")
    section = Place.objects.get(student__username="wren").section
    expect(left_off).to_contain_text(f"At “{section}”")
    last_runs = page.get_by_role("region", name="Last runs")
    expect(last_runs.get_by_role("listitem")).to_contain_text([f"Run {run.pk}"])
    expect(last_runs.get_by_text("Succeeded")).to_be_visible()
