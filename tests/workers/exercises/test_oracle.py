"""The oracle of the code ladder: llama.cpp's logits, and how far a right pass may be off them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workers import catalogue, forward
from workers.exercises import oracle
from workers.exercises.base import Array
from workers.exercises.measure_tolerance import measure
from workers.exercises.oracle import DRAWN_TOLERANCE, Steps


@pytest.mark.parametrize("first", [0, 50_000])
@pytest.mark.parametrize("model", catalogue.models(), ids=lambda model: model.name)
def test_the_recorded_tolerance_lies_between_right_and_wrong(
    model: catalogue.Model, first: int
) -> None:
    """For the draws that it was measured with and for draws that nobody has seen."""
    found = measure(Path(model.path), draws=12, first=first)

    assert 5 * found["worst_correct"] <= model.logits_tolerance
    assert model.logits_tolerance <= found["smallest_wrong_eps"] / 2


def test_the_tolerance_of_drawn_models_lies_between_right_and_wrong() -> None:
    correct, mistaken = [], []
    for seed in range(16):
        rng = np.random.default_rng([2_000, seed])
        with oracle.drawn_model(rng) as model:
            tokens = oracle.draw_tokens(rng, 24, of=model)
            exact = oracle.logits(tokens, of=model)
            correct.append(off(forward.logits(model, np.array(tokens)), exact))
            for epsilon in (model.epsilon / 10, 1e-5):
                wrong = replace(model, epsilon=epsilon)
                mistaken.append(off(forward.logits(wrong, np.array(tokens)), exact))

    assert 5 * max(correct) <= DRAWN_TOLERANCE <= min(mistaken) / 2


def test_a_drawn_model_shares_no_number_with_the_teaching_model() -> None:
    teaching = oracle.model()
    for seed in range(8):
        with oracle.drawn_model(np.random.default_rng(seed)) as drawn:
            for name in ("n_layer", "n_embd", "n_ff", "n_head", "n_head_kv", "head_dim"):
                assert getattr(drawn, name) != getattr(teaching, name), name
            assert drawn.epsilon > 2 * teaching.epsilon
            assert drawn.rope_base != teaching.rope_base
            assert drawn.query_heads_per_kv_head != teaching.query_heads_per_kv_head


def test_the_same_seed_draws_the_same_model() -> None:
    with (
        oracle.drawn_model(np.random.default_rng(3)) as one,
        oracle.drawn_model(np.random.default_rng(3)) as other,
    ):
        assert one.path != other.path
        assert one.path.read_bytes() == other.path.read_bytes()


def test_the_steps_of_the_forward_pass_give_llama_cpps_logits_for_any_model() -> None:
    rng = np.random.default_rng(4)
    tokens = oracle.draw_tokens(rng, 20)
    oracle.judge_logits(oracle.forward_with(tokens, Steps()), oracle.logits(tokens))
    with oracle.drawn_model(rng) as model:
        tokens = oracle.draw_tokens(rng, 20, of=model)
        got = oracle.forward_with(tokens, Steps(), of=model)
        assert off(got, oracle.logits(tokens, of=model)) <= DRAWN_TOLERANCE


def test_greedy_tokens_are_the_largest_logits_of_all_that_stands_before() -> None:
    tokens = oracle.draw_tokens(np.random.default_rng(5), 6)
    made, leads = oracle.greedy(tokens, 8)
    rows = oracle.logits([*tokens, *made])[len(tokens) - 1 : -1]  # (8, n_vocab)
    second, first = np.sort(rows, axis=1)[:, -2:].T

    assert made == rows.argmax(axis=1).tolist()
    assert np.allclose(leads, first - second, atol=oracle.tolerance())


def off(got: Array, exact: Array) -> float:
    return float(np.abs(got.astype(np.float64) - exact.astype(np.float64)).max())
