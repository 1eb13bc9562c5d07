"""LLM.int8(): multiply in 8-bit integers, and the few features that are too large in floats."""

import numpy as np


def quantize_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round every row of x, (n, d), to 8 bits with a scale of its own: x ≈ codes * scales[:, None].

    Returns codes (n, d), int8 from -127 to 127, and scales (n,), so that the largest magnitude of
    a row becomes 127. A row of zeros has codes 0.
    """
    # Without any column left the largest magnitude is 0, too.
    largest = np.max(np.abs(x), axis=1, initial=0.0)  # (n,)
    scales = largest / 127
    # A row of zeros is divided by 1, since 0 / 0 is no number.
    steps = np.where(scales > 0, scales, 1.0)
    codes = np.round(x / steps[:, None]).astype(np.int8)  # (n, d)
    return codes, scales


def matmul_vectorwise(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x @ w.T in 8 bits, (n, m), for x (n, d) and w (m, d), each row with a scale of its own.

    The integer products are summed in 32 bits; the two scales of an output are applied to the sum.
    """
    x_codes, x_scales = quantize_rows(x)  # (n, d), (n,)
    w_codes, w_scales = quantize_rows(w)  # (m, d), (m,)
    # One product may be 127 * 127 = 16129: int8 holds none of them, int16 the sum of two.
    sums = x_codes.astype(np.int32) @ w_codes.astype(np.int32).T  # (n, m)
    return sums * x_scales[:, None] * w_scales[None, :]


def outlier_columns(x: np.ndarray, threshold: float) -> np.ndarray:
    """The features of x, (n, d), whose magnitude reaches the threshold in at least one row.

    Returns their column numbers in ascending order, integers.
    """
    reaches = np.any(np.abs(x) >= threshold, axis=0)  # (d,)
    return np.flatnonzero(reaches)


def matmul_decomposed(x: np.ndarray, w: np.ndarray, threshold: float) -> np.ndarray:
    """x @ w.T, (n, m): outlier features of x in floats, all the others vector-wise in 8 bits.

    x is (n, d), w is (m, d). This is equation 8 of the paper.
    """
    outliers = outlier_columns(x, threshold)
    # The scales are taken after the split: without the outliers they are small.
    regular = matmul_vectorwise(np.delete(x, outliers, axis=1), np.delete(w, outliers, axis=1))
    exact = x[:, outliers] @ w[:, outliers].T  # (n, m)
    return regular + exact
