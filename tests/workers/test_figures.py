"""What the interactive figures show is true of the teaching model: each obeys its law."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tests.workers.test_cli import workers as engine
from workers import catalogue, figures, llama
from workers.errors import BadModelError
from workers.figures import (
    attention_weights,
    flash_tiles,
    forward,
    gated_activations,
    head_shapes,
    norms,
    rotary_positions,
)
from workers.figures.attention_weights import SENTENCE
from workers.figures.forward import Forward, Model

MOST_BYTES = 60 * 1024


@pytest.fixture(scope="module")
def model() -> Model:
    return forward.load(Path(catalogue.main_model().path))


@pytest.fixture(scope="module")
def passed(model: Model) -> Forward:
    return forward.run(model, SENTENCE)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_figure_is_small_and_says_which_model_it_is_of(name: str) -> None:
    shown = asdict(figures.compute(name))
    assert len(json.dumps(shown, allow_nan=False, separators=(",", ":"))) < MOST_BYTES
    assert shown["model"] == "main.gguf"


def test_a_figure_s_numbers_from_the_command_line() -> None:
    code, shown, _ = engine("figure", "head-shapes", "--json")
    assert code == 0
    assert shown == json.loads(json.dumps(asdict(figures.compute("head-shapes"))))
    code, shown, _ = engine("figure", "no-such-figure", "--json")
    assert code == 1
    assert "no-such-figure" in shown["error"]


def test_the_forward_pass_is_llama_cpp_s(model: Model, passed: Forward) -> None:
    n = len(passed.text.ids)
    with (
        llama.load(model.path) as loaded,
        llama.context(loaded, n_ctx=64, n_batch=64, type_k="F32", type_v="F32") as context,
    ):
        assert list(loaded.tokenize(SENTENCE, special=True)) == list(passed.text.ids)
        batch = llama.Batch(n)
        batch.tokens[:] = passed.text.ids
        batch.outputs[:] = 1
        context.decode(batch)
        logits = context.logits(n).copy()
    np.testing.assert_allclose(passed.logits, logits, atol=5e-3)


def test_only_f32_models_are_read(tmp_path: Path) -> None:
    small = tmp_path / "small.gguf"
    options = ("--model", catalogue.main_model().path, "--type", "Q8_0", "--out", small)
    assert engine("quantize", *options, "--json")[0] == 0
    with pytest.raises(BadModelError, match="F32"):
        forward.load(small)


def test_attention_is_causal_and_every_row_sums_to_one(model: Model, passed: Forward) -> None:
    shown = attention_weights.compute(model)
    assert "".join(shown.tokens) == f"<s>{SENTENCE}"
    assert (len(shown.weights), len(shown.weights[0])) == (model.n_layer, model.n_head)
    for layer in shown.weights:
        for head in layer:
            assert [len(row) for row in head] == list(range(1, len(shown.tokens) + 1))
            for row in head:
                assert min(row) >= 0
                assert sum(row) == pytest.approx(1, abs=0.0005 * len(row))
    for block in passed.blocks:
        np.testing.assert_allclose(block.weights.sum(axis=-1), 1, atol=1e-5)
        assert not np.triu(block.weights, k=1).any()


def test_a_token_never_sees_what_comes_after_it(model: Model, passed: Forward) -> None:
    shorter = forward.run(model, "Alba hid a vase.")
    n = len(shorter.text.ids)
    assert shorter.text.ids == passed.text.ids[:n]
    np.testing.assert_allclose(shorter.logits, passed.logits[:n], atol=1e-3)


def test_rope_keeps_lengths_and_scores_depend_on_the_distance(model: Model) -> None:
    shown = rotary_positions.compute(model)
    frequency = np.array(shown.frequencies, dtype=np.float32)
    assert frequency[0] == 1
    np.testing.assert_allclose(frequency[1:] / frequency[:-1], frequency[1], rtol=1e-4)

    def turned(values: list[float], position: int) -> forward.Array:
        row: forward.Array = np.array([values], dtype=np.float32)
        alone: forward.Array = forward.rotate(row, np.array([position]), frequency)[0]
        return alone

    for example in shown.examples:
        q, k = turned(example.q, 40), turned(example.k, 30)
        assert np.linalg.norm(q) == pytest.approx(np.linalg.norm(example.q), rel=1e-5)
        assert q @ k == pytest.approx(turned(example.q, 110) @ turned(example.k, 100), abs=1e-3)
        assert q @ k != pytest.approx(turned(example.q, 41) @ k, abs=1e-3)


def test_the_rotary_figure_gives_the_scores_of_the_model(model: Model, passed: Forward) -> None:
    shown = rotary_positions.compute(model)
    frequency = forward.frequencies(model)
    for example, (layer, head, query, key) in zip(
        shown.examples, rotary_positions.CHOSEN, strict=True
    ):
        q = forward.rotate(
            np.array([example.q], dtype=np.float32), np.array([query - key]), frequency
        )[0]
        score = q @ np.array(example.k, dtype=np.float32) / np.sqrt(model.head_dim)
        assert score == pytest.approx(passed.blocks[layer].scores[head, query, key], abs=2e-3)


def test_head_shapes_are_those_of_the_file_and_fit_together(model: Model) -> None:
    shown = head_shapes.compute(model)
    widths = {name: (weight.inputs, weight.outputs) for name, weight in shown.weights.items()}
    kv = shown.n_head_kv * shown.head_dim
    assert shown.n_head * shown.head_dim == shown.n_embd
    assert widths == {
        "attn_q": (shown.n_embd, shown.n_embd),
        "attn_k": (shown.n_embd, kv),
        "attn_v": (shown.n_embd, kv),
        "attn_output": (shown.n_embd, shown.n_embd),
    }
    block = forward.run(model, SENTENCE).blocks[head_shapes.LAYER]
    n = len(block.x)
    assert block.scores.shape == (shown.n_head, n, n)
    assert block.k.shape == (shown.n_head_kv, n, shown.head_dim)


def test_rms_norm_takes_no_notice_of_a_factor_and_notices_a_shift(
    model: Model, passed: Forward
) -> None:
    one = np.ones(model.n_embd, dtype=np.float32)
    for state in norms.compute(model).states:
        x = np.array([state.x], dtype=np.float32)
        np.testing.assert_allclose(x[0], passed.blocks[state.layer].x[state.index], atol=0.005)
        normed = forward.rms_norm(x, one, model.epsilon)
        assert np.sqrt(np.mean(normed**2)) == pytest.approx(1, abs=1e-3)
        np.testing.assert_allclose(
            forward.rms_norm(4 * x, one, model.epsilon), normed, rtol=1e-3, atol=1e-5
        )
        shifted = forward.rms_norm(x + x.std(), one, model.epsilon)
        assert np.abs(shifted - normed).max() > 0.3


def test_gate_times_up_is_what_the_down_layer_reads(model: Model, passed: Forward) -> None:
    shown = gated_activations.compute(model)
    assert forward.silu(np.array([0.0, 1.0])) == pytest.approx([0, 1 / (1 + np.exp(-1))])
    for token in shown.tokens:
        assert passed.text.pieces[token.index] == token.token
        product = forward.silu(np.array(token.gate)) * np.array(token.up)
        np.testing.assert_allclose(
            product, passed.blocks[shown.layer].product[token.index], atol=0.02
        )


def test_attention_in_tiles_is_the_model_s_attention(model: Model, passed: Forward) -> None:
    shown = flash_tiles.compute(model)
    heads = passed.blocks[shown.layer].heads  # (n, h * head_dim)
    first = shown.head * shown.head_dim
    for query, scores in enumerate(shown.scores):
        maximum, total, mixed = -np.inf, 0.0, np.zeros(flash_tiles.SHOWN_FEATURES)
        for key in range(0, len(scores), 4):
            tile = np.array(scores[key : key + 4])
            higher = max(maximum, tile.max())
            rescale, powers = np.exp(maximum - higher), np.exp(tile - higher)
            total = total * rescale + powers.sum()
            mixed = mixed * rescale + powers @ np.array(shown.values[key : key + len(tile)])
            maximum = higher
        real = heads[query, first : first + flash_tiles.SHOWN_FEATURES]
        np.testing.assert_allclose(mixed / total, real, atol=0.05)
