"""R4, outlier decomposition: Dettmers et al. 2022, "LLM.int8()", sections 3.1 and 3.2."""

from pathlib import Path

import numpy as np

from workers import forward
from workers.exercises import oracle
from workers.exercises.base import Answer, Array, Example, Exercise, Student
from workers.sandbox import Reply

exercise = Exercise(
    key="exercise-int8-decomposition",
    folder=Path(__file__).parent,
    examples=(
        Example(
            "quantize_rows",
            (np.array([[0.5, -1.0, 0.25], [30.0, 4.0, -127.0]]),),
            (np.array([[64, -127, 32], [30, 4, -127]], dtype=np.int8), np.array([1 / 127, 1.0])),
        ),
        # -6 reaches the threshold, 5.9 does not.
        Example("outlier_columns", (np.array([[1.0, 5.9, -6.0]]), 6.0), np.array([2])),
        # The four features of the reading, whose exact product is 0.701.
        Example(
            "matmul_vectorwise",
            (np.array([[0.4, -0.9, 60.0, 0.7]]), np.array([[0.5, 0.31, 0.02, -0.6]])),
            np.array([[0.79236158]]),
            atol=1e-7,
        ),
        Example(
            "matmul_decomposed",
            (np.array([[0.4, -0.9, 60.0, 0.7]]), np.array([[0.5, 0.31, 0.02, -0.6]]), 6.0),
            np.array([[0.69716287]]),
            atol=1e-3,  # the outlier may be rounded to float16
        ),
    ),
)

N_OUTLIERS = 6  # planted; in 128 features and more at least 95 % stay in 8 bits
THRESHOLD = 6.0  # the paper's
LAST_LAYER = 3  # of the teaching model


def codes_of(x: Array, scales: Array) -> Array:
    """The nearest codes of x, (n, d), for scales that broadcast to it."""
    codes: Array = np.clip(np.round(x / scales), -127, 127).astype(np.int8)
    return codes


def row_scales(x: Array) -> Array:
    """One scale a row, (n, 1)."""
    return np.asarray(np.abs(x).max(axis=1, keepdims=True) / 127)


def product(x: Array, w: Array, x_scales: Array, w_scales: Array) -> Array:
    """x @ w.T, (n, m), from codes with scales (n, 1) or (1, 1) and (m, 1) or (1, 1)."""
    sums = codes_of(x, x_scales).astype(np.int64) @ codes_of(w, w_scales).astype(np.int64).T
    return np.asarray(sums * x_scales * w_scales.T)


def vectorwise(x: Array, w: Array) -> Array:
    """The product with a scale for each row on both sides."""
    return product(x, w, row_scales(x), row_scales(w))


def one_scale(x: Array) -> Array:
    """One scale for the whole matrix, (1, 1)."""
    return np.array([[np.abs(x).max() / 127]])


def per_tensor(x: Array, w: Array) -> Array:
    """The product with one scale for each matrix."""
    return product(x, w, one_scale(x), one_scale(w))


def outliers(x: Array, threshold: float) -> Array:
    """The columns that reach the threshold anywhere."""
    return np.flatnonzero((np.abs(x) >= threshold).any(axis=0))


def rounded_to_float16(x: Array, w: Array) -> float:
    """How far an output may be off when x and w are float16, as in the paper.

    A float16 has 11 bits and is off by 2^-11 of itself at most, on both sides of a product.
    """
    return 2.0**-10 * float(np.max(np.abs(x) @ np.abs(w).T))


def relative_error(got: Array, exact: Array) -> float:
    """The norm of the error over the norm of the exact product."""
    return float(np.linalg.norm(got - exact) / np.linalg.norm(exact))


@exercise.check(
    "Codes and scales of each row",
    points=2,
    hint=(
        "The scale of a row is its largest magnitude over 127: absolute values first, then the "
        "largest along axis=1. A code is the nearest whole number to value / scale."
    ),
)
def codes(student: Student, rng: np.random.Generator) -> None:
    # Square, so that scales of columns would fit as well; rows of very different size; and in
    # each row the largest magnitude is negative.
    n = int(rng.integers(12, 25))
    x = rng.uniform(-1, 1, (n, n)) * 10.0 ** rng.uniform(-2, 2, (n, 1))
    x[np.arange(n), rng.integers(0, n, n)] = -1.1 * np.abs(x).max(axis=1)
    scales = row_scales(x)
    got_codes, got_scales = student.call("quantize_rows", x).items(2)
    _check_int8(got_codes, x.shape)
    got_codes.close_to(
        codes_of(x, scales),
        mistakes={
            "You take one scale for the whole matrix. Each row has its own: axis=1.": codes_of(
                x, one_scale(x)
            ),
            "You take a scale for each column. Such a scale stays inside the sum over the "
            "features; only those of rows can leave it.": codes_of(x, row_scales(x.T).T),
            "You cut the digits off, as astype does. Round to the nearest first.": np.trunc(
                x / scales
            ),
            "The largest magnitude becomes 127, not 128, so that both signs fit.": codes_of(
                x, scales * 127 / 128
            ),
        },
    )
    got_scales.close_to(
        scales[:, 0],
        rtol=1e-12,
        mistakes={
            "You return what a value is multiplied by to get its code. The scale is the other "
            "way round: a value is about its code times the scale.": 1 / scales[:, 0],
        },
    )


