"""R8, RMSNorm: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", equation 4."""

from pathlib import Path

import numpy as np

from workers.exercises import oracle
from workers.exercises.base import Array, Example, Exercise, Student

exercise = Exercise(
    key="exercise-rmsnorm",
    folder=Path(__file__).parent,
    examples=(
        # The root mean square of 3 and 4 is sqrt(12.5) = 3.53553.
        Example(
            "rms_norm",
            (np.array([[3.0, 4.0]]), np.ones(2), 0.0),
            np.array([[0.84853, 1.13137]]),
            atol=1e-5,
        ),
        Example(
            "rms_norm",
            (np.array([[2.0, 2.0], [0.0, 0.0]]), np.array([1.0, 0.5]), 1e-5),
            np.array([[0.99999875, 0.499999375], [0.0, 0.0]]),
            atol=1e-8,
        ),
    ),
)


def reference(x: Array, weight: Array, eps: float) -> Array:
    """The definition in float64; x is (…, d), weight (d,)."""
    x = x.astype(np.float64)
    return np.asarray(x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight)


def misplaced(x: Array, weight: Array, eps: float) -> dict[str, Array]:
    """For each hint about eps, what the mistake gives."""
    root = np.sqrt(np.mean(x * x, axis=-1, keepdims=True))
    return {
        "You add eps to the root. It belongs under it.": x / (root + eps) * weight,
        "You do not add eps at all: take it from the arguments.": x / root * weight,
        "You take the larger of the mean square and eps. They are added.": (
            x / np.maximum(root, np.sqrt(eps)) * weight
        ),
        "Your eps is fixed at 1e-5. Take the one from the arguments: models differ.": reference(
            x, weight, 1e-5
        ),
        "Your eps is fixed at 1e-6. Take the one from the arguments: models differ.": reference(
            x, weight, 1e-6
        ),
    }


@exercise.check(
    "Every row for itself",
    points=3,
    hint="The mean is over the features of one token: axis=-1, with keepdims=True.",
)
def rows(student: Student, rng: np.random.Generator) -> None:
    n, d = int(rng.integers(3, 9)), int(rng.integers(16, 65))
    # Rows of very different size, which one mean for all of them would mix.
    x = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-2, 2, (n, 1))
    weight, eps = rng.uniform(0.5, 1.5, d), 1e-5
    whole = x / np.sqrt(np.mean(x * x) + eps) * weight
    centred = reference(x - x.mean(axis=-1, keepdims=True), weight, eps)
    length = x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) + eps) * weight
    student.call("rms_norm", x, weight, eps).close_to(
        reference(x, weight, eps),
        atol=1e-12,
        rtol=1e-12,
        along="token",
        mistakes={
            "You take one mean over the whole array. Each token has its own: axis=-1, with "
            "keepdims=True so that the division fits.": whole,
            "You subtract the mean first, as LayerNorm does. RMSNorm leaves it in.": centred,
            "You divide by the length of the row, the root of the sum. It is the root of the "
            "mean.": length,
            "The gain is missing: multiply by weight at the end.": reference(x, np.ones(d), eps),
            "You multiply by the gain first, and then it counts in the mean square. It comes after "
            "the division.": reference(x * weight, np.ones(d), eps),
        }
        | misplaced(x, weight, eps),
    )


@exercise.check(
    "eps under the root",
    points=2,
    hint="It is sqrt(mean square + eps): eps is added to the mean square, before the root.",
)
def small(student: Student, rng: np.random.Generator) -> None:
    # So small that eps decides: mean squares about as large as eps itself.
    eps = float(rng.choice([1e-5, 1e-6]))
    x, weight = rng.standard_normal((4, 32)) * np.sqrt(eps), np.ones(32)
    student.call("rms_norm", x, weight, eps).close_to(
        reference(x, weight, eps),
        atol=1e-12,
        along="token",
        mistakes=misplaced(x, weight, eps),
    )


@exercise.check(
    "A row of zeros stays finite",
    points=1,
    hint="With eps under the root nothing is divided by zero.",
)
def zeros(student: Student, rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 24))
    x[1] = 0.0
    weight = rng.uniform(0.5, 1.5, 24)
    student.call("rms_norm", x, weight, 1e-5).close_to(reference(x, weight, 1e-5), atol=1e-12)


@exercise.check(
    "One token alone",
    points=1,
    hint="Count axes from the end: axis=-1 is right for (n, d) and for (d,).",
)
def one(student: Student, rng: np.random.Generator) -> None:
    x, weight = rng.standard_normal(48), rng.uniform(0.5, 1.5, 48)
    student.call("rms_norm", x, weight, 1e-5).close_to(reference(x, weight, 1e-5), atol=1e-12)


@exercise.check(
    "float16 goes through float32",
    points=2,
    hint=(
        "Squares leave float16 quickly: its largest number is 65504. Widen x to float32 first, "
        "and give the result in the dtype of x."
    ),
)
def half(student: Student, rng: np.random.Generator) -> None:
    """Values that float16 holds, but not their squares; the result is of the dtype of x."""
    for dtype, precision in ((np.float16, 2e-3), (np.float32, 1e-6)):
        x = (rng.standard_normal((3, 64)) * 400).astype(dtype)
        answer = student.call("rms_norm", x, np.ones(64), 1e-5)
        if answer.array(x.shape, finite=False).dtype != x.dtype:
            answer.fail(
                f"x is {x.dtype} and the result should be too.",
                expected=str(x.dtype),
                got=str(answer.value.dtype),
                hint="Turn the result back with astype(x.dtype), at the very end.",
            )
        answer.close_to(reference(x, np.ones(64), 1e-5), atol=precision, along="token")


@exercise.check(
    "Inside the model",
    points=2,
    hint=(
        "If all else is met: here eps, the gain and the width are the model's, which your code "
        "should not know by heart."
    ),
)
def whole(student: Student, rng: np.random.Generator) -> None:
    """All nine norms of the teaching model are the student's; the rest is ours."""

    def rms_norm(x: Array, weight: Array, eps: float) -> Array:
        return student.call("rms_norm", x, weight, eps).array(x.shape)

    tokens = oracle.draw_tokens(rng)
    oracle.judge_logits(
        oracle.forward_with(tokens, oracle.Steps(rms_norm=rms_norm)), oracle.logits(tokens)
    )
