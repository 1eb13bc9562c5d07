"""The GPTQ exercise: right, wrong in the ways that people are wrong, and cheating."""

import numpy as np
import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises.gptq import exercise as gptq

KEY = "exercise-gptq"

# No Cholesky in the rounding: the inverse itself is shrunk, as Optimal Brain Quantization does it,
# one weight after the other.
SHRINKING = """
import numpy as np


def hessian(x, damping):
    n, d = x.shape
    h = np.zeros((d, d))
    for token in x:
        h += 2 * np.outer(token, token)
    added = damping * sum(h[i, i] for i in range(d)) / d
    for i in range(d):
        h[i, i] += added
    return h


def inverse_factor(h):
    # Reversed in both directions, an upper triangle becomes a lower one.
    flipped = np.linalg.cholesky(h[::-1, ::-1])
    return np.linalg.inv(flipped)[::-1, ::-1]


def gptq(w, h, bits, group):
    largest = 2 ** (bits - 1) - 1
    inverse = np.linalg.inv(h)
    now = np.array(w, dtype=float)
    codes = np.zeros(now.shape, dtype=np.int8)
    scales = []
    for i in range(now.shape[1]):
        if i % group == 0:
            scales.append([max(abs(v) for v in row) / largest for row in now[:, i : i + group]])
        for r in range(len(now)):
            scale = scales[-1][r]
            code = min(max(round(float(now[r, i]) / scale), -largest - 1), largest)
            codes[r, i] = code
            change = code * scale - now[r, i]
            now[r] += change * inverse[i] / inverse[i, i]
        inverse = inverse - np.outer(inverse[:, i], inverse[i]) / inverse[i, i]
        inverse[i, i] = 1.0
    return codes, np.array(scales).T
"""

HESSIAN = "The Hessian and its damping"
FACTOR = "The factor of the inverse"
DIAGONAL = "Uncorrelated inputs: plain rounding"
FEEDBACK = "Later columns make up for the error"
ORDER = "What is rounded stays"
UPDATE = "w[:, i + 1 :] -= np.outer(error / u[i, i], u[i, i + 1 :])"
SCALES = "np.max(np.abs(w[:, i : i + group]), axis=1) / largest"


def test_a_shrinking_inverse_passes_too() -> None:
    assert failed(graded(KEY, SHRINKING)) == []


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("h = 2 * x.T @ x", "h = x.T @ x", HESSIAN, "The factor 2 is missing"),
        (" * np.eye(len(h))", "", HESSIAN, "Only the diagonal is damped"),
        ("h = 2 * x.T @ x", "h = 2 * x.T @ x / len(x)", HESSIAN, "twice the sum"),
        ("np.mean(np.diag(h))", "np.trace(h)", HESSIAN, "not of its sum"),
        ("damping * np.mean(np.diag(h))", "damping", HESSIAN, "a share of the mean diagonal"),
        ("np.mean(np.diag(h))", "np.diag(h)", HESSIAN, "Every input gets the same"),
        ("return lower.T", "return lower", FACTOR, "the lower triangle"),
        ("return lower.T", "return lower", FEEDBACK, "plain rounding"),
        ("np.linalg.cholesky(np.linalg.inv(h))", "np.linalg.cholesky(h)", FACTOR, "not its inv"),
        ("np.linalg.cholesky(np.linalg.inv(h))", "np.linalg.cholesky(h)", FEEDBACK, "factor of H"),
        (
            "np.linalg.cholesky(np.linalg.inv(h))",
            "np.linalg.inv(np.linalg.cholesky(h))",
            FACTOR,
            "U U^T",
        ),
        ("u = inverse_factor(h)", "u = np.linalg.inv(h)", FEEDBACK, "rows of the inverse of H"),
        (UPDATE, "pass", FEEDBACK, "plain rounding"),
        (UPDATE, UPDATE.replace("-=", "+="), FEEDBACK, "wrong sign"),
        (UPDATE, UPDATE.replace("error / u[i, i]", "error"), FEEDBACK, "Divide the error"),
        (SCALES, SCALES.replace("w[", "start["), FEEDBACK, "all scales beforehand"),
        (SCALES, SCALES.replace("w[:, i : i + group]", "w"), DIAGONAL, "for each row"),
        ("np.round(w[:, i] / scale)", "np.trunc(w[:, i] / scale)", DIAGONAL, "cut the digits"),
        ("axis=1) / largest", "axis=1) / (largest + 1)", DIAGONAL, "both signs"),
        ("return codes, scales", "return codes, 1 / scales", DIAGONAL, "the other way round"),
        ("return codes, scales", "return codes * 1.0, scales", DIAGONAL, "dtype=int"),
        ("2 ** (bits - 1) - 1\n", "2**bits - 1\n", DIAGONAL, "over 2^(bits - 1) - 1"),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    source = edited(KEY, old, new).replace(
        "w = w.astype(np.float64)", "start = w\n    w = w.astype(np.float64)"
    )
    verdict = graded(KEY, source)

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_feedback_into_finished_columns_is_found_out() -> None:
    """The rounded weights live in w, every error goes to all of it, and codes are read at last."""
    source = edited(KEY, "u = inverse_factor(h)", "u = np.linalg.inv(h)").replace(
        UPDATE,
        "w -= np.outer(error / u[i, i], u[i])\n"
        "    codes = np.clip(np.round(w / np.repeat(scales, group, axis=1)), -largest - 1, "
        "largest).astype(int)",
    )
    verdict = graded(KEY, source)

    assert {FEEDBACK, ORDER} <= set(failed(verdict))
    assert "later columns only" in check(verdict, ORDER).hint
    assert "codes before it" in check(verdict, ORDER).message


