"""R2, causal attention and its KV cache: Vaswani et al. 2017, equation 1 and Section 3.2.3."""

from pathlib import Path

import numpy as np

from workers.exercises import oracle
from workers.exercises.base import Array, Example, Exercise, Student

# exp(1.09861) is 3 to five digits, so the weights are 1/4 and 3/4.
_KEYS, _VALUES = np.array([[[0.0], [1.09861]]]), np.array([[[8.0], [4.0]]])

exercise = Exercise(
    key="exercise-attention",
    folder=Path(__file__).parent,
    examples=(
        Example(
            "attend",
            (np.array([[[0.0], [1.0]]]), _KEYS, _VALUES),
            np.array([[[8.0], [5.0]]]),
            atol=1e-5,
        ),
        Example("attend", (np.array([[[1.0]]]), _KEYS, _VALUES), np.array([[[5.0]]]), atol=1e-5),
        Example(
            "step",
            (
                (_KEYS[:, :1], _VALUES[:, :1]),
                np.array([[[1.0]]]),
                _KEYS[:, 1:],
                _VALUES[:, 1:],
            ),
            (np.array([[[5.0]]]), (_KEYS, _VALUES)),
            atol=1e-5,
        ),
    ),
)

# Two correct orders of the same sums differ by some 1e-15 here, any mistake by more than 1e-3.
ATOL = 1e-10


def scores_of(q: Array, k: Array) -> Array:
    """q·k / sqrt(head_dim), (heads, n, t), in float64."""
    q, k = q.astype(np.float64), k.astype(np.float64)
    return np.asarray(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]))


def past(n: int, t: int) -> Array:
    """(n, t): True where a query, one of the last n positions, may look."""
    return np.arange(t) <= np.arange(t - n, t)[:, None]


def softmax(scores: Array, axis: int = -1) -> Array:
    """Positive weights that sum to 1 along an axis."""
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def mixed(scores: Array, v: Array, visible: Array, *, masked: float = -np.inf) -> Array:
    """Values weighted by the softmax of the scores, of which those not visible are replaced."""
    return np.asarray(softmax(np.where(visible, scores, masked)) @ v)


def reference(q: Array, k: Array, v: Array) -> Array:
    """The definition in float64; the queries are the last positions of the keys."""
    return mixed(scores_of(q, k), v.astype(np.float64), past(q.shape[1], k.shape[1]))


def draw(rng: np.random.Generator, n: int, t: int) -> tuple[Array, Array, Array]:
    """Queries, keys and values of some heads, with scores of a few units."""
    heads, head_dim = int(rng.integers(2, 5)), int(rng.choice([8, 12, 16]))
    return (
        2 * rng.standard_normal((heads, n, head_dim)),
        rng.standard_normal((heads, t, head_dim)),
        rng.standard_normal((heads, t, head_dim)),
    )


@exercise.check(
    "Matches the definition",
    points=3,
    hint="Scores, scale, mask, softmax over the keys, weighted sum: print each for two tokens.",
)
def definition(student: Student, rng: np.random.Generator) -> None:
    n = int(rng.integers(5, 10))
    q, k, v = draw(rng, n, n)
    scores, visible = scores_of(q, k), past(n, n)
    root = np.sqrt(q.shape[-1])
    answer = student.call("attend", q, k, v)
    # The first token then has nothing to look at, and what becomes of it depends on the mask.
    blind = mixed(scores[:, 1:], v, visible[:-1])
    if np.allclose(answer.array(q.shape, finite=False)[:, 1:], blind, rtol=0, atol=ATOL):
        answer.fail(
            "attend lets no token see itself.",
            hint="Mask what comes after a token. Its own key and value stay visible.",
        )
    answer.close_to(
        reference(q, k, v),
        atol=ATOL,
        along="head",
        mistakes={
            "Every token sees all others. The scores of later tokens must get no weight.": mixed(
                scores, v, np.ones_like(visible)
            ),
            "Your mask hides the past and shows the future. Rows are queries, columns are "
            "keys.": mixed(scores, v, visible.T),
            "Your mask begins one place too late: each token sees the next one.": mixed(
                scores, v, np.tri(n, k=1, dtype=bool)
            ),
            "Masked scores of 0 still get weight, because exp(0) is 1. What is added to or put in "
            "their place must make exp give 0.": mixed(scores, v, visible, masked=0.0),
            "You set weights to 0 after the softmax, so those that are left no longer sum to 1. "
            "Mask the scores instead.": softmax(scores) * visible @ v,
            "The scores are not scaled: divide by the square root of the head width.": mixed(
                scores * root, v, visible
            ),
            "You divide by the head width itself. It is its square root.": mixed(
                scores / root, v, visible
            ),
            "You scale by the width of all heads together. What counts is the width of one "
            "head.": mixed(scores / np.sqrt(len(q)), v, visible),
            "You scale by the number of tokens. What counts is the width of a head, the last axis "
            "of q.": mixed(scores * root / np.sqrt(n), v, visible),
            "Your softmax runs over the queries. Each query shares out its own weight over the "
            "keys: the last axis.": softmax(np.where(visible, scores, -np.inf), axis=-2) @ v,
        },
    )


