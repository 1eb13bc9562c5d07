"""What the interactive figures show is true of the teaching model: each obeys its law."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from numpy.typing import NDArray

from tests.workers.test_cli import workers as engine
from workers import catalogue, figures, forward, gguf_file, llama
from workers.errors import BadModelError
from workers.figures import (
    attention_weights,
    awq_scaling,
    flash_tiles,
    gated_activations,
    gguf_bytes,
    gptq_feedback,
    head_shapes,
    kv_heads,
    norms,
    outliers,
    passages,
    rotary_positions,
    row_quantization,
)
from workers.figures.attention_weights import SENTENCE
from workers.forward import Forward, Model

MOST_BYTES = 60 * 1024
Matrix = NDArray[np.float64]


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


def rounded_to_8_bits(matrix: Matrix, *, by_row: bool) -> Matrix:
    """Absmax with one scale for the matrix or for each row, and back."""
    scale = np.abs(matrix).max(axis=1 if by_row else None, keepdims=True) / 127
    restored: Matrix = np.round(matrix / scale) * scale
    return restored


def test_outliers_spoil_8_bits_until_they_are_kept_apart(model: Model) -> None:
    shown = outliers.compute(model)
    assert outliers.SENTENCE in Path(catalogue.texts().heldout).read_text()
    x, weights = np.array(shown.x), np.array(shown.weights)
    real = model.tensors[shown.tensor]
    assert len(real) == shown.n_outputs
    np.testing.assert_allclose(weights, real[: len(weights)], atol=0.0006)
    peaks = np.abs(x).max(axis=0)
    assert peaks.max() < 6  # the model has no outliers in the paper's sense

    def errors(factor: float) -> tuple[float, float, float]:
        feature = peaks.argmax()
        a, b = x.copy(), weights.copy()
        a[:, feature] *= factor
        b[:, feature] /= factor
        exact = a @ b.T
        np.testing.assert_allclose(exact, x @ weights.T)
        one = rounded_to_8_bits(a, by_row=False) @ rounded_to_8_bits(b, by_row=False).T
        rows = rounded_to_8_bits(a, by_row=True) @ rounded_to_8_bits(b, by_row=True).T
        kept, small = a[:, [feature]] @ b[:, [feature]].T, np.arange(a.shape[1]) != feature
        split = kept + (
            rounded_to_8_bits(a[:, small], by_row=True)
            @ rounded_to_8_bits(b[:, small], by_row=True).T
        )
        energy = np.linalg.norm(exact)
        distances = (np.linalg.norm(got - exact) / energy for got in (one, rows, split))
        one_error, rows_error, split_error = (float(distance) for distance in distances)
        return one_error, rows_error, split_error

    one, rows, split = errors(20)
    assert one > rows > 5 * split
    assert split == pytest.approx(errors(1)[2])  # whatever the factor: it is not rounded at all


def test_gptq_s_error_is_below_round_to_nearest_s(model: Model) -> None:
    shown = gptq_feedback.compute(model)
    weights, h = np.array(shown.weights), np.array(shown.h)
    real = model.tensors[shown.tensor][shown.first_row :, shown.first_column :]
    np.testing.assert_allclose(weights, real[: len(weights), : len(h)], atol=0.00006)
    np.testing.assert_array_equal(h, h.T)
    assert np.linalg.eigvalsh(h).min() > 0
    for bits in (2, 3, 4):
        plain, fed_back = (
            gptq_feedback.quantized(weights, h, bits, feedback=feedback)
            for feedback in (False, True)
        )
        low, step = gptq_feedback.grid(weights, bits)
        for levels in (plain, fed_back):
            codes = (levels - low[:, None]) / step[:, None]
            np.testing.assert_allclose(codes, np.round(codes), atol=1e-6)
        error = gptq_feedback.output_error
        assert error(fed_back - weights, h).sum() < error(plain - weights, h).sum()
        # No weight can be nearer to its original than the nearest level is.
        assert np.square(fed_back - weights).sum() >= np.square(plain - weights).sum()
    assert shown.better / shown.blocks > 0.9


def test_gptq_is_the_paper_s_algorithm_with_cholesky(model: Model) -> None:
    shown = gptq_feedback.compute(model)
    weights, h = np.array(shown.weights), np.array(shown.h)
    damped = h + shown.damping * h.diagonal().mean() * np.eye(len(h))
    upper = np.linalg.cholesky(np.linalg.inv(damped)).T
    low, step = gptq_feedback.grid(weights, shown.bits)
    now = weights.copy()
    for i in range(len(h)):
        nearest = np.round((now[:, i] - low) / step) * step + low
        now[:, i:] -= np.outer((now[:, i] - nearest) / upper[i, i], upper[i, i:])
    ours = gptq_feedback.quantized(weights, h, shown.bits, feedback=True)
    np.testing.assert_allclose(now, ours, atol=1e-9)


def test_for_inputs_that_have_nothing_in_common_gptq_is_plain_rounding(model: Model) -> None:
    weights = np.array(gptq_feedback.compute(model).weights)
    h = np.diag(np.arange(1.0, weights.shape[1] + 1))
    plain, fed_back = (
        gptq_feedback.quantized(weights, h, 3, feedback=feedback) for feedback in (False, True)
    )
    np.testing.assert_array_equal(plain, fed_back)


def test_scaling_loud_channels_helps_and_dividing_them_harms(model: Model) -> None:
    shown = awq_scaling.compute(model)
    assert (shown.alphas[0], shown.alphas[-1]) == (0, 1)
    assert shown.errors[0] == shown.wrong_way[0]
    assert min(shown.errors) < 0.95 * shown.errors[0]
    assert 0 < shown.alphas[shown.errors.index(min(shown.errors))] < 0.6
    assert shown.errors[-1] > shown.errors[0]
    pairs = list(zip(shown.errors, shown.wrong_way, strict=True))[1:]
    assert all(wrong > right for right, wrong in pairs)
    assert shown.coarser == sorted(shown.coarser)
    assert shown.coarser[0] == 0


def test_awq_s_error_is_that_of_the_output_itself(model: Model) -> None:
    shown = awq_scaling.compute(model)
    weight = model.tensors[shown.tensor]
    x = passages.heldout(model, awq_scaling.LAYER).ffn_normed
    loudness = np.abs(passages.calibration(model, awq_scaling.LAYER).ffn_normed).mean(axis=0)
    scale = (loudness / np.median(loudness)) ** np.float32(shown.alphas[6])
    scaled = awq_scaling.quantize(weight * scale)
    codes = (scaled / np.repeat(awq_scaling.steps(weight * scale)[..., 0], shown.group, axis=1)).T
    assert np.abs(np.round(codes) - codes).max() < 1e-3
    assert np.abs(codes).max() <= shown.largest_code + 1e-3
    exact, got = x @ weight.T, (x / scale) @ scaled.T
    error = np.square(got - exact).sum() / np.square(exact).sum()
    assert error == pytest.approx(shown.errors[6], rel=1e-3)


def test_a_cache_takes_what_llama_cpp_allocates(model: Model) -> None:
    shown = kv_heads.compute(model)
    own = shown.shapes[0]
    assert (own.n_layer, own.n_head, own.n_head_kv, own.head_dim) == (4, 8, 2, 32)
    assert [(kind.name, kind.block_bytes / kind.block) for kind in shown.types] == [
        ("F32", 4),
        ("F16", 2),
        ("Q8_0", 34 / 32),
        ("Q4_0", 18 / 32),
    ]
    for shape in shown.shapes:
        assert shape.n_head % shape.n_head_kv == 0
    llama2 = next(shape for shape in shown.shapes if "70B" in shape.name)
    token = 2 * llama2.n_layer * llama2.n_head_kv * llama2.head_dim * 2
    assert 4096 * token == 1.25 * 2**30


def test_every_byte_shown_of_the_file_is_the_file_s_and_explained_once(model: Model) -> None:
    shown = gguf_bytes.compute(model)
    file, data = gguf_file.read(model.path), model.path.read_bytes()
    assert (shown.file_bytes, shown.data_offset) == (len(data), file.data_offset)
    for window in shown.windows:
        piece = bytes.fromhex(window.bytes)
        assert data[window.offset : window.offset + len(piece)] == piece
        place = window.offset
        for field in window.fields:
            assert field.offset == place
            place += field.length
        assert place == window.offset + len(piece)
    ends = [window.offset + len(window.bytes) // 2 for window in shown.windows]
    starts = [window.offset for window in shown.windows]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


def test_the_fields_of_the_file_say_what_the_reader_reads(model: Model) -> None:
    shown, file = gguf_bytes.compute(model), gguf_file.read(model.path)
    header, numbers, array, infos, end = (
        {field.name: field for field in window.fields} for window in shown.windows
    )
    assert header["Magic"].value == "“GGUF”"
    assert header["Version"].value == str(file.version)
    assert "50,331,648" in header["Version"].meaning
    assert header["Number of tensors"].value == str(len(file.tensors))
    assert header["Number of metadata pairs"].value == str(len(file.metadata))
    values = [field.value for field in shown.windows[0].fields if field.name == "The value"]
    assert values == [f"“{entry.value}”" for entry in file.metadata[:2]]
    assert header["Type of the value"].value == "8, string"
    assert float(numbers["The value"].value) == pytest.approx(model.epsilon)
    tokens = file.get("tokenizer.ggml.tokens")
    assert isinstance(tokens, tuple)
    assert array["Number of elements"].value == str(len(tokens))
    assert array["Token 3"].value == f"“{tokens[3]}”"
    assert infos["Offset"].value == str(file.tensors[1].offset)
    assert end["Weight 0"].offset == file.data_offset
    first = model.tensors[file.tensors[0].name].flat[0]
    assert float(end["Weight 0"].value) == pytest.approx(float(first), rel=1e-5)


@pytest.mark.parametrize("name", ["Q8_0", "Q5_0", "Q4_0"])
def test_quantized_bytes_are_those_of_gguf_py(model: Model, name: str) -> None:
    weight = np.array(model.tensors["blk.0.attn_v.weight"])
    ours = row_quantization.quantized(weight, name)
    theirs = quants.quantize(weight, GGMLQuantizationType[name])
    np.testing.assert_array_equal(ours, theirs)


def test_quantized_bytes_are_those_in_the_file_of_llama_quantize(
    model: Model, tmp_path: Path
) -> None:
    small = tmp_path / "small.gguf"
    options = ("--model", model.path, "--type", "Q4_K_S", "--pure", "--out", small)
    assert engine("quantize", *options, "--json")[0] == 0
    file = gguf_file.read(small)
    tensor = next(tensor for tensor in file.tensors if tensor.name == "blk.0.attn_q.weight")
    assert tensor.type == "Q4_K"
    start = file.data_offset + tensor.offset
    written = np.fromfile(small, dtype=np.uint8, offset=start, count=tensor.bytes)
    ours = row_quantization.quantized(model.tensors[tensor.name], "Q4_K")
    np.testing.assert_array_equal(ours.ravel(), written)


def test_fewer_bits_restore_a_row_less_well(model: Model) -> None:
    shown = row_quantization.compute(model)
    bits = {kind.name: kind.bits for kind in shown.types}
    assert bits["Q8_0"] == 8.5
    assert bits["Q4_K"] == bits["Q4_0"] == 4.5
    assert bits["Q2_K"] == 2.625
    for row in shown.rows:
        weight = model.tensors[row.tensor]
        np.testing.assert_allclose(row.values, weight[row.row, : len(row.values)], atol=6e-6)
        rmse = {kind.name: back.rmse for kind, back in zip(shown.types, row.restored, strict=True)}
        by_bits = ["Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K"]
        assert [rmse[name] for name in by_bits] == sorted(rmse[name] for name in by_bits)
        assert rmse["Q4_K"] < rmse["Q4_0"]
        assert rmse["Q5_K"] < rmse["Q5_0"]