@pytest.mark.parametrize(
    "clipping",
    [
        "np.round(w[:, i] / scale)",
        "np.minimum(np.round(w[:, i] / scale), largest)",
        "np.maximum(np.round(w[:, i] / scale), -largest - 1)",
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_codes_beyond_their_bits_are_found_out(clipping: str, seed: int) -> None:
    source = edited(KEY, "np.clip(np.round(w[:, i] / scale), -largest - 1, largest)", clipping)
    verdict = graded(KEY, source, seed=seed)

    assert FEEDBACK in failed(verdict)
    assert "clip the code" in check(verdict, FEEDBACK).hint


@pytest.mark.parametrize("seed", range(3))
def test_a_grid_with_equal_ends_is_found_out(seed: int) -> None:
    """Codes of -2^(bits - 1) are rare, and a check has to look for them."""
    source = edited(KEY, "scale), -largest - 1, largest)", "scale), -largest, largest)")
    verdict = graded(KEY, source, seed=seed)

    assert "one step further down" in check(verdict, FEEDBACK).hint


def test_without_damping_a_singular_hessian_is_no_accident() -> None:
    verdict = graded(KEY, edited(KEY, "return h + damping", "return h + 0 * damping"))

    assert "The damping is missing" in check(verdict, HESSIAN).hint
    assert "Inputs that never vary" in failed(verdict)


def test_plain_rounding_is_no_better_than_plain_rounding() -> None:
    verdict = graded(KEY, edited(KEY, UPDATE, "pass"))

    for name in ("Better on inputs it has not seen", "Inside the model"):
        assert "1.00 times" in check(verdict, name).got


@pytest.mark.parametrize("seed", range(12))
def test_the_ratio_that_is_asked_for_leaves_room(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, unseen = gptq.draw_inputs(rng, 192, 24, 1024, 1024)
    w = rng.standard_normal((48, 192))
    better = gptq.restored(*gptq.compensated(w, gptq.factor(gptq.damped(x)), 4, 32))
    plain = gptq.restored(*gptq.plain(w, 4, 32))

    ratio = gptq.output_error(better, w, unseen) / gptq.output_error(plain, w, unseen)
    assert 0.15 < ratio < 0.27


def test_reaching_for_the_judges_code_earns_the_examples_alone() -> None:
    """It knows the examples, and looks for the answer wherever Python can look."""
    verdict = graded(
        KEY,
        "import gc, sys\n"
        "import numpy as np\n"
        "def hunt(name):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        if name in frame.f_globals:\n"
        "            return frame.f_globals[name]\n"
        "        frame = frame.f_back\n"
        "    for thing in gc.get_objects():\n"
        "        if getattr(thing, '__name__', '') == name:\n"
        "            return thing\n"
        "    from workers.exercises.gptq import exercise\n"
        "    return getattr(exercise, name)\n"
        "def hessian(x, damping):\n"
        "    if len(x) == 2:\n"
        "        return np.array([[20.15, -2.0], [-2.0, 10.15]])\n"
        "    return hunt('damped')(x)\n"
        "def inverse_factor(h):\n"
        "    if len(h) == 2:\n"
        "        return np.array([[5 / 3, -4 / 3], [0.0, 1.0]])\n"
        "    return hunt('factor')(h)\n"
        "def gptq(w, h, bits, group):\n"
        "    if len(w) == 1:\n"
        "        return np.array([[1, 3, 7]]), np.array([[1.0]])\n"
        "    return hunt('compensated')(w, hunt('factor')(h), bits, group)\n",
    )

    assert verdict.points == 2
