"""LLM.int8(): multiply in 8-bit integers, and the few features that are too large in floats."""

import numpy as np


def quantize_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round every row of x, (n, d), to 8 bits with a scale of its own: x ≈ codes * scales[:, None].

    Returns codes (n, d), int8 from -127 to 127, and scales (n,), so that the largest magnitude of
    a row becomes 127. A row of zeros has codes 0.
    """
    raise NotImplementedError("write quantize_rows")


def matmul_vectorwise(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x @ w.T in 8 bits, (n, m), for x (n, d) and w (m, d), each row with a scale of its own.

    The integer products are summed in 32 bits; the two scales of an output are applied to the sum.
    """
    raise NotImplementedError("write matmul_vectorwise")


def outlier_columns(x: np.ndarray, threshold: float) -> np.ndarray:
    """The features of x, (n, d), whose magnitude reaches the threshold in at least one row.

    Returns their column numbers in ascending order, integers.
    """
    raise NotImplementedError("write outlier_columns")


def matmul_decomposed(x: np.ndarray, w: np.ndarray, threshold: float) -> np.ndarray:
    """x @ w.T, (n, m): outlier features of x in floats, all the others vector-wise in 8 bits.

    x is (n, d), w is (m, d). This is equation 8 of the paper.
    """
    raise NotImplementedError("write matmul_decomposed")
