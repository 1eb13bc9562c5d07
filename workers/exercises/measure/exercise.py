"""R15, measuring a quantization: perplexity, KL divergence, bits per weight, and times with noise.

The real logits are llama.cpp's, of the teaching model and of its quantized files, which are made
for the check; what they should give is what the campus's own measurements make of them.
"""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers import catalogue, llama, quantize, scoring
from workers.estimates import mean
from workers.exercises.base import Answer, Array, Example, Exercise, Failure, Student
from workers.perplexity import read_text

# Another share in each row: KL divergences of 0.120, 0 and 0.434 nats.
P = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
Q = np.array([[0.0, 1.0], [0.0, 0.0], [0.0, 2.0]])

exercise = Exercise(
    key="exercise-measure",
    folder=Path(__file__).parent,
    examples=(
        # All tokens alike: as good as a guess among four.
        Example("perplexity", (np.zeros((3, 4)), np.array([0, 3, 1])), 4.0),
        Example("kl", (P, Q), (0.184632, 0.129310), atol=1e-6),
        # The file of Lab 4's example, all its bytes over all its weights.
        Example("bits_per_weight", (2009504, 3279104), 4.902568, atol=1e-6),
        Example("faster", ([2.0, 2.1, 2.0, 2.2, 2.1], [1.8, 1.9, 1.7, 2.0, 1.9]), "b"),
    ),
)

TYPES = ("Q8_0", "Q6_K", "Q4_K_M", "Q2_K")  # from the smallest loss to the largest
CHUNKING = scoring.Chunking(n_ctx=256, n_chunks=2, n_batch=512)


@functools.cache
def _held_out() -> llama.Tokens:
    """The tokens of the held-out text."""
    with llama.load(Path(catalogue.main_model().path), vocab_only=True) as vocabulary:
        text = read_text(Path(catalogue.texts().heldout))
        return vocabulary.tokenize(text, special=True)


def draw_text(rng: np.random.Generator) -> llama.Tokens:
    """Two chunks of the held-out text from a random place, as `workers.perplexity` cuts them."""
    count = CHUNKING.n_chunks * CHUNKING.n_ctx
    begin = int(rng.integers(len(_held_out()) - count))
    return _held_out()[begin : begin + count]


def real_logits(path: Path, tokens: llama.Tokens) -> llama.Logits:
    """llama.cpp's logits of the scored positions, (254, n_vocab)."""
    n_ctx = CHUNKING.n_chunks * CHUNKING.n_ctx
    with (
        llama.load(path) as model,
        llama.context(
            model, n_ctx=n_ctx, n_batch=n_ctx, n_seq_max=CHUNKING.n_chunks, threads=1
        ) as context,
    ):
        chunks = scoring.chunk_logits(context, tokens, CHUNKING)
        return np.concatenate([logits.copy() for _, logits in chunks])


