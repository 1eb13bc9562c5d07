"""The AWQ exercise: right, wrong in the ways that people are wrong, and cheating."""

import numpy as np
import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises.awq import exercise as awq

KEY = "exercise-awq"

# With Python's own numbers where that is not too slow, scales brought to a middle of 1 as in the
# authors' code, and the error judged through the scaled activations.
OTHERWISE = """
import math

import numpy as np


def importance(x):
    total = np.zeros(x.shape[1])
    for token in x:
        total += token.astype(float) * token
    return total / len(x)


def channel_scales(x, alpha):
    means = [sum(abs(float(v)) for v in column) / len(column) for column in x.T]
    return np.array([max(mean**alpha, 1e-4) for mean in means])


def scaled(w, x, s):
    return np.einsum("ij,j->ij", w, s), np.einsum("ij,j->ij", x, 1 / s)


def search(w, x, alphas):
    exact = x @ w.T
    errors, kept = [], []
    for alpha in alphas:
        s = channel_scales(x, alpha)
        s = s / math.sqrt(s.max() * s.min())
        larger, smaller = scaled(w, x, s)
        steps = np.abs(larger.reshape(len(w), -1, 32)).max(axis=2).repeat(32, axis=1) / 7
        q = np.round(larger / steps) * steps
        errors.append(np.linalg.norm(smaller @ q.T - exact))
        kept.append(q / s)
    return alphas[np.argmin(errors)], kept[int(np.argmin(errors))]
"""

IMPORTANCE = "The importance of a column"
LOUD = "How loud each channel is"
FOLD = "Without rounding nothing changes"
SILENT = "A channel that is silent"
SEARCH = "The best alpha, and its weights"
HELD_OUT = "Better on activations it has not seen"
LLAMA = "An importance matrix for llama.cpp"
RESTORED = "_rounded(larger) / s"


