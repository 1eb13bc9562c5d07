"""Calculators and the numbers of a text: computed by the campus, never as an author's code."""

import time
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from courses import loading
from courses.calculators import Calculator
from courses.documents import CourseFileError
from courses.formulas import FormulaError, compute, substituted, written
from courses.models import Resource

CACHE = {
    "key": "cache",
    "title": "The KV cache of any model",
    "inputs": [
        {"name": "layers", "label": "Layers", "value": 32, "min": 1, "max": 200},
        {"name": "context", "label": "Context", "value": 4096, "min": 1, "max": 1_000_000},
        {"name": "bytes", "label": "Type", "value": "F16", "options": {"F16": 2, "Q8_0": 1.0625}},
    ],
    "results": [
        {"name": "token", "label": "Per token", "formula": "2 * layers * 1024 * bytes"},
        {"name": "total", "label": "In all", "formula": "token * context / 2**20", "unit": "MiB"},
    ],
}


def cache(**changes: object) -> Calculator:
    return Calculator.model_validate({**CACHE, **changes})


def test_results_build_on_each_other() -> None:
    assert cache().values()["token"] == 131072
    assert cache().values()["total"] == 512


@given(st.integers(1, 200), st.integers(1, 1_000_000))
def test_what_is_typed_is_computed(layers: int, context: int) -> None:
    computed = cache().computation({"layers": f"{layers:,}", "context": str(context)})
    assert not computed.mistakes
    assert computed.lines[1].number == written(4096 * layers * context / 2**20, 4)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"layers": "many"}, "Layers: a number from 1 to 200."),
        ({"layers": "0"}, "Layers: a number from 1 to 200."),
        ({"layers": "nan"}, "Layers: a number from 1 to 200."),
        ({"context": "inf"}, "Context: a number from 1 to 1,000,000."),
        ({"bytes": "Q9"}, "Type: choose one of F16, Q8_0."),
    ],
)
def test_what_is_no_input_says_what_is_expected(typed: dict[str, str], words: str) -> None:
    computed = cache().computation(typed)
    assert computed.mistakes == [words]
    assert computed.lines == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"results": [{"name": "x", "label": "X", "formula": "layer"}]}, "cannot be computed"),
        ({"results": [{"name": "layers", "label": "X", "formula": "1"}]}, "stands here twice"),
        ({"results": [{"name": "x", "label": "X", "formula": "layers.__class__"}]}, "computed"),
        ({"inputs": [{"name": "n", "label": "N", "value": 1}]}, "no `min` and `max`"),
        ({"inputs": [{"name": "n", "label": "N", "value": 9, "min": 1, "max": 2}]}, "around"),
        ({"inputs": [{"name": "n", "label": "N", "value": "a"}]}, "is no number"),
        (
            {"inputs": [{"name": "n", "label": "N", "value": "a", "options": {"b": 1}}]},
            "none of the options",
        ),
    ],
)
def test_a_calculator_that_cannot_compute_is_a_mistake(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        cache(**changes)


def test_numbers_in_a_text_are_computed_and_formatted() -> None:
    values = {"cache": {"total": 512.0}}
    text = "It is {= cache.total / 1024 :.2f} GiB, {= 2 ** 20 } bytes, {= 12345.6 :,.0f}, {name}."
    assert substituted(text, values) == "It is 0.50 GiB, 1,048,576 bytes, 12,346, {name}."
    signs = "{= 1 - 3 } in a text, `{= 1 - 3 }` in code, $x = {= 1 - 3 }$ in a formula"
    assert (
        substituted(signs, {}) == "\N{MINUS SIGN}2 in a text, `-2` in code, $x = -2$ in a formula"
    )


@pytest.mark.parametrize("formula", ["cache.totl", "1/0", "__import__('os')", "open('x')", "2**"])
def test_a_number_that_cannot_be_computed_is_refused(formula: str) -> None:
    with pytest.raises(FormulaError):
        substituted(f"{{= {formula} }}", {"cache": {"total": 1.0}})


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_number_for_people_is_near_the_number(value: float) -> None:
    assert float(written(value).replace(",", "")) == pytest.approx(value, rel=1e-5, abs=1e-300)


def test_a_formula_computes_what_python_would() -> None:
    assert compute("ceil(8 * d / 3 / 256) * 256", {"d": 4096}) == 11008
    assert compute("round(d / 1000, 1) + 2 ** -1", {"d": 4096}) == 4.6


@pytest.mark.parametrize(
    "formula",
    [
        "3999999 ** 3999999",
        "(1 << 9999) ** 3999",
        "f'{d:>999999999}'",
        "'%999999999d' % d",
        "'d'.ljust(999999999)",
        "d.to_bytes(999999999)",
        "round(d, -999999999) / 0",
    ],
)
def test_no_formula_takes_all_time_or_memory(formula: str) -> None:
    started = time.monotonic()
    with pytest.raises(FormulaError):
        compute(formula, {"d": 5})
    assert time.monotonic() - started < 0.5


FRONT = """calculators:
  - key: many-blocks
    title: Many blocks
    inputs:
      - {name: n, label: Blocks, value: 3, min: 1, max: 100}
    results:
      - {name: total, label: Sides, formula: 6 * n, unit: sides}
corrections:"""


@pytest.fixture
def counting(db: None, files: Path) -> Path:
    """The toys course with a calculator in one reading."""
    path = files / "toys" / "resources" / "02-blocks.md"
    text = path.read_text().replace("corrections:", FRONT)
    text = text.replace(
        "One, two, three.",
        "Three have {= many_blocks.total } sides.\n\n::: calculator many-blocks\nTry.\n:::",
    )
    path.write_text(text)
    return path


def test_a_reading_shows_its_calculator_and_its_numbers(
    client: Client, files: Path, counting: Path
) -> None:
    loading.load(files)
    html = client.get("/resources/blocks/").content.decode()
    assert "Three have 18 sides." in html
    assert 'action="/resources/blocks/calculators/many-blocks/"' in html
    assert "18 sides" in html


def test_the_reader_computes_with_and_without_javascript(
    client: Client, files: Path, counting: Path
) -> None:
    loading.load(files)
    url = "/resources/blocks/calculators/many-blocks/"
    answer = client.get(url, {"n": "7"})
    # Or a browser's Back would show the fragment for the page.
    assert "HX-Request" in answer["Vary"]
    page = answer.content.decode()
    assert "42 sides" in " ".join(page.split())
    assert 'value="7"' in page
    assert "Back to Blocks" in page
    fragment = client.get(url, {"n": "7"}, headers={"HX-Request": "true"}).content.decode()
    assert "42" in fragment
    assert "<html" not in fragment
    assert client.get("/resources/blocks/calculators/few-blocks/").status_code == 404


def test_what_a_reader_types_into_a_calculator_does_no_harm(
    client: Client, files: Path, counting: Path
) -> None:
    loading.load(files)
    page = client.get(
        "/resources/blocks/calculators/many-blocks/", {"n": '"><script>alert(1)</script>'}
    ).content.decode()
    assert "<script>alert" not in page
    assert "Blocks: a number from 1 to 100." in page


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("many_blocks.total }", "many_blocks.totl }", "this cannot be computed"),
        ("::: calculator many-blocks", "::: calculator few", "there is no calculator 'few'"),
        ("::: calculator many-blocks", "::: diagram tower", "there is no diagram 'tower'"),
        ("::: calculator many-blocks\nTry.", "::: worked A\n::: note", "this stands inside"),
    ],
)
def test_a_text_that_cannot_be_shown_is_a_mistake_with_its_line(
    files: Path, counting: Path, old: str, new: str, words: str
) -> None:
    counting.write_text(counting.read_text().replace(old, new))
    with pytest.raises(CourseFileError, match=words) as raised:
        loading.load(files)
    assert raised.value.line > 40
    assert not Resource.objects.exists()
