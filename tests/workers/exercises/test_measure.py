"""The exercise on measuring a quantization: right, wrong as people are wrong, and cheating."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers import catalogue, llama, native, scoring
from workers.exercises import EXERCISES
from workers.exercises.measure import solution
from workers.exercises.measure.exercise import _held_out

KEY = "exercise-measure"


ANOTHER = """
import math
import statistics
import numpy as np

def probabilities(row):
    row = [float(value) for value in row]
    top = max(row)
    powers = [math.exp(value - top) for value in row]
    return [power / sum_ for sum_ in [math.fsum(powers)] for power in powers]

def perplexity(logits, targets):
    product = 0.0
    for row, target in zip(logits, targets):
        product += math.log(probabilities(row)[target])
    return math.exp(-product / len(targets))

def kl(p_logits, q_logits):
    p = np.asarray(p_logits, np.longdouble)
    q = np.asarray(q_logits, np.longdouble)
    p, q = p - p.max(1)[:, None], q - q.max(1)[:, None]
    zp, zq = np.exp(p).sum(1), np.exp(q).sum(1)
    # sum p (p - q), and the two normalisers.
    values = (np.exp(p) / zp[:, None] * (p - q)).sum(1) - np.log(zp) + np.log(zq)
    values = [float(value) for value in values]
    return statistics.fmean(values), statistics.stdev(values) / len(values) ** 0.5

def bits_per_weight(file_bytes, parameters):
    return file_bytes / (parameters / 8)

def faster(a, b):
    gain = [y - x for x, y in zip(a, b)]  # positive where a is faster
    low, middle, high = statistics.quantiles(gain, n=4, method="inclusive")
    return "a" if middle > high - low else "b" if -middle > high - low else "no difference"
"""


@pytest.mark.parametrize("seed", range(3))
def test_another_right_solution_passes(seed: int) -> None:
    assert failed(graded(KEY, ANOTHER, seed=seed)) == []


def test_quartiles_by_another_convention_pass() -> None:
    """There are several definitions; the draws keep away from where they disagree."""
    for seed in range(8):
        source = ANOTHER.replace('method="inclusive"', 'method="exclusive"')
        assert failed(graded(KEY, source, seed=seed)) == []


SURPRISE = "float(np.exp(surprise.mean()))"
UNPAIRED = """\
    low, middle, high = np.percentile([a, b], [25, 50, 75], axis=1)
    if abs(middle[0] - middle[1]) <= max(high - low):
        return "no difference"
    return "b" if middle[0] > middle[1] else "a"
"""
MEANS = """\
    d = np.array(a) - np.array(b)
    if abs(d.mean()) <= 3 * d.std(ddof=1) / np.sqrt(len(d)):
        return "no difference"
    return "b" if d.mean() > 0 else "a"
