"""Bench: repetitions kept raw, and what is measured is said."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.workers.running import finish
from workers import bench
from workers.bench import Bench, Benched
from workers.errors import BadRequestError
from workers.events import Event, Point
from workers.fingerprint import fingerprint
from workers.requests import from_json


def run(model: Path, **options: Any) -> tuple[list[Event], Benched]:
    small = {"n_prompt": 32, "n_gen": 4, "repetitions": 3, "threads": 1, **options}
    return finish(bench.bench(Bench(model=str(model), **small)))


def test_every_repetition_is_kept(model: Path) -> None:
    before = time.time()
    events, result = run(model)
    assert result.pp is not None
    assert result.tg is not None
    for speed, tokens in ((result.pp, 32), (result.tg, 4)):
        assert speed.tokens == tokens
        assert speed.samples == tuple(tokens / one.seconds for one in speed.repetitions)
        assert speed.median == sorted(speed.samples)[1]
        assert speed.cv == pytest.approx(speed.stddev / speed.mean)
        assert speed.unstable == (speed.cv > 0.05)
        assert all(before <= one.began <= time.time() for one in speed.repetitions)
        assert all(seconds > 0 for seconds in speed.cpu_seconds_per_token)
    points = [event for event in events if isinstance(event, Point)]
    assert [(point.series, point.x) for point in points] == [
        (series, number) for series in ("pp", "tg") for number in (1, 2, 3)
    ]
    assert tuple(point.y for point in points[:3]) == result.pp.samples
    assert result.fingerprint == fingerprint()
    assert result.threads == 1


def test_one_of_the_two_can_be_left_out(model: Path) -> None:
    assert run(model, n_gen=0)[1].tg is None
    assert run(model, n_prompt=0)[1].pp is None


@pytest.mark.parametrize(
    "options",
    [
        {"n_batch": 8, "n_ubatch": 8},
        {"flash_attention": "on", "type_k": "Q8_0", "type_v": "Q8_0"},
        {"flash_attention": "off", "type_k": "F32"},
        {"threads": 2},
    ],
)
def test_the_parameters_are_llama_cpps(model: Path, options: dict[str, Any]) -> None:
    result = run(model, **options)[1]
    assert result.pp is not None
    assert result.pp.median > 0


def test_one_core_is_kept_busy_by_one_thread(model: Path) -> None:
    result = run(model, n_prompt=256, n_gen=0)[1]
    assert result.pp is not None
    for one in result.pp.repetitions:
        assert one.cpu_seconds <= 1.1 * one.seconds + 0.001


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"repetitions": 0}, "repetitions must lie between 1 and 1000"),
        ({"n_prompt": -1}, "n_prompt must lie between"),
        ({"n_prompt": 0, "n_gen": 0}, "must not both be 0"),
        ({"flash_attention": "maybe"}, "flash_attention must be one of auto, off, on"),
        ({"type_k": "Q4_K"}, "type_k must be one of F32, F16"),
        ({"threads": 1000}, "threads must lie between"),
    ],
)
def test_a_parameter_out_of_range_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        from_json(Bench, {"model": "m", **options})
