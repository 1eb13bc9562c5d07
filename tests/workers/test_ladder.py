"""The ladder: everything measured on real files, and nothing left behind."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.workers.running import finish
from workers import ladder
from workers.errors import BadRequestError
from workers.events import Log, Phase, Point, Progress
from workers.ladder import MeasureLadder
from workers.requests import from_json

SHAPE = {"n_layer": 1, "n_embd": 128, "n_head": 4, "n_head_kv": 2, "n_ff": 256, "n_vocab": 600}


def request_for(model: Path, text: Path, folder: Path, **options: Any) -> MeasureLadder:
    small = {
        "shape": SHAPE,
        "byte_types": ["Q8_0", "Q4_K_M"],
        "types": ["Q8_0", "Q4_0"],
        "n_ctx": 64,
        "chunks": 4,
        "n_prompt": 16,
        "n_gen": 2,
        "repetitions": 2,
        "threads": 1,
    }
    places = {"model": str(model), "text": str(text), "scratch": str(folder)}
    request: MeasureLadder = from_json(MeasureLadder, {**small, **places, **options})
    return request


def test_a_ladder_measures_bytes_loss_and_speed(model: Path, text: Path, tmp_path: Path) -> None:
    events, result = finish(ladder.ladder(request_for(model, text, tmp_path)))
    assert [size.type for size in result.sizes] == ["Q8_0", "Q4_K_M"]
    assert result.source_bytes > result.sizes[0].bytes > result.sizes[1].bytes
    # Rows of 128 are no whole blocks of 256, so Q4_K falls back.
    assert result.sizes[0].fallbacks == 0
    assert result.sizes[1].fallbacks > 0

    eight, four = result.rungs
    assert eight.kl_mean < four.kl_mean
    assert eight.bytes > four.bytes
    assert result.original.bytes == model.stat().st_size
    assert four.log_ratio.mean == pytest.approx(
        # ln of a ratio of perplexities is a difference of mean losses
        math.log(four.perplexity / result.original.perplexity)
    )
    assert result.tokens == 4 * 31
    (pair,) = result.comparisons
    assert (pair.first, pair.second) == ("Q8_0", "Q4_0")
    assert pair.kl.mean == pytest.approx(four.kl_mean - eight.kl_mean)
    assert pair.log_perplexity.mean == pytest.approx(four.log_ratio.mean - eight.log_ratio.mean)
    assert result.perplexity_tells_apart == pair.log_perplexity.clear
    assert eight.pp is not None
    assert len(eight.pp.samples) == 2
    assert asdict(result)

    series = {event.series for event in events if isinstance(event, Point)}
    assert {"kl Q8_0", "kl Q4_0", "perplexity Q4_0", "tg original", "pp Q4_0"} <= series
    assert any("blk.0.attn_q.weight" in event.line for event in events if isinstance(event, Log))
    steps = [event for event in events if isinstance(event, Progress)]
    assert [step.done for step in steps] == list(range(steps[-1].total))
    phases = [event.name for event in events if isinstance(event, Phase)]
    assert len(phases) == len(steps)
    assert "Quantizing the teaching model to Q4_0" in phases
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_ladder_cleans_up(model: Path, text: Path, tmp_path: Path) -> None:
    work = ladder.ladder(request_for(model, text, tmp_path))
    while not isinstance(next(work), Point):
        pass
    work.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"types": []}, "types must be 1 to 8 different file types"),
        ({"types": ["Q8_0", "Q8_0"]}, "types must be 1 to 8 different"),
        ({"byte_types": ["Q9_0"]}, "no file type called Q9_0"),
        ({"shape": {"n_embd": 100, "n_head": 3}}, "must split into 3 heads"),
        ({"shape": {"layers": 3}}, "There is no parameter called layers"),
        ({"n_ctx": 1}, "n_ctx must lie between"),
        ({"repetitions": 0}, "repetitions must lie between"),
        ({"scratch": "/absent"}, "The folder scratch does not exist"),
        ({"seed": -1}, "seed must lie between"),
    ],
)
def test_a_request_that_cannot_be_is_refused(
    model: Path, text: Path, tmp_path: Path, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        request_for(model, text, tmp_path, **options)
