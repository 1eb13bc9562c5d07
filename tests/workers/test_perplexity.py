"""Perplexity and KL divergence: against values known by hand, and in all ways of batching."""

import math
from pathlib import Path

import numpy as np
import pytest

from tests.workers.running import finish
from workers import llama, perplexity, quantize, random_model
from workers.comparison import by_chunk, compare_on_same_tokens
from workers.errors import BadModelError, BadRequestError
from workers.estimates import RunningMean, mean, paired_difference
from workers.events import Point
from workers.llama import Batch
from workers.perplexity import MeasurePerplexity, Perplexity
from workers.quantize import Quantize
from workers.random_model import Shape
from workers.requests import from_json
from workers.scoring import ComparedScores, compare, score

N_CTX, CHUNKS = 64, 4


def measure(model: Path, text: Path, **options: int | str) -> Perplexity:
    request = MeasurePerplexity(
        model=str(model),
        text=str(text),
        n_ctx=N_CTX,
        **{"chunks": CHUNKS, "threads": 1, **options},  # type: ignore[arg-type]
    )
    return finish(perplexity.perplexity(request))[1]


@pytest.fixture(scope="session")
def quantized(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    out = tmp_path_factory.mktemp("quantized") / "q4.gguf"
    finish(quantize.quantize(Quantize(model=str(model), type="Q4_0", out=str(out))))
    return out


def test_scores_of_logits_worked_out_by_hand() -> None:
    # Softmax of (ln 1, ln 2, ln 5) is (1/8, 2/8, 5/8).
    logits = np.log(np.array([[1.0, 2.0, 5.0], [5.0, 2.0, 1.0]], dtype=np.float32))
    targets = np.array([2, 2], dtype=np.int32)
    assert score(logits, targets).nll == pytest.approx([math.log(8 / 5), math.log(8)])

    base = np.log(np.array([[1.0, 1.0, 2.0], [5.0, 2.0, 1.0]], dtype=np.float32))
    scores = compare(logits, base, targets)
    divergence = 1 / 4 * math.log(2) + 1 / 4 * math.log(1) + 1 / 2 * math.log(4 / 5)
    assert scores.kl == pytest.approx([divergence, 0.0], abs=1e-7)
    assert scores.base_nll == pytest.approx([math.log(2), math.log(8)])
    assert scores.same_top.tolist() == [1.0, 1.0]


def test_the_standard_error_is_that_of_a_mean() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert mean(values).stderr == pytest.approx(values.std(ddof=1) / 2)
    running = RunningMean()
    running.add(values[:1])
    assert running.add(values[1:]).stderr == pytest.approx(mean(values).stderr)


def test_a_paired_difference_is_clear_where_two_means_are_not() -> None:
    hard = np.random.default_rng(1).normal(5.0, 3.0, 400)  # what makes a token hard for both
    slightly_worse = hard + 0.01 + np.random.default_rng(2).normal(0.0, 0.01, 400)
    assert mean(slightly_worse).mean - mean(hard).mean < mean(hard).stderr
    assert paired_difference(slightly_worse, hard).clear


def test_errors_that_come_in_whole_chunks_are_not_hidden() -> None:
    # 4 chunks of 100 tokens; within a chunk all tokens are off by the same amount.
    off = np.repeat([0.0, 0.1, 0.2, 0.3], 100)
    zeros = np.zeros(400)
    first = ComparedScores(nll=zeros, base_nll=zeros, kl=zeros, same_top=zeros)
    second = ComparedScores(nll=off, base_nll=zeros, kl=off, same_top=zeros)
    found = compare_on_same_tokens("A", first, "B", second, chunks=4)
    assert found.kl.mean == pytest.approx(0.15)
    assert found.kl.stderr_by_chunk == pytest.approx(by_chunk(off, chunks=4).stderr)
    assert abs(found.kl.mean) > 3 * found.kl.stderr
    assert found.kl.stderr_by_chunk > 9 * found.kl.stderr
    assert not found.kl.clear


def test_a_model_that_knows_nothing_is_as_surprised_as_its_vocabulary_is_long(
    tmp_path: Path, text: Path
) -> None:
    path = tmp_path / "uniform.gguf"
    random_model.write(path, Shape(n_layer=1, n_embd=64, n_ff=64, n_head=2, n_vocab=600), seed=1)
    content = bytearray(path.read_bytes())
    # With output_norm zero, all logits are 0. It is the last tensor of the file.
    content[-64 * 4 :] = bytes(64 * 4)
    path.write_bytes(content)
    result = measure(path, text)
    assert result.perplexity == pytest.approx(600)
    assert result.stderr == pytest.approx(0, abs=1e-3)


def test_the_chunks_are_those_of_llama_perplexity(model: Path, text: Path) -> None:
    """The same number, computed chunk by chunk with nothing shared but the logits."""
    nll: list[float] = []
    with llama.load(model) as loaded, llama.context(loaded, n_ctx=N_CTX, n_batch=N_CTX) as context:
        tokens = loaded.tokenize(perplexity.read_text(text), special=True)
        for begin in range(0, CHUNKS * N_CTX, N_CTX):
            context.clear()
            batch = Batch(N_CTX)
            batch.tokens[:] = tokens[begin : begin + N_CTX]
            batch.tokens[0] = loaded.bos
            batch.outputs[:] = 1
            context.decode(batch)
            logits = context.logits(N_CTX).astype(np.float64)
            for position in range(N_CTX // 2, N_CTX - 1):
                row = logits[position]
                target = tokens[begin + position + 1]
                nll.append(float(np.log(np.exp(row - row.max()).sum()) + row.max() - row[target]))
    result = measure(model, text)
    assert result.tokens == len(nll) == CHUNKS * (N_CTX // 2 - 1)
    assert result.mean_nll == pytest.approx(np.mean(nll), rel=2e-4)


@pytest.mark.parametrize("n_batch", [16, 48, 64, 128, 256])
def test_the_size_of_the_batch_changes_nothing(model: Path, text: Path, n_batch: int) -> None:
    whole = measure(model, text)
    assert measure(model, text, n_batch=n_batch).perplexity == pytest.approx(
        whole.perplexity, rel=1e-3
    )


def test_a_model_has_no_divergence_from_itself(model: Path, text: Path) -> None:
    result = measure(model, text, base_model=str(model))
    assert result.kl_mean == pytest.approx(0, abs=1e-12)
    assert result.top1_agreement == 1
    assert result.log_ratio == 0
    assert result.base_perplexity == result.perplexity


def test_a_quantized_model_diverges_and_the_points_tell_how(
    model: Path, quantized: Path, text: Path
) -> None:
    request = MeasurePerplexity(
        model=str(quantized), text=str(text), n_ctx=N_CTX, base_model=str(model), threads=1
    )
    events, (result, scores) = finish(perplexity.measure(request, label="Q4_0"))
    assert isinstance(scores, ComparedScores)
    assert result.kl_mean == pytest.approx(scores.kl.mean())
    assert result.kl_stderr is not None
    assert result.kl_mean is not None
    assert result.kl_mean > 10 * result.kl_stderr
    assert np.mean([chunk.kl for chunk in result.by_chunk]) == pytest.approx(result.kl_mean)
    points = [event for event in events if isinstance(event, Point)]
    assert {point.series for point in points} == {"perplexity Q4_0", "kl Q4_0"}
    last = points[-1]
    assert last.x == result.tokens
    assert last.y == pytest.approx(result.kl_mean)
    assert last.low is not None
    assert last.high is not None
    assert last.low < last.y < last.high


def test_a_text_too_short_for_the_chunks_is_refused(model: Path, text: Path) -> None:
    with pytest.raises(BadRequestError, match="chunks of 64; 500 are needed"):
        measure(model, text, chunks=500)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"Too short.", "enough for 0 chunks of 64; 4 are needed"),
        (b"\xff\xfe is no text", r"words\.txt is no UTF-8 text"),
        (None, r"words\.txt cannot be read: no such file"),
    ],
)
def test_a_text_that_is_none_is_refused(
    tmp_path: Path, model: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadRequestError, match=complaint):
        measure(model, path)


def test_a_base_with_another_vocabulary_is_refused(tmp_path: Path, model: Path, text: Path) -> None:
    base = tmp_path / "base.gguf"
    random_model.write(base, Shape(n_layer=1, n_embd=64, n_ff=64, n_head=2, n_vocab=700), seed=1)
    with pytest.raises(BadRequestError, match="do not have the same vocabulary"):
        measure(model, text, base_model=str(base))


def test_a_base_that_is_no_model_is_refused(model: Path, text: Path) -> None:
    with pytest.raises(BadModelError, match=r"text\.txt is no GGUF file"):
        measure(model, text, base_model=str(text))


@pytest.mark.parametrize("wrong", [{"n_ctx": 8}, {"chunks": -1}, {"n_batch": 0}, {"threads": 999}])
def test_a_parameter_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    (name,) = wrong
    with pytest.raises(BadRequestError, match=f"{name} must lie between"):
        from_json(MeasurePerplexity, {"model": "m", "text": "t", **wrong})