@functools.cache
def _quantized(name: str) -> bytes:
    """The teaching model's file in another file type, 1 to 3 MB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.gguf"
        model = catalogue.main_model().path
        for _ in quantize.quantize(quantize.Quantize(model, name, str(path), threads=1)):
            pass  # its progress
        return path.read_bytes()


def targets(tokens: llama.Tokens) -> llama.Tokens:
    """The tokens that came at the scored positions, (254,)."""
    chunks = range(CHUNKING.n_chunks)
    return np.concatenate([scoring.targets_of(tokens, CHUNKING, chunk) for chunk in chunks])


@exercise.check(
    "Perplexity of real logits",
    points=2,
    hint="First ln p of the token that came, in each row; then the mean; then exp of minus that.",
)
def real_perplexity(student: Student, rng: np.random.Generator) -> None:
    tokens = draw_text(rng)
    logits, came = real_logits(Path(catalogue.main_model().path), tokens), targets(tokens)
    surprise = scoring.score(logits, came).nll  # (254,)
    most_probable = logits.argmax(axis=-1)
    student.call("perplexity", logits, came).close_to(
        float(np.exp(surprise.mean())),
        # A computation in float32 was off by 1.5e-7 at most, in 12 places of the text.
        rtol=1e-6,
        mistakes={
            "The mean comes first: exp of the mean surprise, not the mean of exp.": np.exp(
                surprise
            ).mean(),
            "You take the mean of the probabilities. It is that of their logarithms.": (
                1 / np.exp(-surprise).mean()
            ),
            "That is the mean surprise; perplexity is exp of it.": surprise.mean(),
            "Natural logarithms go with exp, those to the base 2 with 2 to the power.": np.exp(
                surprise.mean() / np.log(2)
            ),
            "You score the token that the model holds most probable. Score the one that came.": (
                np.exp(scoring.score(logits, most_probable.astype(np.int32)).nll.mean())
            ),
            "Row t has been matched with the wrong target: targets[t] is what followed row t.": (
                np.exp(scoring.score(logits[1:], came[:-1]).nll.mean())
            ),
        },
    )


@exercise.check(
    "Logits of any size",
    points=1,
    hint="exp(1000) is infinity. Take off every row its own largest logit: no probability changes.",
)
def shifted(student: Student, rng: np.random.Generator) -> None:
    """A constant added to a row is a factor in numerator and denominator alike."""
    logits: Array = rng.standard_normal((6, 40)) * 3
    came = rng.integers(40, size=6)
    right = float(np.exp(-scoring.log_softmax(logits)[np.arange(6), came].mean()))
    for offset in (20_000.0, -20_000.0, 0.0):
        moved = logits + offset + rng.uniform(-1000, 1000, (6, 1))
        # Numbers near 20,000 are rounded to 2e-12 when the offset is added, and to 1e-3 in float32.
        narrow = scoring.log_softmax(moved.astype(np.float32))[np.arange(6), came].mean()
        student.call("perplexity", moved, came).close_to(
            right,
            rtol=1e-10,
            mistakes={
                "These logits come in float64, and float32 keeps too few of their digits.": np.exp(
                    -narrow
                )
            },
        )


def _divergences(p_logits: Array, q_logits: Array) -> NDArray[np.float64]:
    """sum of p (ln p - ln q) in each row."""
    log_p, log_q = scoring.log_softmax(p_logits), scoring.log_softmax(q_logits)
    return np.asarray((np.exp(log_p) * (log_p - log_q)).sum(axis=-1))


@exercise.check(
    "KL divergence and its error",
    points=2,
    hint=(
        "One number for each position: the sum over the vocabulary of p times ln p - ln q. Then "
        "the mean of these numbers and the standard error of that mean."
    ),
)
def divergence(student: Student, rng: np.random.Generator) -> None:
    n, n_vocab = int(rng.integers(6, 12)), int(rng.integers(20, 50))
    p_logits = rng.standard_normal((n, n_vocab)) * 2
    # Some positions are much further off than others.
    q_logits = p_logits + rng.standard_normal((n, n_vocab)) * rng.uniform(0.1, 1.0, (n, 1))
    each, reverse = _divergences(p_logits, q_logits), _divergences(q_logits, p_logits)
    average, error = student.call("kl", p_logits, q_logits).items(2)
    average.close_to(
        each.mean(),
        rtol=1e-10,
        mistakes={
            "That is the divergence the other way round: weigh the logarithms with p, the "
            "original's probabilities.": reverse.mean(),
            "You divide by the size of the vocabulary too. Sum over it, and take the mean over "
            "positions.": each.mean() / n_vocab,
            "You sum over positions. It is their mean.": each.sum(),
            "Those are bits. For nats take natural logarithms.": each.mean() / np.log(2),
        },
    )
    error.close_to(
        mean(each).stderr,
        rtol=1e-10,
        mistakes={
            "That is the spread of single positions. The mean of n is steadier, by the root of "
            "n.": each.std(ddof=1),
            "Nearly: you divide the squares by n. With the mean taken from the same values it is "
            "n - 1 (ddof=1).": each.std() / np.sqrt(n),
            "You divide by n; it is the root of n.": each.std(ddof=1) / n,
            "That is the variance of the mean; its root is the standard error.": (
                each.var(ddof=1) / n
            ),
        },
    )


@exercise.check(
    "Nothing from nothing",
    points=1,
    hint="Equal distributions have no divergence, however large their logits are.",
)
def nothing(student: Student, rng: np.random.Generator) -> None:
    p_logits = rng.standard_normal((5, 30)) * 4
    moved = p_logits + rng.uniform(-1000, 1000, (5, 1))
    for part in student.call("kl", p_logits, moved).items(2):
        part.close_to(0.0, atol=1e-11)


@exercise.check(
    "The ladder of file types",
    points=2,
    hint=(
        "Nearly equal probabilities have logarithms that nearly cancel: bring the logits to "
        "float64 before you compute with them."
    ),
)
def ladder(student: Student, rng: np.random.Generator) -> None:
    """The teaching model against four quantizations of it, on the same tokens."""
    tokens = draw_text(rng)
    original = Path(catalogue.main_model().path)
    p_logits = real_logits(original, tokens)
    kept = student.keep("original", p_logits)
    losses = []
    with tempfile.TemporaryDirectory() as folder:
        for name in TYPES:
            path = Path(folder) / f"{name}.gguf"
            path.write_bytes(_quantized(name))
            q_logits = real_logits(path, tokens)
            answer = student.call("kl", kept, q_logits)
            average, error = answer.items(2)
            average = Answer(f"kl of F32 and {name}", average.reply)
            each = _divergences(p_logits, q_logits)
            average.close_to(each.mean(), rtol=1e-6)
            Answer(f"The error of kl of F32 and {name}", error.reply).close_to(
                mean(each).stderr, rtol=1e-6
            )
            losses.append(float(average.value))
    # Measured at 4 places of the text: each step is a factor of 3 or more.
    if losses != sorted(losses):
        answer.fail(
            "Your losses are not in the order of the file types.",
            expected=" < ".join(TYPES),
            got=", ".join(f"{value:.3g}" for value in losses),
        )


@exercise.check(
    "Bits per weight",
    points=1,
    hint="A byte has 8 bits; the file's bytes and the number of parameters are given.",
)
def bits(student: Student, rng: np.random.Generator) -> None:
    model = catalogue.main_model()
    for size, parameters in (
        (Path(model.path).stat().st_size, model.parameters),
        (int(rng.integers(1 << 30, 1 << 34)), int(rng.integers(1, 9)) * 1_000_000_000 + 30_261_248),
    ):
        student.call("bits_per_weight", size, parameters).close_to(
            8 * size / parameters,
            rtol=1e-12,
            mistakes={
                "Those are bytes per weight.": size / parameters,
                "That is upside down: weights in a bit.": parameters / (8 * size),
                "GiB are 2**30 bytes and a billion is 10**9: the two do not cancel.": (
                    8 * (size / 2**30) / (parameters / 10**9)
                ),
                "Half a bit matters. Keep the fraction.": 8 * size // parameters,
            },
        )


Times = tuple[NDArray[np.float64], NDArray[np.float64]]
# How many spreads the median of the differences is from zero: one decides. The two in the middle
# tell the rule from one with half of the spread, or twice.
FAR, BEYOND, WITHIN, NOISE = (1.6, np.inf), (1.15, 1.85), (0.55, 0.85), (0.0, 0.6)
# There are several definitions of a percentile. No draw depends on which of them is taken.
PERCENTILES = ("linear", "weibull", "hazen", "nearest")


def _spreads(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many spreads the median is above zero, by each definition of a percentile."""
    quarters = [
        np.percentile(difference, [25, 75], method=method)  # type: ignore[call-overload]
        for method in PERCENTILES
    ]
    return np.array([np.median(difference) / (high - low) for low, high in quarters])