@exercise.check(
    "A row of zeros",
    points=1,
    hint="Its largest magnitude is 0, and 0 / 0 is no number: divide such a row by 1, say.",
)
def zeros(student: Student, rng: np.random.Generator) -> None:
    x, w = rng.standard_normal((5, 24)), rng.standard_normal((7, 24))
    x[int(rng.integers(5))] = 0.0
    safe = np.maximum(row_scales(x), 1e-300)
    answer = student.call("quantize_rows", x)
    got_codes, got_scales = answer.items(2)
    got_codes.close_to(codes_of(x, safe))
    got_scales.array((5,))
    expected = product(x, w, safe, row_scales(w))
    student.call("matmul_vectorwise", x, w).close_to(expected, atol=1e-9)
    for line, said in answer.reply.warnings:
        if "cast" in said:
            answer.fail(
                f"Line {line} turns NaN into a whole number: {said}.",
                hint="What becomes of it is up to the machine. Keep 0 / 0 from happening.",
            )


@exercise.check(
    "Sums that int8 and int16 cannot hold",
    points=1,
    hint="A sum of d products goes up to 127 * 127 * d. Give the codes a type that holds it.",
)
def sums(student: Student, rng: np.random.Generator) -> None:
    # All codes are large and most have one sign, so the sums reach millions.
    d = int(rng.integers(300, 900))
    x, w = rng.uniform(0.9, 1, (4, d)), rng.uniform(0.9, 1, (5, d))
    x[rng.random(x.shape) < 0.1] *= -1
    w[rng.random(w.shape) < 0.1] *= -1

    def summed_in(dtype: type[np.integer]) -> Array:
        x_codes, w_codes = codes_of(x, row_scales(x)), codes_of(w, row_scales(w))
        sums = x_codes.astype(dtype) @ w_codes.astype(dtype).T
        return np.asarray(sums * row_scales(x) * row_scales(w).T)

    student.call("matmul_vectorwise", x, w).close_to(
        vectorwise(x, w),
        rtol=1e-9,
        along="token",
        mistakes={
            "NumPy sums int8 in int8, which ends at 127. Widen the codes before the product, "
            "not after it.": summed_in(np.int8),
            "int16 ends at 32767, and already three products of 127 * 127 are more. Sum in "
            "32 bits.": summed_in(np.int16),
        },
    )


@exercise.check(
    "Vector-wise: a scale for each token and each output",
    points=2,
    hint="An output (i, j) is the sum of code products times the scale of row i and of row j.",
)
def vectors(student: Student, rng: np.random.Generator) -> None:
    n, m, d = (int(size) for size in rng.integers(20, 50, 3))
    x = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-1, 1, (n, 1))
    w = rng.standard_normal((m, d)) * 10.0 ** rng.uniform(-1, 1, (m, 1))
    expected = vectorwise(x, w)
    student.call("matmul_vectorwise", x, w).close_to(
        expected,
        atol=1e-9,
        along="token",
        mistakes={
            "One scale for each matrix: tokens and outputs that are small lose most of their "
            "levels. Take one for each row of x and of w.": per_tensor(x, w),
            "Your w has one scale for all. Each output, a row of w, has its own.": product(
                x, w, row_scales(x), one_scale(w)
            ),
            "Your x has one scale for all. Each token, a row of x, has its own.": product(
                x, w, one_scale(x), row_scales(w)
            ),
            "The scales of w are missing in the result.": expected / row_scales(w).T,
            "The scales of x are missing in the result.": expected / row_scales(x),
            "This is the exact product: nothing was rounded to 8 bits.": x @ w.T,
        },
    )