@exercise.check(
    "Weights sum to 1",
    points=1,
    hint="Divide the powers of each query by their sum, after masking.",
)
def sums(student: Student, rng: np.random.Generator) -> None:
    """With a value of its own feature for each token, the output is the table of weights."""
    n = int(rng.integers(4, 9))
    q, k, v = draw(rng, n, n)
    values = np.zeros_like(v)
    values[:, np.arange(n), np.arange(n)] = 1.0
    answer = student.call("attend", q, k, values)
    weights = answer.array(q.shape)[..., :n]  # (heads, n, n)
    total = weights.sum(axis=-1)
    head, token = np.unravel_index(np.argmax(np.abs(total - 1)), total.shape)
    if abs(total[head, token] - 1) > 1e-12:
        answer.fail(
            f"The weights that token {token} gives in head {head} do not sum to 1.",
            expected="1.0",
            got=repr(float(total[head, token])),
        )
    for head, token, key in np.argwhere((weights <= 0) & past(n, n)):
        answer.fail(
            f"In head {head}, token {token} gives no positive weight to token {key}, which it may "
            "see.",
            expected="a positive weight",
            got=repr(float(weights[head, token, key])),
            hint="exp of a score is positive, so only masked tokens get a weight of 0.",
        )


@exercise.check(
    "Nothing leaks from the future",
    points=2,
    hint="An output depends on its own token and on all earlier ones, and on nothing else.",
)
def causality(student: Student, rng: np.random.Generator) -> None:
    """Later tokens change, and every output before them stays the same to the last bit."""
    n = int(rng.integers(6, 11))
    kept = int(rng.integers(2, n - 1))
    q, k, v = draw(rng, n, n)
    later_q, later_k, later_v = q.copy(), k.copy(), v.copy()
    for array in (later_q, later_k, later_v):
        # Larger than before: a largest score that is taken before masking shows in the rounding.
        array[:, kept:] = 10 * rng.standard_normal(array[:, kept:].shape)
    first = student.call("attend", q, k, v).array(q.shape)
    answer = student.call("attend", later_q, later_k, later_v)
    second = answer.array(q.shape)
    for head, token, feature in np.argwhere(first[:, :kept] != second[:, :kept]):
        difference = float(np.abs(first - second)[:, :kept].max())
        answer.fail(
            f"Tokens from {kept} on were changed, and the output of token {token} changed with "
            f"them; the largest change is {difference:.3g}.",
            expected=repr(float(first[head, token, feature])),
            got=repr(float(second[head, token, feature])),
            hint=(
                "The change is of the size of rounding: something other than a weight is taken "
                "from scores that should be masked already, such as their largest."
                if difference < ATOL
                else ""
            ),
        )
    # The other half of the law, without which returning v would do.
    earlier_k, earlier_v = k.copy(), v.copy()
    earlier_k[:, 0] += 1.0
    earlier_v[:, 0] += 1.0
    answer = student.call("attend", q, earlier_k, earlier_v)
    alike = (answer.array(q.shape) == first).all(axis=(0, 2))  # (n,)
    if alike.any():
        answer.fail(
            f"Token 0 was changed, and the output of token {int(np.argmax(alike))} stayed the same."
        )


@exercise.check(
    "Queries are the last positions",
    points=1,
    hint="With t keys and n queries, query i stands at position t - n + i.",
)
def last_positions(student: Student, rng: np.random.Generator) -> None:
    n = int(rng.integers(2, 5))
    t = n + int(rng.integers(2, 6))
    q, k, v = draw(rng, n, t)
    scores = scores_of(q, k)
    student.call("attend", q, k, v).close_to(
        reference(q, k, v),
        atol=ATOL,
        along="head",
        mistakes={
            "Your queries stand at the first positions. There are more keys than queries because "
            "earlier tokens are cached: the queries come last.": mixed(
                scores, v, np.arange(t) <= np.arange(n)[:, None]
            ),
            "Without a mask here: the first of these queries must still not see the last "
            "key.": mixed(scores, v, np.ones((n, t), dtype=bool)),
        },
    )