"""
PAIRED = EXERCISES[KEY].solution.partition("difference = np.array")[2]
PAIRED = f"    difference = np.array{PAIRED}"


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        (SURPRISE, "float(np.exp(surprise).mean())", "Perplexity of real logits", "not the mean"),
        (
            SURPRISE,
            "float(1 / np.exp(-surprise).mean())",
            "Perplexity of real logits",
            "mean of the probabilities",
        ),
        (SURPRISE, "float(surprise.mean())", "Perplexity of real logits", "is exp of it"),
        (
            SURPRISE,
            "float(np.exp(surprise.mean() / np.log(2)))",
            "Perplexity of real logits",
            "base 2",
        ),
        (
            "[np.arange(len(targets)), targets]",
            ".max(axis=-1)",
            "Perplexity of real logits",
            "most probable",
        ),
        (
            "[np.arange(len(targets)), targets]",
            "[np.arange(1, len(targets)), targets[:-1]]",
            "Perplexity of real logits",
            "what followed row t",
        ),
        (
            "logits - logits.max(axis=-1, keepdims=True)",
            "logits",
            "Logits of any size",
            "largest logit",
        ),
        ("logits.max(axis=-1, keepdims=True)", "logits.max()", "Logits of any size", "its own"),
        (
            "logits.astype(np.float64)",
            "logits.astype(np.float32)",
            "Logits of any size",
            "too few of their digits",
        ),
        ("np.exp(log_p) *", "np.exp(log_q) * -1 *", "KL divergence and its error", "other way"),
        (
            "(log_p - log_q), axis=-1)",
            "(log_p - log_q), axis=-1) / np.log(2)",
            "KL divergence and its error",
            "Those are bits",
        ),
        (
            "(log_p - log_q), axis=-1)",
            "(log_p - log_q), axis=-1) / log_p.shape[-1]",
            "KL divergence and its error",
            "size of the vocabulary",
        ),
        ("ddof=1", "ddof=0", "KL divergence and its error", "n - 1"),
        (" / np.sqrt(len(divergence))", "", "KL divergence and its error", "single positions"),
        ("np.sqrt(len(divergence))", "len(divergence)", "KL divergence and its error", "root of n"),
        (
            "logits.astype(np.float64)",
            "logits.astype(np.float32)",
            "The ladder of file types",
            "nearly cancel",
        ),
        ("8 * file_bytes", "file_bytes", "Bits per weight", "bytes per weight"),
        (
            "8 * file_bytes / parameters",
            "8 * (file_bytes / 2**30) / (parameters / 1e9)",
            "Bits per weight",
            "do not cancel",
        ),
        (
            '"b" if middle > 0 else "a"',
            '"a" if middle > 0 else "b"',
            "Faster, or noise",
            "These are seconds",
        ),
        ("abs(middle) <= high - low", "middle == 0", "Faster, or noise", "always smaller"),
        ("abs(middle) <= high - low", "True", "Faster, or noise", "far apart"),
        ("abs(middle) <= high - low", "middle <= high - low", "Faster, or noise", ""),
        (
            "abs(middle) <= high - low",
            "min((difference > 0).sum(), (difference < 0).sum()) > 1",
            "Faster, or noise",
            "one sign",
        ),
        (
            'return "b" if middle > 0 else "a"',
            'return "b"',
            "Faster, or noise",
            "These are seconds",
        ),
        ("<= high - low", "<= (high - low) / 2", "Faster, or noise", "neither half"),
        ("<= high - low", "<= 2 * (high - low)", "Faster, or noise", "neither half"),
        (
            "    if abs(middle)",
            "    middle = np.median(a) - np.median(b)\n    if abs(middle)",
            "A machine that is not quiet",
            "Subtract first",
        ),
        (PAIRED, UNPAIRED, "A machine that is not quiet", "pair by pair"),
        (PAIRED, MEANS, "A machine that is not quiet", "held up"),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


@pytest.mark.parametrize("value", ["np.array([1.0, 2.0])", "['b']", "None"])
def test_no_verdict_at_all_is_a_wrong_one(value: str) -> None:
    source = edited(KEY, 'return "no difference"', f"return {value}")

    assert "Faster, or noise" in failed(graded(KEY, source))


def test_the_divergence_of_equal_models_is_checked_at_any_size_of_logits() -> None:
    verdict = graded(
        KEY,
        edited(KEY, "logits - logits.max(axis=-1, keepdims=True)", "logits"),
    )

    assert "Nothing from nothing" in failed(verdict)


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    verdict = graded(
        KEY,
        "def perplexity(logits, targets): return 4.0\n"
        "def kl(p, q): return (0.184632, 0.12931)\n"
        "def bits_per_weight(b, n): return 4.902568\n"
        "def faster(a, b): return 'b'\n",
    )

    assert verdict.points == 2


def test_the_answer_cannot_be_read_from_whoever_asks() -> None:
    """No frame of a check, and no module of the campus, is in the student's process."""
    verdict = graded(
        KEY,
        "import sys\n"
        "def perplexity(logits, targets):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        if 'surprise' in frame.f_locals:\n"
        "            return float(frame.f_locals['surprise'].mean())\n"
        "        frame = frame.f_back\n"
        "    return 0.0\n"
        "def kl(p, q):\n"
        "    from workers import scoring\n"
        "def bits_per_weight(b, n): return 8 * b / n\n"
        "def faster(a, b): return 'b'\n",
    )

    assert {"Perplexity of real logits", "The ladder of file types"} <= set(failed(verdict))
    assert "No module named" in check(verdict, "The ladder of file types").message


def test_the_solution_gives_what_llama_perplexity_prints() -> None:
    """On llama.cpp's own chunks of the same text, recorded with the tool itself."""
    recorded = json.loads(native.RECORDED.read_text())
    chunking = scoring.Chunking(recorded["n_ctx"], recorded["chunks"])
    tokens = _held_out()
    with (
        llama.load(Path(catalogue.main_model().path)) as model,
        llama.context(
            model,
            n_ctx=chunking.n_seq * chunking.n_ctx,
            n_batch=chunking.n_batch,
            n_seq_max=chunking.n_seq,
        ) as context,
    ):
        logits = np.concatenate(
            [rows.copy() for _, rows in scoring.chunk_logits(context, tokens, chunking)]
        )
    came = np.concatenate(
        [scoring.targets_of(tokens, chunking, chunk) for chunk in range(chunking.n_chunks)]
    )

    printed = recorded["perplexities"]["F32"]["perplexity"]
    assert solution.perplexity(logits, came) == pytest.approx(printed, abs=1e-4)
