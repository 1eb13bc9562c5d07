"""R9, SwiGLU: Shazeer 2020, "GLU Variants Improve Transformer", equation 6."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from workers.exercises import oracle
from workers.exercises.base import Array, Example, Exercise, Student
from workers.exercises.showing import shown_call

# Widths of the released LLaMA-1 models, rounded up to multiples of 256: {d: n_ff}.
LLAMA_1 = {4096: 11008, 5120: 13824, 6656: 17920, 8192: 22016}
SWAPPED = (
    "Gate and up have changed places. SiLU belongs to the gate's projection; up's is not activated."
)

exercise = Exercise(
    key="exercise-swiglu",
    folder=Path(__file__).parent,
    examples=(
        Example(
            "silu",
            (np.array([-10000.0, -1.27846, 0.0, 2.0]),),
            np.array([0.0, -0.278465, 0.0, 1.761594]),
            atol=1e-6,
        ),
        # The gates are 2, -1 and 0, the ups 1, 2 and 1: SiLU(2) * 1, SiLU(-1) * 2, and 0.
        Example(
            "swiglu",
            (
                np.array([[1.0, -1.0]]),
                np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
                np.array([[1.0, 0.0], [3.0, 1.0], [1.0, 0.0]]),
                np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]),
            ),
            np.array([[1.761594, -0.537883]]),
            atol=1e-6,
        ),
        Example("hidden_size", (4096, 256), 11008),
    ),
)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) in float64, by way of tanh, which knows no overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x.astype(np.float64))))


def reference(x: Array) -> Array:
    """SiLU in float64, good to 1e-12 for inputs up to 1e4."""
    return np.asarray(x * sigmoid(x))


def network(x: Array, gate: Array, up: Array, down: Array) -> Array:
    """The feed-forward network in float64; x is (n, d), gate and up (n_ff, d), down (d, n_ff)."""
    x, gate, up, down = (array.astype(np.float64) for array in (x, gate, up, down))
    return np.asarray((reference(x @ gate.T) * (x @ up.T)) @ down.T)


def draw_network(rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """x, gate, up and down of three different widths, so that no matrix fits in another's place."""
    n, d = int(rng.integers(3, 7)), int(rng.integers(8, 17))
    n_ff = d + int(rng.integers(3, 17))
    return (
        rng.standard_normal((n, d)),
        rng.standard_normal((n_ff, d)),
        rng.standard_normal((n_ff, d)),
        rng.standard_normal((d, n_ff)) / n_ff,
    )


@exercise.check(
    "SiLU, element by element",
    points=2,
    hint="SiLU is x times sigmoid(x), and sigmoid(x) is 1 / (1 + exp(-x)).",
)
def activation(student: Student, rng: np.random.Generator) -> None:
    x = rng.uniform(-6, 6, (int(rng.integers(2, 6)), int(rng.integers(5, 20))))
    erf = np.vectorize(math.erf)(x / math.sqrt(2))
    student.call("silu", x).close_to(
        reference(x),
        atol=1e-12,
        mistakes={
            "That is the sigmoid alone. SiLU multiplies it by x.": sigmoid(x),
            "The exponent has the wrong sign: for large x, SiLU is nearly x.": x * sigmoid(-x),
            "That is ReLU. SiLU is smooth, and a little negative where x is.": np.maximum(x, 0),
            "That is GELU, which takes the normal distribution in place of the sigmoid.": x
            * (1 + erf)
            / 2,
        },
    )


@exercise.check(
    "Far from zero",
    points=1,
    hint=(
        "exp of a large number is infinity, and infinity divided by itself is NaN. Arrange the "
        "formula so that exp only ever sees numbers that are not positive."
    ),
)
def far(student: Student, rng: np.random.Generator) -> None:
    # exp overflows beyond 709 in float64 and beyond 88 in float32.
    for dtype, precision in ((np.float64, 1e-11), (np.float32, 1e-6)):
        size = np.concatenate([[1e4], 10.0 ** rng.uniform(1, 4, 15)])
        x = np.concatenate([size, -size]).astype(dtype)
        student.call("silu", x).close_to(reference(x), atol=precision, rtol=precision)


@exercise.check(
    "Gate, up and down",
    points=3,
    hint="Project x twice, activate one of the two, multiply element by element, project back.",
)
def whole_network(student: Student, rng: np.random.Generator) -> None:
    x, gate, up, down = draw_network(rng)
    gates, ups = x @ gate.T, x @ up.T  # (n, n_ff)
    student.call("swiglu", x, gate, up, down).close_to(
        network(x, gate, up, down),
        atol=1e-12,
        along="token",
        mistakes={
            SWAPPED: network(x, up, gate, down),
            "Nothing is activated: that is the bilinear layer. SiLU goes over the gate's "
            "projection.": (gates * ups) @ down.T,
            "You activate both projections. Up's stays as it is.": (
                (reference(gates) * reference(ups)) @ down.T
            ),
            "You activate the product. SiLU comes before it, on the gate's projection alone.": (
                reference(gates * ups) @ down.T
            ),
            "The up path is missing: the activated gate is multiplied by x @ up.T.": (
                reference(gates) @ down.T
            ),
            "You add the two paths. A gate multiplies, element by element.": (
                (reference(gates) + ups) @ down.T
            ),
            "You gate with the sigmoid, which is GLU. SwiGLU gates with SiLU.": (
                (sigmoid(gates) * ups) @ down.T
            ),
            "You add x to the result. Whoever calls does that.": x + network(x, gate, up, down),
        },
    )


