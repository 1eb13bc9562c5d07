"""R6, what activations use: Lin et al. 2023, "AWQ", and the importance matrices of llama.cpp."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from workers import llama, quantize, scoring
from workers.exercises import activations, oracle
from workers.exercises.base import Answer, Array, Example, Exercise, Failure, Student
from workers.quantize import Importance, Quantize, Quantized
from workers.steps import finish

exercise = Exercise(
    key="exercise-awq",
    folder=Path(__file__).parent,
    examples=(
        Example("importance", (np.array([[1.0, -2.0], [3.0, 2.0]]),), np.array([5.0, 4.0])),
        Example(
            "channel_scales", (np.array([[1.0, -9.0], [3.0, 9.0]]), 0.5), np.array([2**0.5, 3.0])
        ),
        Example(
            "scaled",
            (np.array([[0.5, 3.0]]), np.array([[8.0, 1.0]]), np.array([4.0, 1.0])),
            (np.array([[2.0, 3.0]]), np.array([[2.0, 1.0]])),
        ),
    ),
)

GROUP = 32
N_LOUD = 4
PASSAGES = 8  # to calibrate on and, of another text, to judge on: 2048 tokens each
BATCH = 2  # passages decoded together
# Over 24 draws of calibration text Q2_K has 0.68 to 0.83 times the divergence with the matrix, and
# Q4_K_M, on so few tokens, anything up to 1.0 times: no law.
COARSE, FINE, DEMANDING = "Q2_K", "Q8_0", "IQ2_XS"


def rounded(w: Array) -> Array:
    """w, (m, d), in 4 bits with a step for each group of a row, as the starter gives it."""
    groups = w.reshape(len(w), -1, GROUP)
    steps = np.abs(groups).max(axis=-1, keepdims=True) / 7
    codes = np.clip(np.round(groups / np.maximum(steps, 1e-30)), -8, 7)
    return np.asarray((codes * steps).reshape(w.shape))


def mean_square(x: Array) -> Array:
    """The importance of each column of x, (n, d)."""
    return np.asarray(np.mean(x.astype(np.float64) ** 2, axis=0))


def scales(x: Array, alpha: float) -> Array:
    """AWQ's scales of the columns of x, (n, d)."""
    return np.asarray(np.maximum(np.abs(x).mean(axis=0) ** alpha, 1e-4))


def restored(w: Array, s: Array) -> Array:
    """The weights that rounding leaves when they are multiplied by s before and divided after."""
    return rounded(w * s) / s


def output_error(weights: Array, w: Array, x: Array) -> float:
    """The energy of the output's error on x, (n, d)."""
    return float(np.sum((x @ (weights - w).T) ** 2))


# By its hint, another way to judge weights than by their output's error.
MISJUDGED: dict[str, Callable[[Array, Array, Array], float]] = {
    "This alpha is the best by the distance of the weights. What counts is the output, on x as it "
    "is given.": lambda weights, w, _: float(np.sum((weights - w) ** 2)),
    "You add up magnitudes. Square the output's errors first.": lambda weights, w, x: float(
        np.sum(np.abs(x @ (weights - w).T))
    ),
    "You look at the largest error. Add up the squares of all.": lambda weights, w, x: float(
        np.max(np.abs(x @ (weights - w).T))
    ),
    "You weigh the errors of each column alone. In the output they add up or cancel: compare "
    "outputs.": lambda weights, w, x: float(np.sum(mean_square(x) * (weights - w) ** 2)),
}


def tried(w: Array, x: Array, alphas: Array) -> list[Array]:
    """The weights that rounding leaves with each alpha."""
    return [restored(w, scales(x, float(alpha))) for alpha in alphas]


def least(
    weights: list[Array], w: Array, x: Array, error: Callable[[Array, Array, Array], float]
) -> int:
    """The number of the weights with the least error, the first of such."""
    return int(np.argmin([error(each, w, x) for each in weights]))


