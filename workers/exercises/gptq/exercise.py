"""R5, error-compensated rounding: Frantar et al. 2022, "GPTQ", section 4 and algorithm 1."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workers.exercises import activations, oracle
from workers.exercises.base import Answer, Array, Example, Exercise, Student

PAIR = np.array([[1.0, 0.8], [0.8, 1.0]])  # two inputs with correlation 0.8, as in the reading

exercise = Exercise(
    key="exercise-gptq",
    folder=Path(__file__).parent,
    examples=(
        Example(
            "hessian",
            (np.array([[1.0, 2.0], [3.0, -1.0]]), 0.01),
            np.array([[20.15, -2.0], [-2.0, 10.15]]),
        ),
        Example("inverse_factor", (PAIR,), np.array([[5 / 3, -4 / 3], [0.0, 1.0]])),
        # The reading's two weights; a third, which goes with neither, gives the row the scale 1.
        Example(
            "gptq",
            (
                np.array([[1.4, 2.4, 7.0]]),
                np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]]),
                4,
                3,
            ),
            (np.array([[1, 3, 7]]), np.array([[1.0]])),
        ),
    ),
)

DAMPING = 0.01  # the paper's
TENSOR = "blk.2.attn_q.weight"


def plain(w: Array, bits: int, group: int) -> tuple[Array, Array]:
    """Rounding to the nearest: codes (m, d) and scales (m, d / group)."""
    largest = 2 ** (bits - 1) - 1
    groups = w.reshape(len(w), -1, group)
    scales = np.abs(groups).max(axis=-1) / largest  # (m, d / group)
    codes = np.clip(np.round(groups / scales[:, :, None]), -largest - 1, largest)
    return codes.reshape(w.shape).astype(np.int64), scales


def damped(x: Array) -> Array:
    """The Hessian of inputs x, (n, d), with the paper's damping."""
    h = 2 * x.T @ x
    return np.asarray(h + DAMPING * np.trace(h) / len(h) * np.eye(len(h)))


def factor(h: Array) -> Array:
    """U, upper triangular, with U^T U = h^-1."""
    return np.asarray(np.linalg.cholesky(np.linalg.inv(h)).T)


def compensated(  # one argument for each way to go wrong
    w: Array,
    u: Array,
    bits: int,
    group: int,
    *,
    share: float = 1.0,
    divided: bool = True,
    ends: tuple[float, float] | None = None,
    fixed_scales: bool = False,
) -> tuple[Array, Array]:
    """GPTQ with the rows of u: codes and scales. The options are mistakes.

    `share` of the error is passed on, with -1 in the wrong direction; codes are held between other
    `ends`; `fixed_scales` come from the weights as they were given.
    """
    largest = 2 ** (bits - 1) - 1
    low, high = ends or (-largest - 1, largest)
    scales = plain(w, bits, group)[1]
    now, codes = w.copy(), np.zeros(w.shape, dtype=np.int64)
    for i in range(w.shape[1]):
        g = i // group
        if i % group == 0 and not fixed_scales:
            scales[:, g] = np.abs(now[:, i : i + group]).max(axis=1) / largest
        codes[:, i] = np.clip(np.round(now[:, i] / scales[:, g]), low, high)
        error = (now[:, i] - codes[:, i] * scales[:, g]) / (u[i, i] if divided else 1)
        now[:, i + 1 :] -= share * np.outer(error, u[i, i + 1 :])
    return codes, scales


def restored(codes: Array, scales: Array) -> Array:
    """The weights, (m, d), that codes and scales stand for."""
    group = codes.shape[1] // scales.shape[1]
    return np.asarray(codes * np.repeat(scales, group, axis=1))


def output_error(weights: Array, w: Array, x: Array) -> float:
    """The energy of the output's error on inputs x, (n, d)."""
    return float(np.sum((x @ (weights - w).T) ** 2))


def draw_inputs(rng: np.random.Generator, d: int, rank: int, *counts: int) -> list[Array]:
    """Inputs (n, d), for each n of `counts`, most of whose variance lies in `rank` directions."""
    mixed = rng.standard_normal((d, rank))
    root = np.linalg.cholesky(mixed @ mixed.T / rank + 0.1 * np.eye(d))
    return [rng.standard_normal((n, d)) @ root.T for n in counts]