def test_another_style_passes_too() -> None:
    assert failed(graded(KEY, OTHERWISE)) == []


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("np.mean(x**2, axis=0)", "np.sum(x**2, axis=0)", IMPORTANCE, "This is the sum"),
        ("np.mean(x**2, axis=0)", "np.mean(np.abs(x), axis=0)", IMPORTANCE, "which AWQ uses"),
        ("np.mean(x**2, axis=0)", "np.mean(x, axis=0) ** 2", IMPORTANCE, "You square the mean"),
        ("np.mean(x**2, axis=0)", "np.var(x, axis=0)", IMPORTANCE, "as a variance does"),
        ("np.mean(x**2, axis=0)", "np.mean(x**2, axis=1)", IMPORTANCE, "over all tokens"),
        ("np.mean(x**2, axis=0)", "np.sqrt(np.mean(x**2, axis=0))", IMPORTANCE, "the root"),
    ],
)
def test_a_wrong_importance_fails_and_never_reaches_llama(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert {name, LLAMA} <= set(failed(verdict))
    assert hint in check(verdict, name).hint
    assert "importance" in check(verdict, LLAMA).message


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("np.mean(np.abs(x), axis=0)", "np.abs(np.mean(x, axis=0))", LOUD, "cancel"),
        ("np.mean(np.abs(x), axis=0)", "np.mean(x * x, axis=0)", LOUD, "the mean square"),
        ("np.mean(np.abs(x), axis=0)", "np.max(np.abs(x), axis=0)", LOUD, "the largest magnitude"),
        ("loudness**alpha", "loudness", LOUD, "alpha is missing"),
        ("np.maximum(loudness**alpha, 1e-4)", "1 / loudness**alpha", LOUD, "upside down"),
        ("return w * s, x / s", "return w / s, x * s", FOLD, "the wrong direction"),
        ("return w * s, x / s", "return w / s, x * s", SEARCH, ""),
        ("return w * s, x / s", "return w, x", FOLD, "nothing was scaled"),
        ("return w * s, x / s", "return w * s, x", FOLD, "the product must not notice"),
        ("np.maximum(loudness**alpha, 1e-4)", "loudness**alpha", SILENT, "less than 1e-4"),
        ("loudness**alpha, 1e-4)", "loudness, 1e-4) ** alpha", SILENT, "after the power"),
        (
            "np.maximum(loudness**alpha, 1e-4)",
            "np.where(loudness == 0, 1e-4, loudness**alpha)",
            SILENT,
            "No scale may be less",
        ),
        (RESTORED, "_rounded(w / s) * s", SEARCH, "This is the wrong direction"),
        (RESTORED, "_rounded(w / s) * s", HELD_OUT, "each keep its own scale"),
        (RESTORED, "_rounded(w)", SEARCH, "This is plain rounding"),
        (RESTORED, "w", SEARCH, "Nothing is rounded"),
        (RESTORED, "w", HELD_OUT, "Nothing seems to be rounded"),
        (
            "np.sum((x @ restored.T - exact) ** 2)",
            "np.sum((restored - w) ** 2)",
            SEARCH,
            "distance of the weights",
        ),
        ("(float(alpha), restored)", "(float(alpha), restored * s)", SEARCH, "divide them again"),
        ("(x @ restored.T - exact) ** 2", "np.abs(x @ restored.T - exact)", SEARCH, "magnitudes"),
        (
            "np.sum((x @ restored.T - exact) ** 2)",
            "np.max((x @ restored.T - exact) ** 2)",
            SEARCH,
            "the largest error",
        ),
        (
            "np.sum((x @ restored.T - exact) ** 2)",
            "np.sum(np.mean(x * x, axis=0) * (restored - w) ** 2)",
            SEARCH,
            "each column alone",
        ),
        ("if error < least", "if True", SEARCH, "You keep the last alpha"),
        ("for alpha in alphas:", "for alpha in alphas[:1]:", SEARCH, "You keep the first alpha"),
        ("for alpha in alphas:", "for alpha in np.arange(20) / 20:", SEARCH, "For each alpha"),
        ("return best", "return best[1], best[0]", SEARCH, "then the weights"),
        (
            "(float(alpha), restored)",
            "(float(np.argmax(alphas == alpha)), restored)",
            SEARCH,
            "the number of the alpha",
        ),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    # Without an importance the seconds of llama.cpp are spared.
    source = edited(KEY, old, new).replace("np.mean(x**2, axis=0)", "x")
    verdict = graded(KEY, source)

    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


@pytest.mark.parametrize("seed", range(12))
def test_the_ratio_that_is_asked_for_leaves_room(seed: int) -> None:
    w, (x, unseen) = awq.draw_loud(np.random.default_rng(seed), 48, 192, 400, 400)
    tried = awq.tried(w, x, np.arange(20) / 20)
    weights = tried[awq.least(tried, w, x, awq.output_error)]
    plain = awq.output_error(awq.rounded(w), w, unseen)

    assert 0.02 < awq.output_error(weights, w, unseen) / plain < 0.12


def test_scaling_the_wrong_way_ruins_the_output() -> None:
    w, (x,) = awq.draw_loud(np.random.default_rng(1), 48, 192, 400)
    wrong = awq.restored(w, 1 / awq.scales(x, 0.5))

    assert awq.output_error(wrong, w, x) > 0.2 * np.sum((x @ w.T) ** 2)


def test_knowing_the_examples_and_returning_what_came_in_earns_the_examples_alone() -> None:
    verdict = graded(
        KEY,
        "import numpy as np\n"
        "def importance(x):\n"
        "    return np.array([5.0, 4.0]) if x.shape == (2, 2) else np.abs(x[0])\n"
        "def channel_scales(x, alpha):\n"
        "    return np.array([2**0.5, 3.0]) if x.shape == (2, 2) else np.ones(x.shape[1])\n"
        "def scaled(w, x, s):\n"
        "    if w.shape == (1, 2):\n"
        "        return np.array([[2.0, 3.0]]), np.array([[2.0, 1.0]])\n"
        "    return w, x\n"
        "def search(w, x, alphas):\n"
        "    return float(alphas[0]), w\n",
    )

    assert verdict.points == 2