@exercise.check(
    "A step extends the cache",
    points=1,
    hint="Append the new key and the new value on the axis of the tokens, then attend to all.",
)
def extends(student: Student, rng: np.random.Generator) -> None:
    t = int(rng.integers(3, 7))
    q, k, v = draw(rng, 1, t + 1)
    cache, new = (k[:, :t], v[:, :t]), (k[:, t:], v[:, t:])
    output, grown = student.call("step", cache, q, *new).items(2)
    output.close_to(
        reference(q, k, v),
        atol=ATOL,
        along="head",
        mistakes={
            "The new token does not see itself. Its own key and value belong to those it "
            "reads.": reference(q, *cache),
            "The new token sees only itself: the cache is not read.": reference(q, *new),
            "The query sees only the first key. It stands at the last position, where nothing is "
            "masked.": np.broadcast_to(v[:, :1], q.shape),
        },
    )
    for part, expected, other in zip(grown.items(2), (k, v), (v, k), strict=True):
        part.close_to(
            expected,
            along="head",
            mistakes={
                "Keys and values have changed places: in the cache the keys come first.": other,
                "The new token is put in front. The cache keeps the order of the text: it comes "
                "last.": np.roll(expected, 1, axis=1),
            },
        )


@exercise.check(
    "Step by step is the whole",
    points=2,
    hint="Begin with t = 0: an empty cache is an array too, of shape (heads, 0, head_dim).",
)
def stepwise(student: Student, rng: np.random.Generator) -> None:
    n = int(rng.integers(5, 8))
    q, k, v = draw(rng, n, n)
    whole = reference(q, k, v)
    cache = (k[:, :0], v[:, :0])
    for t in range(n):
        now = slice(t, t + 1)
        output, grown = student.call("step", cache, q[:, now], k[:, now], v[:, now]).items(2)
        output.close_to(whole[:, now], atol=ATOL, along="head")
        keys, values = grown.items(2)
        cache = (keys.close_to(k[:, : t + 1]), values.close_to(v[:, : t + 1]))


@exercise.check(
    "Scores of 10,000",
    points=1,
    hint=(
        "exp overflows above 709 and is 0 below -745. Subtract from each row its own largest "
        "score, taken over what it may see."
    ),
)
def large(student: Student, rng: np.random.Generator) -> None:
    """All scores of a query near 10,000 or near -10,000; the weights are as of small scores."""
    n = int(rng.integers(4, 8))
    q, k, v = draw(rng, n, n)
    size = 100 * q.shape[-1] ** 0.25  # its square over the root of the head width is 10,000
    sign = np.where((np.arange(n) + rng.integers(2)) % 2, 1.0, -1.0)
    q[..., -1], k[..., -1] = size * sign, size
    masked = mixed(scores_of(q, k), v, past(n, n), masked=-1e4)
    student.call("attend", q, k, v).close_to(
        reference(q, k, v),
        atol=1e-8,  # scores of this size are themselves known to some 1e-11
        along="head",
        mistakes={
            "Your masked scores are -10,000, and real ones are as low here. Take one that is "
            "below every score.": masked,
        },
    )


@exercise.check(
    "Inside the model",
    points=2,
    hint=(
        "If all else is met: does anything depend on the number of heads or of tokens, or on "
        "float64?"
    ),
)
def whole(student: Student, rng: np.random.Generator) -> None:
    """The teaching model's four layers: a prompt through attend, then token by token with step."""
    tokens = oracle.draw_tokens(rng)
    prompt = len(tokens) - int(rng.integers(4, 9))

    def attend(q: Array, k: Array, v: Array) -> Array:
        # The model has fewer key heads than query heads; how they are shared is another exercise.
        share = len(q) // len(k)
        k, v = np.repeat(k, share, axis=0), np.repeat(v, share, axis=0)
        first = q[:, :prompt]
        outputs = [student.call("attend", first, k[:, :prompt], v[:, :prompt]).array(first.shape)]
        cache = (k[:, :prompt], v[:, :prompt])
        for t in range(prompt, len(tokens)):
            now = slice(t, t + 1)
            answer = student.call("step", cache, q[:, now], k[:, now], v[:, now])
            output, grown = answer.items(2)
            outputs.append(output.array(q[:, now].shape))
            keys, values = grown.items(2)
            cache = (keys.array(k[:, : t + 1].shape), values.array(v[:, : t + 1].shape))
        return np.concatenate(outputs, axis=1)

    oracle.judge_logits(
        oracle.forward_with(tokens, oracle.Steps(attend=attend)), oracle.logits(tokens)
    )