def draw_loud(rng: np.random.Generator, m: int, d: int, *counts: int) -> tuple[Array, list[Array]]:
    """Weights (m, d), and activations (n, d) for each n of `counts`: four channels are loud.

    They lie in different groups: two in one would compete for its step.
    """
    size = np.exp(0.2 * rng.standard_normal(d))
    groups = rng.permutation(d // GROUP)[:N_LOUD]
    size[groups * GROUP + rng.integers(0, GROUP, N_LOUD)] *= 60
    w = rng.standard_normal((m, d)) / np.sqrt(d)
    return w, [rng.standard_normal((n, d)) * size for n in counts]


def draw_contested(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Weights, activations, and alphas of which each way to judge picks another one."""
    while True:
        w, (x,) = draw_loud(rng, 12, 5 * GROUP, 10)
        alphas = rng.uniform(0.1, 0.7, 24)  # close together, and without plain rounding
        weights = tried(w, x, alphas)
        judges = (output_error, *MISJUDGED.values())
        picked = [0, len(alphas) - 1, *(least(weights, w, x, error) for error in judges)]
        if len(set(picked)) == len(picked):
            return w, x, alphas


def found(student: Student, w: Array, x: Array, alphas: Array) -> tuple[Answer, Answer]:
    """The student's best alpha and weights, the latter of the right shape."""
    alpha, weights = student.call("search", w, x, alphas).items(2)
    if np.shape(alpha.value) == w.shape:
        alpha.fail("search returned the weights first.", hint="Return alpha, then the weights.")
    weights.array(w.shape)
    return alpha, weights


@exercise.check(
    "The importance of a column",
    points=2,
    hint="Square first, then take the mean over the tokens, axis=0: one number for each column.",
)
def importance(student: Student, rng: np.random.Generator) -> None:
    # Square, so that a mean over the wrong axis has the same shape; and no mean is 0.
    n = int(rng.integers(20, 40))
    x = rng.normal(0.5, 1, (n, n)) * 10.0 ** rng.uniform(-1, 1, n)
    expected = mean_square(x)
    student.call("importance", x).close_to(
        expected,
        rtol=1e-10,
        along="column",
        mistakes={
            "You take the mean over the columns of each token. Each column has its own, over all "
            "tokens: axis=0.": mean_square(x.T),
            "This is the sum. Take the mean, or the length of the text would count.": expected * n,
            "This is the mean |x|, which AWQ uses. An error's mean square takes the mean "
            "square.": np.abs(x).mean(axis=0),
            "You take the root at the end. Leave the square: it weighs squared errors.": np.sqrt(
                expected
            ),
            "You square the mean. Square each value first.": x.mean(axis=0) ** 2,
            "You subtract the mean first, as a variance does. It belongs to what enters.": x.var(
                axis=0
            ),
        },
    )


@exercise.check(
    "How loud each channel is",
    points=2,
    hint="Take magnitudes, then the mean over tokens, axis=0, then the power alpha.",
)
def loudness(student: Student, rng: np.random.Generator) -> None:
    n = int(rng.integers(20, 40))
    x = rng.normal(0.5, 1, (n, n)) * 10.0 ** rng.uniform(-1, 1, n)
    alpha = float(rng.uniform(0.2, 0.8))
    magnitudes = np.abs(x)
    expected = scales(x, alpha)
    student.call("channel_scales", x, alpha).close_to(
        expected,
        rtol=1e-10,
        along="channel",
        mistakes={
            "You take the mean over the channels of each token. Each channel has its own: "
            "axis=0.": scales(x.T, alpha),
            "This is the mean square, which an importance matrix uses. AWQ takes the mean "
            "|x|.": mean_square(x) ** alpha,
            "This is the root of the mean square. AWQ takes the mean |x|.": mean_square(x)
            ** (alpha / 2),
            "Positive and negative activations cancel. Take magnitudes first.": np.abs(
                x.mean(axis=0)
            )
            ** alpha,
            "You take the largest magnitude. AWQ takes the mean.": magnitudes.max(axis=0) ** alpha,
            "The power alpha is missing.": magnitudes.mean(axis=0),
            "You take the power before the mean. Take the mean first.": (magnitudes**alpha).mean(
                axis=0
            ),
            "This is the scale upside down: loud channels get the large ones.": 1 / expected,
        },
    )
    student.call("channel_scales", x, 0.0).close_to(np.ones(n), rtol=1e-12)


@exercise.check(
    "Without rounding nothing changes",
    points=2,
    hint="What the weights of a channel gain, its activations lose: the product must not notice.",
)
def fold(student: Student, rng: np.random.Generator) -> None:
    n, m, d = (int(size) for size in rng.integers(8, 30, 3))
    w, x = rng.standard_normal((m, d)), rng.standard_normal((n, d))
    s = 10.0 ** rng.uniform(-1, 1, d)
    new_w, new_x = student.call("scaled", w, x, s).items(2)
    exact = x @ w.T
    off = float(np.abs(new_x.array((n, d)) @ new_w.array((m, d)).T - exact).max())
    if off > (allowed := 1e-12 * float(np.abs(exact).max()) * d):
        new_w.fail(
            f"The product of what scaled returns is off by {off:.3g}; {allowed:.3g} is allowed.",
            expected="the product of what it was given",
            got=f"off by {off:.3g}",
        )
    new_w.close_to(
        w * s,
        rtol=1e-12,
        mistakes={
            "This is the wrong direction: you make the weights of loud channels smaller, and the "
            "rounding error is multiplied again. Multiply the weights.": w / s,
            "The product is right, but nothing was scaled.": w,
        },
    )


@exercise.check(
    "A channel that is silent",
    points=1,
    hint="No scale may be less than 1e-4: a silent channel's would be 0, and it is divided by.",
)
def silent(student: Student, rng: np.random.Generator) -> None:
    """One channel is silent and another nearly so."""
    w, (x,) = draw_loud(rng, 12, 4 * GROUP, 40)
    x[:, rng.choice(x.shape[1], 2, replace=False)] *= [0.0, 1e-12]
    alphas = np.array([0.3, 0.6])
    student.call("channel_scales", x, 0.6).close_to(
        scales(x, 0.6),
        rtol=1e-10,
        along="channel",
        mistakes={
            "The limit belongs to the scale, after the power: at least 1e-4.": np.maximum(
                np.abs(x).mean(axis=0), 1e-4
            )
            ** 0.6,
        },
    )
    found(student, w, x, alphas)


@exercise.check(
    "The best alpha, and its weights",
    points=2,
    hint=(
        "For each alpha: scale the weights, round, divide again, and compare x @ weights.T with "
        "the exact output. Keep the alpha and the weights of the least error."
    ),
)
def search(student: Student, rng: np.random.Generator) -> None:
    w, x, alphas = draw_contested(rng)
    weights = tried(w, x, alphas)
    best = least(weights, w, x, output_error)
    alpha, expected = float(alphas[best]), weights[best]
    wrong_way = [restored(w, 1 / scales(x, float(each))) for each in alphas]
    got_alpha, got = found(student, w, x, alphas)
    got.close_to(
        expected,
        atol=1e-9,
        mistakes={
            "This is the wrong direction: the weights of loud channels are divided, and the error "
            "of rounding is multiplied. Multiply by the scales before rounding.": wrong_way[
                least(wrong_way, w, x, output_error)
            ],
            "Rounding is done, and the weights are still scaled: divide them again.": rounded(
                w * scales(x, alpha)
            ),
            **{hint: weights[least(weights, w, x, error)] for hint, error in MISJUDGED.items()},
            "You keep the first alpha. Keep another one whenever its error is less.": weights[0],
            "You keep the last alpha. Keep one only if its error is less.": weights[-1],
            "This is plain rounding: the scales have no effect.": rounded(w),
            "Nothing is rounded in these weights.": w,
        },
    )
    got_alpha.close_to(
        alpha,
        atol=1e-12,
        mistakes={"You return the number of the alpha in the list. Return the alpha.": float(best)},
    )


@exercise.check(
    "Better on activations it has not seen",
    points=1,
    hint="The loud channels should hardly be off any more: does each keep its own scale?",
)
def held_out(student: Student, rng: np.random.Generator) -> None:
    """With the twenty alphas of AWQ. In sixty draws the ratio was 0.04 to 0.09."""
    w, (x, unseen) = draw_loud(rng, 48, 6 * GROUP, 400, 400)
    alphas = np.arange(20) / 20
    _, got = found(student, w, x, alphas)
    ratio = output_error(got.value, w, unseen) / output_error(rounded(w), w, unseen)
    if not 0.005 < ratio <= 0.2:
        got.fail(
            f"Your output error on unseen activations is {ratio:.2f} times that of plain rounding "
            f"in groups of {GROUP}.",
            expected="at most 0.2 times, and some error",
            got=f"{ratio:.2f} times",
            hint="" if ratio > 0.2 else "Nothing seems to be rounded in these weights.",
        )


@exercise.check(
    "An importance matrix for llama.cpp",
    points=3,
    hint="It is the mean square of each column once more, now of float32 activations.",
)
def importance_matrix(student: Student, rng: np.random.Generator) -> None:
    """The student's importance of every input of the teaching model goes into real files."""
    columns: dict[str, Array] = {}
    for names, x in activations.entering(activations.calibration(rng, PASSAGES)).items():
        answer = student.call("importance", x)
        # Wrong values could make llama.cpp abort, and this process with it.
        got = answer.close_to(mean_square(x), rtol=1e-4, along="column")
        columns |= {name: np.maximum(got, 0) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        _hold_against_llama(columns, activations.beginning_of_heldout(PASSAGES), Path(folder))


def _hold_against_llama(columns: Importance, passages: activations.Tokens, folder: Path) -> None:
    """Raise Failure unless the matrix does to real files what it does in llama.cpp's own hands."""
    made = {
        (file_type, given is not None): _quantized(file_type, given, folder)
        for file_type in (COARSE, FINE)
        for given in (None, columns)
    }
    if made[FINE, True].sha256 != made[FINE, False].sha256:
        raise Failure(f"{FINE} should not look at the importance matrix, and its bytes changed.")
    original = _log_probabilities(oracle.model().path, passages)
    without, given = (
        _divergence(original, _log_probabilities(Path(made[COARSE, weighed].out), passages))
        for weighed in (False, True)
    )
    if not given < without:
        raise Failure(
            f"With your importance matrix {COARSE} is no nearer to the original.",
            f"a KL divergence below {without:.4f}",
            f"{given:.4f}",
        )
    # llama.cpp refuses this type where the matrix lacks a tensor.
    _quantized(DEMANDING, columns, folder)


def _quantized(file_type: str, columns: Importance | None, folder: Path) -> Quantized:
    """The teaching model in a file type, with an importance matrix or without."""
    out = folder / f"{file_type}-{'weighed' if columns else 'plain'}.gguf"
    request = Quantize(str(oracle.model().path), file_type, str(out), threads=2)
    return finish(quantize.quantize(request, columns))


def _log_probabilities(path: Path, passages: activations.Tokens) -> Array:
    """What a model expects after each token of the second halves: (n, n_vocab)."""
    n, length = passages.shape
    chunking = scoring.Chunking(n_ctx=length, n_chunks=n, n_batch=BATCH * length)
    with (
        llama.load(path) as loaded,
        llama.context(
            loaded,
            n_ctx=BATCH * length,
            n_batch=BATCH * length,
            n_seq_max=BATCH,
            threads=1,
        ) as context,
    ):
        tokens = passages.ravel().astype(np.int32)
        parts = [
            scoring.log_softmax(logits)
            for _, logits in scoring.chunk_logits(context, tokens, chunking)
        ]
    return np.concatenate(parts)


def _divergence(original: Array, other: Array) -> float:
    """The mean KL divergence from the original, in nats."""
    return float((np.exp(original) * (original - other)).sum(axis=-1).mean())
