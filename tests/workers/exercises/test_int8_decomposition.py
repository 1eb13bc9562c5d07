"""The LLM.int8() exercise: right, wrong in the ways that people are wrong, and cheating."""

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded

KEY = "exercise-int8-decomposition"

# One output after the other, in Python's own integers.
WITH_LOOPS = """
import math

import numpy as np


def quantize_rows(x):
    codes = np.zeros(x.shape, dtype=np.int8)
    scales = np.zeros(len(x))
    for i, row in enumerate(x):
        largest = max((abs(float(value)) for value in row), default=0.0)
        scales[i] = largest / 127 if largest else 1.0
        for j, value in enumerate(row):
            codes[i, j] = math.floor(float(value) / scales[i] + 0.5)
    return codes, scales


def matmul_vectorwise(x, w):
    a, s = quantize_rows(x)
    b, t = quantize_rows(w)
    y = np.zeros((len(x), len(w)))
    for i in range(len(x)):
        for j in range(len(w)):
            y[i, j] = float(np.dot(a[i].astype(np.int64), b[j].astype(np.int64))) * s[i] * t[j]
    return y


def outlier_columns(x, threshold):
    return np.array(
        [j for j in range(x.shape[1]) if np.abs(x[:, j]).max() >= threshold], dtype=int
    )


def matmul_decomposed(x, w, threshold):
    large = np.zeros(x.shape[1], dtype=bool)
    large[outlier_columns(x, threshold)] = True
    # In float16, as in the paper.
    a, b = x[:, large].astype(np.float16), w[:, large].astype(np.float16)
    exact = a.astype(np.float64) @ b.astype(np.float64).T
    return matmul_vectorwise(x[:, ~large], w[:, ~large]) + exact
"""


def test_loops_and_float16_outliers_pass_too() -> None:
    assert failed(graded(KEY, WITH_LOOPS)) == []


CODES = "Codes and scales of each row"
SUMS = "Sums that int8 and int16 cannot hold"
VECTORS = "Vector-wise: a scale for each token and each output"
FOUND = "The outlier features are found"
PARTS = "Each feature in one of the two parts"
WIDENED = "x_codes.astype(np.int32) @ w_codes.astype(np.int32).T"
SPLIT = "matmul_vectorwise(np.delete(x, outliers, axis=1), np.delete(w, outliers, axis=1))"


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        ("axis=1, initial=0.0)", "initial=0.0) + 0 * x[:, 0]", CODES, "one scale for the whole"),
        ("np.round(x / steps[:, None])", "(x / steps[:, None])", CODES, "cut the digits off"),
        ("np.max(np.abs(x), axis=1", "np.max(x, axis=1", CODES, "absolute values first"),
        ("return codes, scales", "return codes, 1 / steps", CODES, "the other way round"),
        ("np.where(scales > 0, scales, 1.0)", "scales", "A row of zeros", "up to the machine"),
        (WIDENED, "x_codes @ w_codes.T", SUMS, "Widen the codes before"),
        (WIDENED, WIDENED.replace("int32", "int16"), SUMS, "int16 ends at 32767"),
        (" * w_scales[None, :]", "", VECTORS, "scales of w are missing"),
        ("return sums * x_scales", "return x @ w.T\n    return sums * x_scales", VECTORS, "exact"),
        (
            "w_codes, w_scales = quantize_rows(w)",
            "_all = quantize_rows(w.reshape(1, -1)); "
            "w_codes, w_scales = _all[0].reshape(w.shape), np.full(len(w), _all[1][0])",
            VECTORS,
            "Your w has one scale",
        ),
        ("np.abs(x) >= threshold", "np.abs(x) >= threshold * x.std()", FOUND, "not 6 standard"),
        ("np.abs(x) >= threshold", "x >= threshold", FOUND, "Large negative values"),
        ("np.abs(x) >= threshold", "np.abs(x) > threshold", FOUND, ">=, not >"),
        ("np.any(np.abs", "np.all(np.abs", FOUND, "in every token"),
        ("np.abs(x) >= threshold", "np.abs(x) >= 6.0", FOUND, "fixed at 6"),
        ("np.flatnonzero(reaches)", "reaches", FOUND, "np.flatnonzero"),
        (SPLIT, "matmul_vectorwise(x, w)", PARTS, "are in both parts"),
        ("return regular + exact", "return regular", PARTS, "add their product"),
        ("return regular + exact", "return matmul_vectorwise(x, w)", PARTS, "still in 8 bits"),
        ("return regular + exact", "return x @ w.T", PARTS, "Only the outlier features stay"),
        (", initial=0.0", "", "Nothing or everything split off", ""),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_a_scale_for_each_feature_is_found_out() -> None:
    columns = (
        "scales = np.max(np.abs(x), axis=0) / 127\n"
        "    return np.round(x / scales).astype(np.int8), scales\n"
    )
    source = edited(KEY, "# Without any column left the largest magnitude is 0, too.", columns)

    assert "a scale for each column" in check(graded(KEY, source), CODES).hint


def test_scales_from_before_the_split_are_found_out() -> None:
    early = (
        "codes, scales = quantize_rows(x); w_codes, w_scales = quantize_rows(w); "
        "codes, w_codes = (np.delete(part, outliers, axis=1) for part in (codes, w_codes)); "
        "regular = (codes.astype(int) @ w_codes.astype(int).T) * scales[:, None] * w_scales"
    )
    verdict = graded(KEY, edited(KEY, f"regular = {SPLIT}", early))

    assert PARTS in failed(verdict)
    assert "before the split" in check(verdict, PARTS).hint


@pytest.mark.parametrize("seed", range(5))
def test_scales_of_w_from_before_the_split_are_found_out(seed: int) -> None:
    early = (
        "codes, scales = quantize_rows(np.delete(x, outliers, axis=1)); "
        "w_codes, w_scales = quantize_rows(w); w_codes = np.delete(w_codes, outliers, axis=1); "
        "regular = (codes.astype(int) @ w_codes.astype(int).T) * scales[:, None] * w_scales"
    )
    verdict = graded(KEY, edited(KEY, f"regular = {SPLIT}", early), seed=seed)

    assert failed(verdict) == [PARTS]
    assert "scales of w before the split" in check(verdict, PARTS).hint


def test_one_scale_for_each_matrix_breaks_the_law_on_the_model() -> None:
    name = "On the teaching model, with six outliers"
    verdict = graded(KEY, edited(KEY, "axis=1, initial=0.0)", "initial=0.0) + 0 * x[:, 0]"))

    assert "One scale for each matrix" in check(verdict, VECTORS).hint
    assert name in failed(verdict)
    assert "relative error" in check(verdict, name).message


def test_the_exact_product_earns_the_examples_alone() -> None:
    """It knows the examples by heart and multiplies without rounding everywhere else."""
    verdict = graded(
        KEY,
        "import numpy as np\n"
        "def quantize_rows(x):\n"
        "    if x.shape == (2, 3):\n"
        "        codes = np.array([[64, -127, 32], [30, 4, -127]], dtype=np.int8)\n"
        "        return codes, np.array([1 / 127, 1.0])\n"
        "    return x, np.ones(len(x))\n"
        "def matmul_vectorwise(x, w):\n"
        "    return np.array([[0.79236158]]) if x.shape == (1, 4) else x @ w.T + 0.0\n"
        "def outlier_columns(x, threshold):\n"
        "    return np.array([2])\n"
        "def matmul_decomposed(x, w, threshold):\n"
        "    return np.array([[0.69716287]]) if x.shape == (1, 4) else x @ w.T\n",
    )

    assert verdict.points == 2