@exercise.check(
    "The outlier features are found",
    points=2,
    hint=(
        "A feature counts when its magnitude reaches the threshold, >=, in at least one token: "
        "absolute values, then any along axis=0."
    ),
)
def found(student: Student, rng: np.random.Generator) -> None:
    threshold = float(rng.choice([rng.uniform(3.5, 5), rng.uniform(7, 9)]))
    x, planted = _with_outliers(rng, threshold)
    answer = student.call("outlier_columns", x, threshold)
    got = answer.array()
    if got.dtype == bool:
        answer.fail(
            "outlier_columns returned a mask of True and False, not column numbers.",
            expected="column numbers in ascending order",
            got=f"{got.dtype}, shape {got.shape}",
            hint="np.flatnonzero turns a mask into the numbers of its True entries.",
        )
    away = np.abs(x)
    # Equal to what was planted, so at least 95 % of the features stay in 8 bits.
    answer.equals(
        planted,
        mistakes={
            "A threshold of 6 means a magnitude of 6, not 6 standard deviations.": np.flatnonzero(
                (away >= threshold * x.std()).any(axis=0)
            ),
            "A threshold of 6 means a magnitude of 6, not 6 standard deviations of the "
            "feature.": np.flatnonzero((away >= threshold * x.std(axis=0)).any(axis=0)),
            "Large negative values are outliers, too: compare magnitudes.": np.flatnonzero(
                (x >= threshold).any(axis=0)
            ),
            "A value equal to the threshold reaches it: >=, not >.": np.flatnonzero(
                (away > threshold).any(axis=0)
            ),
            "You ask that the feature be large in every token, or on average. One token is "
            "enough.": np.flatnonzero(away.mean(axis=0) >= threshold),
            "Your threshold is fixed at 6. Take the one from the arguments.": outliers(
                x, THRESHOLD
            ),
        },
    )


@exercise.check(
    "Each feature in one of the two parts",
    points=2,
    hint=(
        "Split the columns of x and the same columns of w; round only what is left, with scales "
        "taken after the split; add the two products."
    ),
)
def parts(student: Student, rng: np.random.Generator) -> None:
    threshold = float(rng.uniform(5, 8))
    x, planted = _with_outliers(rng, threshold)
    w = rng.standard_normal((40, x.shape[1])) / np.sqrt(x.shape[1])
    # The weights of the outliers are large too, so that the scales of w feel the split.
    w[:, planted] *= 3
    # A few tokens are without outliers, those apart that alone make a feature one.
    reached = np.sum(np.abs(x[:, planted]) >= threshold, axis=1)
    quiet = np.flatnonzero(reached == 4)[:8]
    x[np.ix_(quiet, planted)] = 0.0
    kept = np.delete(np.arange(x.shape[1]), planted)
    x_rest, w_rest = x[:, kept], w[:, kept]
    rest, exact = vectorwise(x_rest, w_rest), x[:, planted] @ w[:, planted].T
    sixteen_bits = rounded_to_float16(x[:, planted], w[:, planted])
    mistakes = {
        "Everything is still in 8 bits: where are the outliers taken out?": vectorwise(x, w),
        "This is the exact product. Only the outlier features stay in floats.": x @ w.T,
        "The outlier features are in both parts. Leave them out of the 8-bit product.": (
            vectorwise(x, w) + exact
        ),
        "The outlier features are missing from the sum: add their product.": rest,
        "Only the outlier features are left: add the 8-bit product of the others.": exact,
        "You take the scales before the split, where outliers make them coarse. Take them from "
        "what is left.": exact + product(x_rest, w_rest, row_scales(x), row_scales(w)),
        "You take the scales of w before the split. They too belong to what is left.": (
            exact + product(x_rest, w_rest, row_scales(x_rest), row_scales(w))
        ),
    }
    answer = student.call("matmul_decomposed", x, w, threshold)
    got = answer.close_to(rest + exact, atol=1e-9 + sixteen_bits, along="token", mistakes=mistakes)
    # Elsewhere an error of the 8-bit part may hide in what float16 costs; here nothing is split.
    Answer(
        "matmul_decomposed, for tokens without outliers,", Reply(got[quiet], answer.reply.line)
    ).close_to(
        rest[quiet],
        atol=1e-9 + 2.0**-10 * float(np.abs(rest[quiet]).max()),  # the result in float16
        along="token",
        mistakes={hint: wrong[quiet] for hint, wrong in mistakes.items()},
    )