@exercise.check(
    "Token by token, and linear in up",
    points=1,
    hint=(
        "A token's result depends on that token alone, and up is only ever multiplied: whatever "
        "bends or mixes stands where it should not."
    ),
)
def laws(student: Student, rng: np.random.Generator) -> None:
    x, gate, up, down = draw_network(rng)
    whole = student.call("swiglu", x, gate, up, down).array(x.shape)
    order = rng.permutation(len(x))[:-1]
    student.call("swiglu", x[order], gate, up, down).close_to(
        whole[order],
        atol=1e-12,
        along="token",
        mistakes={"The order of the tokens does not matter: each stays in its row.": whole[:-1]},
    )
    factor = float(rng.uniform(-3, -2))
    student.call("swiglu", x, gate, factor * up, down).close_to(
        factor * whole, atol=1e-12, along="token"
    )


@exercise.check(
    "The model's own tensors",
    points=2,
    hint="Keep the precision of x: the tensors are float32, and x and the result are float64.",
)
def tensors(student: Student, rng: np.random.Generator) -> None:
    """One block of the teaching model, on vectors such as its RMSNorm gives."""
    model = oracle.model()
    layer = int(rng.integers(model.n_layer))
    norm, gate, up, down = (
        np.asarray(model.tensors[f"blk.{layer}.ffn_{name}.weight"])
        for name in ("norm", "gate", "up", "down")
    )
    x = rng.standard_normal((int(rng.integers(4, 9)), model.n_embd)) * norm
    student.call("swiglu", x, gate, up, down).close_to(
        network(x, gate, up, down),
        # Sums of 512 products in float64, in any order, stay far below; float32 is at 1e-6.
        atol=1e-9,
        along="token",
        mistakes={SWAPPED: network(x, up, gate, down)},
    )


@exercise.check(
    "The hidden width of LLaMA-1",
    points=2,
    hint="First the whole part of two thirds of 4 * d, then up, never down, to a multiple.",
)
def width(student: Student, rng: np.random.Generator) -> None:
    drawn = [
        # 8 * d / 3 is a multiple already.
        (96 * int(rng.integers(1, 100)), 256),
        # It has a fraction of two thirds, which only shows where every number is a multiple.
        (3 * int(rng.integers(100, 2000)) + 1, 1),
        *((64 * int(rng.integers(2, 200)), int(rng.choice([32, 64, 128, 512]))) for _ in range(4)),
    ]
    cases = [
        *((d, 256, n_ff) for d, n_ff in LLAMA_1.items()),
        *((d, m, math.ceil(8 * d // 3 / m) * m) for d, m in drawn),
    ]
    for d, multiple, expected in cases:
        ideal = 8 * d // 3
        blocks = ideal / multiple
        answer = student.call("hidden_size", d, multiple)
        replace(answer, function=shown_call("hidden_size", (d, multiple))).equals(
            expected,
            mistakes={
                "You keep the fraction of two thirds of 4 * d, and it raises the number by one "
                "multiple more. It is dropped first.": math.ceil(8 * d / 3 / multiple) * multiple,
                # Who rounds down fails at 4096 already, where the nearest is above.
                "You round to the nearest multiple. It is always the next one above.": (
                    round(blocks) * multiple
                ),
                "You round down. The width never gets smaller than two thirds of 4 * d.": (
                    math.floor(blocks) * multiple
                ),
                "You go to the next multiple even from a number that is one.": (
                    (math.floor(blocks) + 1) * multiple
                ),
                "It is not raised to a multiple yet.": ideal,
                "Two thirds are missing: a gated network is narrower than 4 * d.": (
                    math.ceil(4 * d / multiple) * multiple
                ),
            },
        )


@exercise.check(
    "Inside the model",
    points=2,
    hint="If all else is met: does swiglu take any n, d and n_ff, and float32 as well?",
)
def inside(student: Student, rng: np.random.Generator) -> None:
    """All feed-forward networks of the teaching model are the student's; the rest is ours."""

    def feed_forward(x: Array, gate: Array, up: Array, down: Array) -> Array:
        answer = student.call("swiglu", x, *(np.asarray(matrix) for matrix in (gate, up, down)))
        return answer.array(x.shape)

    tokens = oracle.draw_tokens(rng)
    oracle.judge_logits(
        oracle.forward_with(tokens, oracle.Steps(feed_forward=feed_forward)), oracle.logits(tokens)
    )
