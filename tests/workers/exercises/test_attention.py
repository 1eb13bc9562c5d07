"""The attention exercise: right, wrong in the ways that people are wrong, and cheating."""

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises import EXERCISES

KEY = "exercise-attention"

# One query at a time, no mask at all: a query is simply not shown what comes later.
WITH_LOOPS = """
import numpy as np

def attend(q, k, v):
    heads, n, head_dim = q.shape
    t = k.shape[1]
    out = np.zeros((heads, n, head_dim))
    for h in range(heads):
        for i in range(n):
            seen = t - n + i + 1
            scores = [float(q[h, i] @ k[h, j]) / head_dim**0.5 for j in range(seen)]
            powers = [np.exp(score - max(scores)) for score in scores]
            for j, power in enumerate(powers):
                out[h, i] += power / sum(powers) * v[h, j]
    return out

def step(cache, q, k, v):
    keys = np.append(cache[0], k, axis=1)
    values = np.append(cache[1], v, axis=1)
    return [attend(q, keys, values), [keys, values]]
"""

# A mask that is added, sums by einsum, and a step of its own.
WITH_EINSUM = """
import numpy as np

def attend(q, k, v):
    n, t = q.shape[1], k.shape[1]
    scores = np.einsum("hid,hjd->hij", q, k, optimize=True) / np.sqrt(q.shape[-1])
    scores = scores + np.triu(np.full((n, t), -1e9), k=t - n + 1)
    powers = np.exp(scores - scores.max(-1)[..., None])
    return np.einsum("hij,hjd->hid", powers, v, optimize=True) / powers.sum(-1)[..., None]

def step(cache, q, k, v):
    keys, values = np.hstack([cache[0], k]), np.hstack([cache[1], v])
    scores = np.einsum("hd,htd->ht", q[:, 0], keys) / np.sqrt(q.shape[-1])
    powers = np.exp(scores - scores.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    return np.einsum("ht,htd->hd", powers, values)[:, None], (keys, values)
"""


@pytest.mark.parametrize("source", [WITH_LOOPS, WITH_EINSUM], ids=["loops", "einsum"])
@pytest.mark.parametrize("seed", range(3))
def test_other_right_ways_pass(source: str, seed: int) -> None:
    assert failed(graded(KEY, source, seed=seed)) == []


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        (
            "np.where(future, -np.inf, scores)",
            "scores",
            "Matches the definition",
            "Every token sees all others",
        ),
        (" > positions", " < positions", "Matches the definition", "hides the past"),
        (" > positions", " >= positions", "Matches the definition", "stay visible"),
        (
            "positions[:, None]",
            "positions[:, None] + 1",
            "Matches the definition",
            "one place too late",
        ),
        ("-np.inf", "0.0", "Matches the definition", "exp(0) is 1"),
        (
            "return weights @ v",
            "every = np.exp(scores)\n"
            "    return np.where(future, 0, every / every.sum(axis=-1, keepdims=True)) @ v",
            "Matches the definition",
            "after the softmax",
        ),
        (" / math.sqrt(head_dim)", "", "Matches the definition", "not scaled"),
        ("math.sqrt(head_dim)", "head_dim", "Matches the definition", "its square root"),
        (
            "math.sqrt(head_dim)",
            "math.sqrt(q.shape[0] * head_dim)",
            "Matches the definition",
            "the width of one head",
        ),
        ("math.sqrt(head_dim)", "math.sqrt(n)", "Matches the definition", "the number of tokens"),
        ("powers / powers.sum(axis=-1, keepdims=True)", "powers", "Weights sum to 1", "by their"),
        (
            "positions[:, None]",
            "positions[:, None] + 1",
            "Nothing leaks from the future",
            "nothing else",
        ),
        ("masked.max(", "scores.max(", "Nothing leaks from the future", "size of rounding"),
        ("np.arange(t - n, t)", "np.arange(n)", "Queries are the last positions", "come last"),
        ("np.arange(t - n, t)", "np.arange(n)", "A step extends the cache", "only the first key"),
        (
            "attend(q, keys, values)",
            "attend(q, past_keys, past_values)",
            "A step extends the cache",
            "does not see itself",
        ),
        ("attend(q, keys, values)", "attend(q, k, v)", "A step extends the cache", "only itself"),
        (", (keys, values)", ", (values, keys)", "A step extends the cache", "the keys come first"),
        (" - masked.max(axis=-1, keepdims=True)", "", "Scores of 10,000", "overflows"),
        ("masked.max(axis=-1, keepdims=True)", "masked.max()", "Scores of 10,000", "own largest"),
        ("-np.inf", "-1e4", "Scores of 10,000", "below every score"),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_the_cache_keeps_the_order_of_the_text() -> None:
    source = EXERCISES[KEY].solution
    source = source.replace("[past_keys, k]", "[k, past_keys]")
    source = source.replace("[past_values, v]", "[v, past_values]")

    verdict = graded(KEY, source)

    # The order of what a single query sees changes no output, so only the cache tells.
    assert "it comes last" in check(verdict, "A step extends the cache").hint
    assert "Matches the definition" not in failed(verdict)


def test_a_step_that_keeps_nothing_fails_at_the_cache() -> None:
    kept = "(past_keys, past_values)"
    verdict = graded(
        KEY,
        edited(KEY, "attend(q, keys, values), (keys, values)", f"attend(q, keys, values), {kept}"),
    )

    assert "returned shape" in check(verdict, "A step extends the cache").message
    assert "Inside the model" in failed(verdict)


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    verdict = graded(
        KEY,
        "import numpy as np\n"
        "def attend(q, k, v):\n"
        "    if q.shape[0] > 1:\n"
        "        return v[:, -q.shape[1]:]\n"
        "    return np.array([[[8.0], [5.0]]])[:, -q.shape[1]:]\n"
        "def step(cache, q, k, v):\n"
        "    both = np.append(cache[0], k, 1), np.append(cache[1], v, 1)\n"
        "    return attend(q, *both), both\n",
    )

    assert verdict.points == 2
    assert "Matches the definition" in failed(verdict)