@exercise.check(
    "Nothing or everything split off",
    points=1,
    hint=(
        "Where no feature reaches the threshold it is the vector-wise product, and where all do "
        "the exact one: does your code work with no columns in one of the parts?"
    ),
)
def extremes(student: Student, rng: np.random.Generator) -> None:
    x, w = rng.uniform(1, 4, (6, 32)), rng.standard_normal((9, 32))
    whole = vectorwise(x, w)
    student.call("matmul_decomposed", x, w, 5.0).close_to(
        whole,
        atol=1e-9 + 2.0**-10 * float(np.abs(whole).max()),  # the result in float16
    )
    # In front of the last attn_output of the teaching model every feature reaches 6 somewhere.
    student.call("matmul_decomposed", x, w, 0.5).close_to(
        x @ w.T, atol=1e-9 + rounded_to_float16(x, w)
    )


@exercise.check(
    "On the teaching model, with six outliers",
    points=2,
    hint=(
        "The law of the paper: vector-wise is better than one scale for each matrix, and the "
        "split better by far. Which of your products breaks it?"
    ),
)
def model(student: Student, rng: np.random.Generator) -> None:
    """Real inputs of a query matrix, six features enlarged and their weights made smaller."""
    x, w, planted = _planted_in_the_model(rng)
    exact = x @ w.T
    answer = student.call("outlier_columns", x, THRESHOLD)
    answer.equals(planted)
    plain = relative_error(per_tensor(x, w), exact)
    answer = student.call("matmul_vectorwise", x, w)
    by_vector = relative_error(answer.array(exact.shape), exact)
    if not 0.1 * plain < by_vector < plain:
        answer.fail(
            f"The relative error of your vector-wise product is {by_vector:.3%}.",
            expected=f"less than with one scale for each matrix, {plain:.3%}, and some error",
            got=f"{by_vector:.3%}",
        )
    answer = student.call("matmul_decomposed", x, w, THRESHOLD)
    decomposed = relative_error(answer.array(exact.shape), exact)
    if not 0.01 * by_vector < decomposed <= 0.2 * by_vector:
        answer.fail(
            f"The relative error with the split is {decomposed:.3%}; vector-wise it is "
            f"{by_vector:.3%}.",
            expected=f"at most {0.2 * by_vector:.3%}, and some error",
            got=f"{decomposed:.3%}",
        )


def _check_int8(answer: Answer, shape: tuple[int, ...]) -> None:
    if answer.array(shape).dtype != np.int8:
        answer.fail(
            "The codes should be int8: a byte each is what is saved.",
            expected="int8",
            got=str(answer.value.dtype),
        )


def _with_outliers(rng: np.random.Generator, threshold: float) -> tuple[Array, Array]:
    """Activations (n, d) and the columns of their six outlier features.

    All else stays below the threshold, some of it only just. Of the outliers one is negative
    throughout, one only just above, one large in a single token, and one exactly at the threshold.
    """
    n, d = int(rng.integers(24, 41)), int(rng.integers(128, 161))
    edge = 0.97 * threshold
    x = np.clip(rng.normal(0, 0.25 * threshold, (n, d)), -edge, edge)
    columns = rng.permutation(d)
    x[:, columns[:2]] = rng.uniform(0.9, 0.97, (n, 2)) * threshold  # large, yet below it
    always, negative, once, at_it = np.split(columns[2 : 2 + N_OUTLIERS], (3, 4, 5))
    x[:, always] = rng.uniform(3, 10, (n, 3)) * threshold
    x[:, always[0]] = rng.uniform(1.05, 1.15, n) * threshold
    x[:, negative] = -rng.uniform(1.8, 2.2, (n, 1)) * threshold
    x[int(rng.integers(n)), once] = 12 * threshold
    x[int(rng.integers(n)), at_it] = -threshold
    return x, np.sort(columns[2 : 2 + N_OUTLIERS])


def _planted_in_the_model(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Inputs (n, d) of the last query matrix, the matrix (m, d), and six enlarged features.

    What the inputs gain their weights lose, so the exact product is that of the model.
    """
    m = oracle.model()
    x: Array = m.tensors["token_embd.weight"][oracle.draw_tokens(rng)]  # (n, d)
    for layer in range(LAST_LAYER):
        x = forward.block(m, layer, x).out
    x = forward.block(m, LAST_LAYER, x).normed.astype(np.float64)
    w = m.tensors[f"blk.{LAST_LAYER}.attn_q.weight"].astype(np.float64)
    planted = np.sort(rng.choice(x.shape[1], N_OUTLIERS, replace=False))
    factor = rng.uniform(40, 60, N_OUTLIERS) / np.abs(x[:, planted]).max(axis=0)
    x[:, planted] *= factor
    w[:, planted] /= factor
    return x, w, outliers(x, THRESHOLD)
