"""R7, RoPE: Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding"."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from workers.exercises import oracle
from workers.exercises.base import Answer, Array, Example, Exercise, Student

LAYOUTS = ("norm", "neox")
BASE = 10000.0

# With base 100 the two pairs of a head of width 4 turn by 1 and by 0.1 radian per position.
HEAD = np.array([[[1.0, 2.0, 3.0, 4.0]]])
EARLY = np.array([[[-1.142640, 1.922076, 2.585679, 4.279517]]])

exercise = Exercise(
    key="exercise-rope",
    folder=Path(__file__).parent,
    examples=(
        Example("rope", (HEAD, np.array([1]), 100.0, "norm", 1.0), EARLY, atol=1e-6),
        Example(
            "rope",
            (HEAD, np.array([1]), 100.0, "neox", 1.0),
            np.array([[[-1.984111, 1.590675, 2.462378, 4.179683]]]),
            atol=1e-6,
        ),
        # Position 2 at half the frequency is position 1.
        Example("rope", (HEAD, np.array([2]), 100.0, "norm", 0.5), EARLY, atol=1e-6),
    ),
)


def components(head_dim: int, layout: str) -> tuple[Array, Array]:
    """The indices of the first and of the second component of every pair."""
    pair = np.arange(head_dim // 2)
    return (2 * pair, 2 * pair + 1) if layout == "norm" else (pair, pair + head_dim // 2)


def angles(positions: Array, base: float, head_dim: int, scale: float) -> Array:
    """How far each pair turns at each position, in radians, (n, head_dim / 2)."""
    return np.asarray(
        scale * positions[:, None] * base ** (-2 * np.arange(head_dim // 2) / head_dim)
    )


def reference(
    x: Array, positions: Array, base: float = BASE, layout: str = "norm", scale: float = 1.0
) -> Array:
    """A pair as a complex number, times e^(i angle); x is (…, n, head_dim)."""
    first, second = components(x.shape[-1], layout)
    pairs = (x[..., first] + 1j * x[..., second]) * np.exp(
        1j * angles(positions, base, x.shape[-1], scale)
    )
    turned = np.empty(x.shape)
    turned[..., first], turned[..., second] = pairs.real, pairs.imag
    return turned


def heads(rng: np.random.Generator) -> Array:
    """Random queries, (heads, n, head_dim), with three different sizes."""
    head_dim = int(rng.choice([12, 16, 32]))
    return rng.standard_normal((int(rng.integers(2, 5)), int(rng.integers(6, 11)), head_dim))


def judge_layout(student: Student, rng: np.random.Generator, layout: str, crossed: str) -> None:
    """Positions 0 … n - 1 in one layout; `crossed` is the hint for the other."""
    x = heads(rng)
    _, n, head_dim = x.shape
    at = np.arange(n)
    first, second = components(head_dim, layout)
    right = reference(x, at, layout=layout)
    pairs = right[..., first], right[..., second]
    a, b, angle = x[..., first], x[..., second], angles(at, BASE, head_dim, 1.0)
    one_sign = np.empty_like(x)
    one_sign[..., first] = a * np.cos(angle) + b * np.sin(angle)
    one_sign[..., second] = a * np.sin(angle) + b * np.cos(angle)
    # Angles laid out as the other layout wants them, a right one and a wrong one for most pairs.
    other = LAYOUTS[1 - LAYOUTS.index(layout)]
    own = np.empty((n, head_dim))
    for part in components(head_dim, other):
        own[:, part] = angle
    mixed = np.empty_like(x)
    mixed[..., first] = a * np.cos(own[:, first]) - b * np.sin(own[:, first])
    mixed[..., second] = b * np.cos(own[:, second]) + a * np.sin(own[:, second])
    overwritten = right.copy()
    overwritten[..., second] = right[..., first] * np.sin(angle) + b * np.cos(angle)
    moved = (
        np.concatenate(pairs, axis=-1)
        if layout == "norm"
        else np.stack(pairs, axis=-1).reshape(x.shape)
    )
    student.call("rope", x, at, BASE, layout, 1.0).close_to(
        right,
        atol=1e-12,
        along="head",
        mistakes={
            crossed: reference(x, at, layout=other),
            "You turn the other way round. A positive angle goes from the first component towards "
            "the second.": reference(x, -at, layout=layout),
            "Every pair is turned rightly and then stands in the wrong place: put each component "
            "back where it came from.": moved,
            "One sign is wrong: of the four products in a rotation one is subtracted.": one_sign,
            "The two components of a pair turn by different angles in yours. The angles have to be "
            "laid out as the pairs are.": mixed,
            "The second component is computed from what the first has become. Both take the old "
            "values.": overwritten,
            # The root of the base halves the exponent, and its square doubles it.
            "The exponent is -2i / head_dim, where i counts pairs. Yours is -i / head_dim.": (
                reference(x, at, BASE**0.5, layout)
            ),
            "The exponent is -2i / head_dim, where i counts pairs: 0, 1, 2. Yours is "
            "-4i / head_dim. Does your i go in steps of two?": reference(x, at, BASE**2, layout),
            "Angles are in radians, as np.cos and np.sin take them. You convert them from "
            "degrees.": reference(x, np.deg2rad(at), layout=layout),
            "Take the positions from the argument: your first token is turned as if it stood at "
            "position 1.": reference(x, at + 1, layout=layout),
        },
    )


@exercise.check(
    "Layout norm: neighbours",
    points=2,
    hint=(
        "Components 2i and 2i + 1 form pair i. Do one pair of one token by hand, at position 1, "
        "and compare."
    ),
)
def norm_layout(student: Student, rng: np.random.Generator) -> None:
    judge_layout(
        student,
        rng,
        "norm",
        "Your pairs are components i and i + head_dim / 2. That is neox; norm pairs neighbours, "
        "2i and 2i + 1.",
    )


@exercise.check(
    "Layout neox: halves",
    points=2,
    hint=(
        "Components i and i + head_dim / 2 form pair i: the first half of a head holds all first "
        "components."
    ),
)
def neox_layout(student: Student, rng: np.random.Generator) -> None:
    judge_layout(
        student,
        rng,
        "neox",
        "Your pairs are neighbours, 2i and 2i + 1. That is norm; neox pairs component i with "
        "i + head_dim / 2.",
    )


@exercise.check(
    "Lengths stay, and position 0 turns nothing",
    points=1,
    hint=(
        "A rotation keeps the length of every pair, and by an angle of 0 it changes nothing. Write "
        "down what yours does to (1, 0) and to (0, 1)."
    ),
)
def length(student: Student, rng: np.random.Generator) -> None:
    for layout in LAYOUTS:
        x = heads(rng)
        at = rng.integers(1, 5000, x.shape[1])
        answer = student.call("rope", x, at, BASE, layout, 1.0)
        turned = answer.array(x.shape).astype(np.float64)
        if np.array_equal(turned, x):
            answer.fail(
                "rope gives back x as it came, at positions other than 0.",
                hint="Each pair turns by its angle times the position of the token.",
            )
        Answer(
            "The length of what rope returns",
            replace(answer.reply, value=np.linalg.norm(turned, axis=-1)),
        ).close_to(np.linalg.norm(x, axis=-1), atol=1e-12, along="head")
        start = student.call("rope", x, np.zeros_like(at), BASE, layout, 1.0)
        start.close_to(x, atol=1e-12, along="head")


@exercise.check(
    "Only the distance counts",
    points=2,
    hint=(
        "Move a query and a key by the same number of positions: their product must stay. It does "
        "when every pair is rotated by its position times a constant."
    ),
)
def relative(student: Student, rng: np.random.Generator) -> None:
    """<R_m q, R_n k> stays when m and n grow by the same, and changes when only m does."""
    for layout in LAYOUTS:
        q, k = rng.standard_normal((2, 2, 24, 32))
        m, n = rng.integers(0, 1000, (2, 24))
        shift = int(rng.integers(1, 2000))
        here = scores(student, q, m, k, n, layout)
        together = scores(student, q, m + shift, k, n + shift, layout)
        together.close_to(here.value, atol=1e-10, along="head")
        alone = scores(student, q, m + shift, k, n, layout)
        if np.allclose(alone.value, here.value):
            alone.fail(
                "The product of a query and a key does not depend on their distance.",
                hint="The angle of each pair grows with the position of the token.",
            )


def scores(student: Student, q: Array, m: Array, k: Array, n: Array, layout: str) -> Answer:
    """The products of queries at positions m with keys at positions n, (heads, tokens)."""
    turned_q = student.call("rope", q, m, BASE, layout, 1.0)
    turned_k = student.call("rope", k, n, BASE, layout, 1.0)
    products = turned_q.array(q.shape).astype(np.float64) * turned_k.array(k.shape)
    return Answer(
        "The product of a query and a key that rope has turned",
        replace(turned_q.reply, value=products.sum(axis=-1)),
    )


@exercise.check(
    "Positions begin anywhere",
    points=1,
    hint="Row t of x is the token at position positions[t]; nothing else tells where it stands.",
)
def anywhere(student: Student, rng: np.random.Generator) -> None:
    """As a KV cache needs it: a later part, one token alone, and no order at all."""
    for layout in LAYOUTS:
        x = heads(rng)
        n, start = x.shape[1], int(rng.integers(100, 1000))
        for at in (
            start + np.arange(n),
            np.array([start]),
            rng.permutation(1000)[:n],
        ):
            part = x[:, : len(at)]
            steps = np.arange(len(at))
            student.call("rope", part, at, BASE, layout, 1.0).close_to(
                reference(part, at, layout=layout),
                # At position 1000 float64 leaves an angle uncertain by 1e-13.
                atol=1e-10,
                along="head",
                mistakes={
                    "You count the tokens from 0. With a KV cache the new tokens follow others: "
                    "take their positions from the argument.": reference(
                        part, steps, layout=layout
                    ),
                    "You count on from the first position. Every token has its own: use all of "
                    "positions.": reference(part, at[0] + steps, layout=layout),
                },
            )


@exercise.check(
    "Far out, in float32",
    points=1,
    hint=(
        "x is float32 here. If your angles are too, so large a position leaves them two digits "
        "after the point. Compute them in float64, whatever x is."
    ),
)
def far(student: Student, rng: np.random.Generator) -> None:
    """Where float32 counts in steps of 1/128: an angle would be off by half of that."""
    for layout in LAYOUTS:
        x = heads(rng).astype(np.float32)
        at = 100_000 + rng.permutation(30_000)[: x.shape[1]]
        student.call("rope", x, at, BASE, layout, 1.0).close_to(
            reference(x, at, layout=layout), atol=1e-5, along="head"
        )


@exercise.check(
    "Base and frequency scale",
    points=2,
    hint=(
        "The base sets how much slower each pair is than the one before it. The scale multiplies "
        "all angles alike."
    ),
)
def settings(student: Student, rng: np.random.Generator) -> None:
    for layout in LAYOUTS:
        x = heads(rng)
        at = rng.permutation(1000)[: x.shape[1]]
        base = float(rng.choice([500.0, 40_000.0, 500_000.0, 1_000_000.0]))
        scale = float(rng.choice([0.125, 0.25, 0.5]))
        unscaled = reference(x, at, base, layout)
        student.call("rope", x, at, base, layout, scale).close_to(
            reference(x, at, base, layout, scale),
            atol=1e-10,
            along="head",
            mistakes={
                "Your base is fixed at 10000. Take it from the argument: models differ.": reference(
                    x, at, BASE, layout, scale
                ),
                "scale changes nothing in yours: it multiplies every angle.": unscaled,
                "You divide by scale. Below 1 it makes every pair turn more slowly, so that twice "
                "the context needs 0.5.": reference(x, at, base, layout, 1 / scale),
                "You multiply the base by scale. It multiplies the angles.": reference(
                    x, at, base * scale, layout
                ),
                "You multiply x by scale. It multiplies the angles, and lengths stay.": (
                    scale * unscaled
                ),
                "You drop the fraction of the scaled positions. Half a position is a position "
                "too.": reference(x, np.floor(at * scale), base, layout),
                "You round the scaled positions to whole numbers. Half a position is a position "
                "too.": reference(x, np.rint(at * scale), base, layout),
            },
        )


@exercise.check(
    "Inside the model",
    points=1,
    hint=(
        "If all else is met: here x is float32, with 8 heads of queries and then 2 heads of keys."
    ),
)
def whole(student: Student, rng: np.random.Generator) -> None:
    tokens = oracle.draw_tokens(rng)
    logits = turned_by(student, tokens, oracle.model().rope_base, 1.0)
    oracle.judge_logits(logits, oracle.logits(tokens))


@exercise.check(
    "Inside a stretched model",
    points=1,
    hint=(
        "llama.cpp runs with --rope-freq-scale 0.5 here, then with --rope-freq-base 40000. Both "
        "reach your function as arguments."
    ),
)
def stretched(student: Student, rng: np.random.Generator) -> None:
    """The two ways to a longer context that llama.cpp has as plain flags."""
    tokens = oracle.draw_tokens(rng)
    for base, scale, exact in (
        (oracle.model().rope_base, 0.5, oracle.logits(tokens, rope_scale=0.5)),
        (40_000.0, 1.0, oracle.logits(tokens, rope_base=40_000.0)),
    ):
        oracle.judge_logits(turned_by(student, tokens, base, scale), exact)


def turned_by(student: Student, tokens: list[int], base: float, scale: float) -> Array:
    """The logits of the teaching model when the student's function turns queries and keys."""

    def rotate(x: Array, positions: Array) -> Array:
        return student.call("rope", x, positions, base, "norm", scale).array(x.shape)

    return oracle.forward_with(tokens, oracle.Steps(rotate=rotate))
