"""The kinds of labs: what is drawn can be run, and a right prediction is graded as right."""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from labs import kinds
from labs.kinds.base import Values
from labs.kinds.fields import BytesField
from labs.kinds.grading import within, within_factor
from workers import catalogue
from workers.errors import EngineError
from workers.kinds import KINDS
from workers.requests import from_json
from workers.steps import finish

PARAMETERS: dict[str, dict[str, Any]] = {
    "first_inference": {"prompt": "Once upon a time"},
    "gguf_exploration": {"types": ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M"]},
    "quantize_and_measure": {
        "byte_types": ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"],
        "types": ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"],
        "budgets": [1e-4, 1e-3],
        "n_ctx": 256,
        "chunks": 2,
    },
}
CHOICES = {
    "prompt": "Once upon a time",
    "n_predict": 12,
    "temperature": 0.0,
    "top_k": 40,
    "top_p": 0.95,
    "min_p": 0.05,
    "seed": 1,
}


def work_on(name: str, seed: int = 1) -> kinds.Work:
    kind = kinds.REGISTRY[name]
    parameters = kind.parameters(**PARAMETERS[name]).model_dump(mode="json")
    drawn = kind.draw(parameters, random.Random(seed))
    choices = CHOICES if name == "first_inference" else {}
    return kinds.Work(parameters=parameters, drawn=drawn, choices=choices, prediction={})


def run(work: kinds.Work, name: str) -> Mapping[str, Any]:
    """What the engine makes of the lab's request, in this process."""
    kind = kinds.REGISTRY[name]
    return engine_run(kind.engine, **kind.request(work))


def engine_run(name: str, **request: Any) -> Mapping[str, Any]:
    engine = KINDS[name]
    return asdict(finish(engine.run(from_json(engine.request, request))))


def predicting(work: kinds.Work, prediction: Values) -> kinds.Work:
    return kinds.Work(
        parameters=work.parameters,
        drawn=work.drawn,
        choices=work.choices,
        prediction=prediction,
        conclusion=work.conclusion,
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's files are relative to the run's own directory."""
    monkeypatch.chdir(tmp_path)


def test_a_right_reading_of_a_file_passes_and_a_byte_off_does_not(here: None) -> None:
    kind = kinds.REGISTRY["gguf_exploration"]
    for seed in range(3):
        work = work_on("gguf_exploration", seed)
        result = run(work, "gguf_exploration")
        drawn = work.drawn
        name = drawn["tensor"]
        tensor = next(entry for entry in result["tensors"] if entry["name"] == name)
        before = 24 + drawn["metadata"] + drawn["tensor_infos"]
        right = {
            "n_tensors": 9 * drawn["shape"]["n_layer"] + 3,
            "info": 24 + len(name) + 8 * (1 if "norm" in name else 2),
            "data_offset": (before + 31) // 32 * 32,
            "tensor": tensor["bytes"],
        }
        assert kind.grade(predicting(work, right), result).score == 1.0
        wrong = right | {"data_offset": before}
        grade = kind.grade(predicting(work, wrong), result)
        assert grade.passed is (before % 32 == 0)
        assert_charts(kind, predicting(work, right), result)


def test_the_ladder_grades_prediction_and_conclusion(here: None) -> None:
    kind = kinds.REGISTRY["quantize_and_measure"]
    work = work_on("quantize_and_measure")
    result = run(work, "quantize_and_measure")
    right: dict[str, Any] = {}
    for i, size in enumerate(result["sizes"]):
        right[f"bytes_{i}"] = size["bytes"]
    for i, rung in enumerate(result["rungs"]):
        right[f"kl_{i}"] = 2 * rung["kl_mean"]
    for i, pair in enumerate(result["comparisons"]):
        right[f"apart_{i}"] = pair["log_perplexity"]["clear"]
    predicted = predicting(work, right)
    assert kind.grade(predicted, result).score == 1.0

    fits = [r for r in result["rungs"] if r["kl_mean"] <= work.drawn["budget"]]
    clear = sum(pair["log_perplexity"]["clear"] for pair in result["comparisons"])
    concluded = predicted.concluded(
        {
            "ship": min(fits, key=lambda r: r["bytes"])["type"] if fits else "none",
            "told": {0: "none", 3: "all"}.get(clear, "some"),
        }
    )
    assert kind.grade(concluded, result).score == 1.0
    assert len(kind.grade(concluded, result).parts) == 12

    backwards = dict(right)
    backwards["kl_0"], backwards["kl_2"] = 1000 * right["kl_2"], right["kl_0"] / 1000
    backwards["bytes_0"] = right["bytes_0"] * 2
    for i in range(3):
        backwards[f"apart_{i}"] = not right[f"apart_{i}"]
    grade = kind.grade(predicting(work, backwards), result)
    points = {part.question: part.points for part in grade.parts}
    assert points["Order of the losses"] == 0
    assert sum(points.values()) == pytest.approx(3)
    assert not grade.passed
    undecided = right | {f"kl_{i}": 1e-4 for i in range(3)}
    order = kind.grade(predicting(work, undecided), result).parts[3]
    assert order.predicted == " = ".join(work.drawn["types"])
    assert order.points == 0
    assert_charts(kind, predicted, result)


def test_the_data_of_the_drawn_shape_begin_where_the_draw_says(here: None) -> None:
    for seed in range(4):
        drawn = work_on("gguf_exploration", seed).drawn
        result = run(work_on("gguf_exploration", seed), "gguf_exploration")
        assert result["metadata_bytes"] == drawn["metadata"]
        assert result["tensor_info_bytes"] == drawn["tensor_infos"]


def test_a_first_inference_accounts_for_every_token(here: None) -> None:
    kind = kinds.REGISTRY["first_inference"]
    work = work_on("first_inference")
    result = run(work, "first_inference")
    right = {
        "prompt_tokens": len(result["prompt_tokens"]),
        "stopped_by": result["stopped_by"],
        "sure": result["steps"][0]["probability"] > 0.5,
    }
    assert kind.grade(predicting(work, right), result).score == 1.0
    wrong = right | {"prompt_tokens": 3 * right["prompt_tokens"], "sure": not right["sure"]}
    assert kind.grade(predicting(work, wrong), result).score == pytest.approx(0.6)
    text = "".join(piece.text for piece in kind.transcript(work, result))
    assert text == "Once upon a time" + result["text"]
    assert_charts(kind, predicting(work, right), result)


def test_the_anchor_on_lab_4s_page_is_what_the_engine_measures(here: None) -> None:
    page = (
        Path(settings.COURSE_DIR) / "foundations/labs/lab-4-quantize-and-measure.md"
    ).read_text()
    told = re.search(r"Q4_0, .*?measured (\S+) nats on these (\S+) tokens", page, re.DOTALL)
    assert told
    model, text = catalogue.main_model().path, catalogue.texts().heldout
    engine_run("quantize", model=model, type="Q4_0", out="q.gguf")
    request = {"base_model": model, "text": text, "n_ctx": 512, "chunks": 24, "threads": 1}
    measured = engine_run("perplexity", model="q.gguf", **request)
    assert float(told[1]) == pytest.approx(measured["kl_mean"], rel=0.05)
    assert int(told[2].replace(",", "")) == measured["tokens"]


def assert_charts(kind: kinds.LabKind, work: kinds.Work, result: Values) -> None:
    """plotly takes every figure, and every table row has a cell for every column."""
    for chart in kind.charts(work, result):
        go.Figure(chart.figure)
        assert all(len(row) == len(chart.columns) for row in chart.rows)


@pytest.mark.parametrize("name", PARAMETERS)
def test_whatever_is_drawn_is_a_request_the_engine_takes(name: str, here: None) -> None:
    for seed in range(20):
        work = work_on(name, seed)
        kind = kinds.REGISTRY[name]
        engine = KINDS[kind.engine]
        try:
            from_json(engine.request, kind.request(work))
        except EngineError as error:
            pytest.fail(f"seed {seed}: {error}")
        form = kind.prediction_form(parameters=work.parameters, drawn=work.drawn)
        assert form.sections()


def filled_in(form: kinds.LabForm) -> dict[str, Any]:
    """Something allowed for every field, as a browser sends it."""
    answers: dict[str, Any] = {}
    for name, field in form.fields.items():
        choices = getattr(field, "choices", None)
        answers[name] = choices[-1][0] if choices else "3"
    return answers


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_locked_prediction_stands_whatever_is_handed_in(name: str) -> None:
    work, form_class = work_on(name), kinds.REGISTRY[name].prediction_form
    known = {"parameters": work.parameters, "drawn": work.drawn}
    first = form_class(filled_in(form_class(**known)), **known)
    assert first.is_valid()
    stored = json.loads(json.dumps(first.cleaned_data))

    for data in (None, {}, dict.fromkeys(first.fields, "1")):
        again = form_class(data, **known)
        again.lock(stored)
        assert again.is_valid()
        assert again.cleaned_data == stored
        assert "checked" in again.as_div() or name == "gguf_exploration"


@pytest.mark.parametrize("name", PARAMETERS)
def test_whatever_number_is_predicted_can_be_graded(name: str, here: None) -> None:
    work, kind = work_on(name), kinds.REGISTRY[name]
    known = {"parameters": work.parameters, "drawn": work.drawn}
    result = run(work, name)
    for number in ("0", "1", "1e308", "9" * 308, "9" * 400):
        answers = filled_in(kind.prediction_form(**known))
        typed = {key: number if value == "3" else value for key, value in answers.items()}
        form = kind.prediction_form(typed, **known)
        if form.is_valid():
            predicted = predicting(work, form.cleaned_data)
            json.dumps(asdict(kind.grade(predicted, result)), allow_nan=False)
            kind.charts(predicted, result)


def test_a_prompt_of_several_lines_reaches_the_model_as_it_was_typed() -> None:
    form = kinds.REGISTRY["first_inference"].choices_form(
        CHOICES | {"prompt": "<user>Who?<end>\r\n<assistant>"},
        parameters={"prompt": "a", "max_tokens": 64},
        drawn={},
    )
    assert form.is_valid()
    assert form.cleaned_data["prompt"] == "<user>Who?<end>\n<assistant>"


@pytest.mark.parametrize(
    ("typed", "bytes_"),
    [
        ("2768896", 2_768_896),
        ("2,768,896", 2_768_896),
        ("2 768 896 B", 2_768_896),
        ("2704 KiB", 2_768_896),
        ("2.64 MiB", 2_768_241),
        ("1e6", 1_000_000),
    ],
)
def test_bytes_are_read_as_people_write_them(typed: str, bytes_: int) -> None:
    assert BytesField().clean(typed) == pytest.approx(bytes_, abs=1)


@pytest.mark.parametrize("typed", ["many", "12 parsecs", "-4", "1.2.3", "4 MB", "1e999"])
def test_what_is_no_number_of_bytes_is_told_the_form(typed: str) -> None:
    with pytest.raises(ValidationError, match="Write"):
        BytesField().clean(typed)


@pytest.mark.parametrize(
    ("predicted", "said"),
    [
        (1000, "Exact."),
        (1004.2, "0.42 % off."),
        (460, "54 % off."),
        (3400, "3.4 times too much."),
        (7.4e6, "7,400 times too much."),
    ],
)
def test_how_far_off_is_said_in_words(predicted: float, said: str) -> None:
    assert within("q", predicted, 1000, full=0.01, half=0.1).comment == said


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9), st.floats(1.1, 10), st.floats(0.001, 0.1))
def test_the_rules_are_fair(predicted: float, measured: float, factor: float, full: float) -> None:
    """A better prediction never gets fewer points, and the truth gets all of them."""
    assert within_factor("q", measured, measured, factor=factor).points == 1
    assert within("q", measured, measured, full=full, half=2 * full).points == 1
    nearer = (predicted * measured) ** 0.5
    assert (
        within_factor("q", nearer, measured, factor=factor).points
        >= within_factor("q", predicted, measured, factor=factor).points
    )
    between = (predicted + measured) / 2
    assert (
        within("q", between, measured, full=full, half=2 * full).points
        >= within("q", predicted, measured, full=full, half=2 * full).points
    )