def _draw_times(
    rng: np.random.Generator,
    make: Callable[[int], Times],
    verdict: str,
    spreads: tuple[float, float],
) -> tuple[list[float], list[float], str]:
    """Times for which the rule says `verdict`, with the median so many spreads from zero.

    `make` gives the times of the slower setting, if one is slower, and those of the other.
    """
    least, most = spreads
    while True:
        slow, fast = make(int(rng.choice([9, 11, 13])))
        found = _spreads(slow - fast)
        if verdict == "no difference":
            found = np.abs(found)
        if least <= found.min() and found.max() <= most:
            break
    swapped = verdict == "a" or (verdict == "no difference" and rng.random() < 0.5)
    a, b = (fast, slow) if swapped else (slow, fast)
    return [float(value) for value in a], [float(value) for value in b], verdict


def _judge_times(student: Student, times: tuple[list[float], list[float], str], why: str) -> None:
    """`why` is the hint to any wrong verdict but that of the slower setting."""
    a, b, verdict = times
    shown = ["[" + ", ".join(f"{value:.4g}" for value in values) + "]" for values in (a, b)]
    answer = Answer(f"faster({', '.join(shown)})", student.call("faster", a, b).reply)
    slower = {"a": "b", "b": "a"}.get(verdict)
    try:
        answer.equals(
            verdict,
            mistakes={"These are seconds: the smaller number is the faster setting.": slower},
        )
    except Failure as found:
        found.hint = found.hint or why
        raise