def draw_pushed(rng: np.random.Generator, d: int, bits: int, group: int) -> tuple[Array, Array]:
    """Weights (m, d) and a Hessian with which feedback pushes some beyond each end of the grid."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    while True:
        # Where a quiet input goes with a loud one, an error moves its weight by much.
        h = damped(draw_inputs(rng, d, 8, 200)[0] * 10.0 ** rng.uniform(-0.7, 0.7, d))
        w, u = rng.standard_normal((800, d)), factor(h)
        codes, _ = compensated(w, u, bits, group)
        rows = [np.arange(16)]
        for ends in ((-np.inf, high), (low, np.inf), (-high, high)):
            others, _ = compensated(w, u, bits, group, ends=ends)
            rows.append(np.flatnonzero((others != codes).any(axis=1))[:4])
        # Beyond the lower end it is so rare that some Hessians have none.
        if all(map(len, rows)):
            return w[np.concatenate(rows)], h


def call(student: Student, w: Array, h: Array, bits: int, group: int) -> Answer:
    """The student's codes and scales, of the right shapes, whole and within the bits."""
    answer = student.call("gptq", w, h, bits, group)
    codes, scales = answer.items(2)
    got = codes.array(w.shape)
    if got.dtype.kind not in "iu":
        codes.fail(
            "Codes are whole numbers.",
            expected="an integer type",
            got=str(got.dtype),
            hint="Begin with np.zeros(w.shape, dtype=int), and write rounded numbers into it.",
        )
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if got.min() < low or got.max() > high:
        codes.fail(
            f"A code of {bits} bits lies between {low} and {high}.",
            expected=f"{low} to {high}",
            got=f"{got.min()} to {got.max()}",
            hint=(
                "The largest magnitude over 2^(bits - 1) - 1 is the scale. Feedback can push a "
                "weight beyond the ends of its grid even so: clip the code."
            ),
        )
    scales.array((len(w), w.shape[1] // group))
    return answer


def judge(
    answer: Answer,
    expected: tuple[Array, Array],
    mistakes: Mapping[str, tuple[Array, Array]] | None = None,
) -> None:
    """Raise Failure, with the hint of the mistake that fits, unless codes and scales are these."""
    known = mistakes or {}
    got, scales = answer.value[0], answer.items(2)[1]
    wrong = np.argwhere(got != expected[0])
    if len(wrong) == 0:
        by_hint = {hint: mistake[1] for hint, mistake in known.items()}
        scales.close_to(expected[1], rtol=1e-9, mistakes=by_hint)
        return

    def fits(codes: Array, its_scales: Array) -> bool:
        return np.array_equal(got, codes) and np.allclose(scales.value, its_scales, 1e-9, 0)

    # The first column that is wrong, since its error goes into all later ones.
    row, column = min(wrong.tolist(), key=lambda at: (at[1], at[0]))
    place = f"row {row}, column {column}"
    answer.fail(
        f"{len(wrong):,} of {got.size:,} codes differ; the first column that does is {column}.",
        expected=f"{expected[0][row, column]} in {place}",
        got=f"{got[row, column]} in {place}",
        hint=next((hint for hint, mistake in known.items() if fits(*mistake)), ""),
    )


def must_be_better(
    answer: Answer, rounded: tuple[Array, Array], w: Array, x: Array, allowed: float
) -> None:
    """Raise Failure unless the output error on x is at most `allowed` times that of rounding."""
    ratio = output_error(restored(*answer.value), w, x) / output_error(restored(*rounded), w, x)
    if not ratio <= allowed:
        answer.fail(
            f"Your output error on unseen inputs is {ratio:.2f} times that of plain rounding.",
            expected=f"at most {allowed} times",
            got=f"{ratio:.2f} times",
        )


@exercise.check(
    "The Hessian and its damping",
    points=2,
    hint="H is 2 X^T X for a token in each row, and damping * mean diagonal goes on its diagonal.",
)
def hessian(student: Student, rng: np.random.Generator) -> None:
    n, d = int(rng.integers(30, 60)), int(rng.integers(10, 20))
    # Inputs of different strength, so that the mean of the diagonal is not its every entry.
    x = draw_inputs(rng, d, 4, n)[0] * rng.uniform(0.2, 3, d)
    damping = float(rng.uniform(0.005, 0.05))
    h, one = 2 * x.T @ x, np.eye(d)
    mean = float(np.mean(np.diag(h)))
    student.call("hessian", x, damping).close_to(
        h + damping * mean * one,
        rtol=1e-10,
        atol=1e-10,
        along="input",
        mistakes={
            "The factor 2 is missing: H is the second derivative of a square.": (
                h / 2 + damping * mean / 2 * one
            ),
            "You divide by the number of tokens. H is twice the sum over them.": (
                (h + damping * mean * one) / n
            ),
            "The damping is missing.": h,
            "Only the diagonal is damped. Added everywhere it makes all inputs correlated.": (
                h + damping * mean
            ),
            "What is added is a share of the mean diagonal, not the share itself.": h
            + damping * one,
            "What is added is a share of the diagonal's mean, not of its sum.": (
                h + damping * mean * d * one
            ),
            "Every input gets the same: a share of the mean of the diagonal, not of its own "
            "entry.": h + damping * np.diag(np.diag(h)),
            "Your damping is fixed at 0.01. Take the one from the arguments.": (
                h + 0.01 * mean * one
            ),
        },
    )


@exercise.check(
    "The factor of the inverse",
    points=2,
    hint="Invert h, take NumPy's Cholesky factor of the inverse, and look at which triangle it is.",
)
def inverse_factor(student: Student, rng: np.random.Generator) -> None:
    d = int(rng.integers(12, 24))
    h = damped(draw_inputs(rng, d, 4, 100)[0])
    u = factor(h)
    answer = student.call("inverse_factor", h)
    answer.close_to(
        u,
        atol=1e-10 * float(np.abs(u).max()),
        along="row",
        mistakes={
            "This is the lower triangle. The columns right of i need row i of the upper one.": u.T,
            "This is the inverse itself. Its rows still count the inputs that are done "
            "with.": np.linalg.inv(h),
            "You factor h and not its inverse.": np.linalg.cholesky(h).T,
            "You factor h and not its inverse, and it is the lower triangle.": np.linalg.cholesky(
                h
            ),
            "The triangle is right, but it is U U^T that gives the inverse, not U^T U: invert "
            "first, then factor.": np.linalg.inv(np.linalg.cholesky(h)).T,
        },
    )


@exercise.check(
    "Uncorrelated inputs: plain rounding",
    points=2,
    hint=(
        "With a diagonal H nothing may be moved. Look at the grid: the scale of a group is its "
        "largest magnitude over 2^(bits - 1) - 1, and a code the nearest whole number."
    ),
)
def diagonal(student: Student, rng: np.random.Generator) -> None:
    bits, group = int(rng.integers(3, 6)), int(rng.choice([8, 16]))
    w = rng.standard_normal((12, 4 * group)) * 10.0 ** rng.uniform(-1, 1, (12, 1))
    h = np.diag(rng.uniform(1, 50, 4 * group))
    largest = 2 ** (bits - 1) - 1
    codes, scales = plain(w, bits, group)
    wide = np.repeat(scales, group, axis=1)
    by_row = np.repeat(np.abs(w).max(axis=1, keepdims=True) / largest, 4, axis=1)
    judge(
        call(student, w, h, bits, group),
        (codes, scales),
        {
            "One scale for each row: take one for each group of columns.": (
                np.round(w / by_row[:, :1]),
                by_row,
            ),
            "You cut the digits off. Round to the nearest.": (np.trunc(w / wide), scales),
            "The largest magnitude of a group becomes 2^(bits - 1) - 1, so that both signs fit.": (
                np.clip(np.round(w / wide * (largest + 1) / largest), -largest - 1, largest),
                scales * largest / (largest + 1),
            ),
            "You return what weights are multiplied by. A scale is the other way round: a weight "
            "is about its code times the scale.": (codes, 1 / scales),
        },
    )


@exercise.check(
    "Later columns make up for the error",
    points=3,
    hint=(
        "In step i: the code of column i, its error w - code * scale, and for all later columns "
        "minus error / U[i, i] times row i of U. A group's scale is taken when its turn comes."
    ),
)
def feedback(student: Student, rng: np.random.Generator) -> None:
    bits, group, d = 3, int(rng.choice([8, 16])), 48
    w, h = draw_pushed(rng, d, bits, group)
    u, inverse = factor(h), np.linalg.inv(h)
    largest = 2 ** (bits - 1) - 1
    judge(
        call(student, w, h, bits, group),
        compensated(w, u, bits, group),
        {
            "This is plain rounding: no error reaches another column. Is the update there, and "
            "does row i of your factor have entries right of i?": plain(w, bits, group),
            "You use rows of the inverse of H itself. They still count the inputs that are done "
            "with; take those of its factor.": compensated(w, inverse, bits, group),
            "You use the factor of H. What is needed is that of its inverse.": compensated(
                w, np.linalg.cholesky(h).T, bits, group
            ),
            "The update has the wrong sign: the others should cancel the error, not add to "
            "it.": compensated(w, u, bits, group, share=-1),
            "Divide the error by U[i, i]: row i of U is too large by that factor.": (
                compensated(w, u, bits, group, divided=False)
            ),
            "You take all scales beforehand. A group's weights have moved when its turn comes: "
            "take its scale then.": compensated(w, u, bits, group, fixed_scales=True),
            "A code may be as small as -2^(bits - 1): the grid reaches one step further down than "
            "up.": compensated(w, u, bits, group, ends=(-largest, largest)),
        },
    )


@exercise.check(
    "What is rounded stays",
    points=1,
    hint=(
        "The error goes to later columns only, i + 1 and on. A column that is rounded is done "
        "with, and no row knows of another one."
    ),
)
def order(student: Student, rng: np.random.Generator) -> None:
    """Later columns and other rows have no say in a code."""
    bits, group, m, d = 3, 8, 10, 32
    w = rng.standard_normal((m, d))
    h = damped(draw_inputs(rng, d, 6, 100)[0])
    codes, scales = call(student, w, h, bits, group).value
    at = group * int(rng.integers(1, d // group))
    other = w.copy()
    other[:, at:] = rng.standard_normal((m, d - at))
    answer = call(student, other, h, bits, group)
    if changed := int((answer.value[0][:, :at] != codes[:, :at]).sum()):
        answer.fail(
            f"Other weights from column {at} on change {changed} codes before it.",
            expected="no change",
            got=f"{changed} codes changed",
        )
    rows = np.sort(rng.choice(m, 3, replace=False))
    judge(call(student, w[rows], h, bits, group), (codes[rows], scales[rows]))


@exercise.check(
    "Inputs that never vary",
    points=1,
    hint=(
        "A singular H has no inverse: this is what the damping is for. If it is there, look at the "
        "checks before this one."
    ),
)
def singular(student: Student, rng: np.random.Generator) -> None:
    """Fewer tokens than inputs, one input always 0 and one a copy of another."""
    bits, group, d = 4, 8, 40
    x = draw_inputs(rng, d, 5, 25)[0]
    dead, copied, copy = rng.choice(d, 3, replace=False)
    x[:, dead], x[:, copy] = 0.0, x[:, copied]
    w = rng.standard_normal((12, d))
    h = student.call("hessian", x, DAMPING).close_to(damped(x), rtol=1e-10, atol=1e-10)
    student.call("inverse_factor", h).array((d, d))
    judge(call(student, w, h, bits, group), compensated(w, factor(h), bits, group))


@exercise.check(
    "Better on inputs it has not seen",
    points=1,
    hint=(
        "The gain comes from later columns that make up for errors. Look at the checks of each "
        "part first; if they are met, does your code fit other sizes, too?"
    ),
)
def held_out(student: Student, rng: np.random.Generator) -> None:
    """The ratio to plain rounding was 0.20 to 0.23 in two dozen draws."""
    bits, group, m, d = 4, 32, 48, 192
    x, unseen = draw_inputs(rng, d, 24, 1024, 1024)
    w = rng.standard_normal((m, d)) / np.sqrt(d)
    h = student.call("hessian", x, DAMPING).array((d, d))
    must_be_better(call(student, w, h, bits, group), plain(w, bits, group), w, unseen, 0.35)


@exercise.check(
    "Inside the model",
    points=1,
    hint="As in the check before: first each part, then other sizes than those.",
)
def whole(student: Student, rng: np.random.Generator) -> None:
    """A query matrix, calibrated and judged on different texts; 0.34 to 0.51 was measured."""
    bits, group = 3, 128
    x = _entering(activations.calibration(rng, 4))
    unseen = _entering(activations.heldout(rng, 2))
    w = oracle.model().tensors[TENSOR][:64].astype(np.float64)
    h = student.call("hessian", x, DAMPING).array((x.shape[1], x.shape[1]))
    must_be_better(call(student, w, h, bits, group), plain(w, bits, group), w, unseen, 0.7)


def _entering(passages: activations.Tokens) -> Array:
    """The inputs of the query matrix, (n, d)."""
    inputs = activations.entering(passages)
    return next(x for names, x in inputs.items() if TENSOR in names).astype(np.float64)