@exercise.check(
    "Faster, or noise",
    points=2,
    hint="Compare the median of the differences with how far the differences spread.",
)
def noise(student: Student, rng: np.random.Generator) -> None:
    def apart(n: int) -> Times:
        second = rng.uniform(0.2, 2)
        return (
            second * rng.normal(1, 0.02, n),
            second * rng.uniform(0.80, 0.88) * rng.normal(1, 0.02, n),
        )

    def alike(n: int) -> Times:
        second = rng.uniform(0.2, 2)
        return second * rng.normal(1, 0.03, n), second * rng.normal(1, 0.03, n)

    def near(n: int) -> Times:
        second = rng.uniform(0.2, 2)
        return (
            second * rng.normal(1, 0.02, n),
            second * rng.uniform(0.94, 0.97) * rng.normal(1, 0.02, n),
        )

    def uneven(n: int) -> Times:
        """One is slower each time, but seldom by the same."""
        second = rng.uniform(0.2, 2)
        fast = second * rng.normal(1, 0.004, n)
        return fast + second * (0.002 + 0.1 * rng.exponential(size=n)), fast

    far = (
        "These two are far apart: the size of the median, whatever its sign, is more than the "
        "differences spread."
    )
    always = "One of two medians is always smaller. Is it by more than the differences spread?"
    spread = "The spread is the 75th percentile less the 25th: neither half of it nor twice."
    plain = [
        (apart, "a", FAR, far),
        (apart, "b", FAR, far),
        (alike, "no difference", NOISE, always),
    ]
    near_it = [
        (near, "a", BEYOND, spread),
        (near, "b", BEYOND, spread),
        (alike, "no difference", WITHIN, spread),
        (
            uneven,
            "no difference",
            WITHIN,
            "All differences have one sign here, and yet they spread further than their median is "
            "from zero.",
        ),
    ]
    # The plain ones first, since their hints say more.
    for cases in (plain, near_it):
        for number in rng.permutation(len(cases)):
            make, verdict, spreads, why = cases[number]
            _judge_times(student, _draw_times(rng, make, verdict, spreads), why)


@exercise.check(
    "A machine that is not quiet",
    points=1,
    hint="Subtract run by run, and take medians and quartiles of what is left.",
)
def unquiet(student: Student, rng: np.random.Generator) -> None:
    def drifting(n: int) -> Times:
        """The machine slows down by a third while both are measured."""
        slower = rng.uniform(0.2, 2) * np.linspace(1, 1.35, n)
        return (
            slower * rng.normal(1, 0.004, n),
            slower * rng.uniform(0.93, 0.95) * rng.normal(1, 0.004, n),
        )

    def disturbed(n: int) -> Times:
        """One run of the faster setting was held up by something else."""
        second = rng.uniform(0.2, 2)
        a, b = second * rng.normal(1, 0.006, n), second * 0.94 * rng.normal(1, 0.006, n)
        b[int(rng.integers(n))] *= rng.uniform(2.5, 4)
        return a, b

    def changing(n: int) -> Times:
        """The machine has two paces, and one run of one setting met the other pace alone."""
        quick = rng.permutation(n) <= n // 2  # one more than the slow ones
        pace = rng.uniform(0.2, 2) * np.where(quick, 1.0, rng.uniform(1.3, 1.6))
        a, b = pace * rng.normal(1, 0.004, n), pace * rng.normal(1, 0.004, n)
        b[np.flatnonzero(quick)[0]] = pace.max()
        return a, b

    winner = str(rng.choice(["a", "b"]))
    _judge_times(
        student,
        _draw_times(rng, drifting, winner, FAR),
        "The machine slows down while you measure, and both settings with it. Runs that took turns "
        "are compared pair by pair.",
    )
    _judge_times(
        student,
        _draw_times(rng, disturbed, winner, FAR),
        "One run that was held up moves a mean and a standard deviation a long way. Medians and "
        "quartiles hardly notice it.",
    )
    _judge_times(
        student,
        _draw_times(rng, changing, "no difference", NOISE),
        "The median of the differences is not the difference of the medians. Subtract first.",
    )
