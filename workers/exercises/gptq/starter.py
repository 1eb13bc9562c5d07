"""GPTQ: round column after column, and let the columns that are left make up for the error."""

import numpy as np


def hessian(x: np.ndarray, damping: float) -> np.ndarray:
    """H = 2 X^T X, (d, d), of the inputs x, (n, d), with `damping` times its mean diagonal added.

    What is added goes onto the diagonal alone, equally for every input. x has a row a token, so
    this is the paper's 2 X X^T, whose X has a column a token.
    """
    raise NotImplementedError("write hessian")


def inverse_factor(h: np.ndarray) -> np.ndarray:
    """The upper triangular U, (d, d), with positive diagonal for which U^T U is the inverse of h.

    U[i, i] times row i of U is the row of input i in the inverse of what is left of h once the
    inputs before it have been removed.
    """
    raise NotImplementedError("write inverse_factor")


def gptq(w: np.ndarray, h: np.ndarray, bits: int, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantize w, (m, d), for inputs with the Hessian h, (d, d), from the first column to the last.

    Every row has one scale for each `group` columns, taken when their turn comes from the weights
    as they then stand: largest magnitude / (2^(bits - 1) - 1). `group` divides d. Returns codes
    (m, d), integers from -2^(bits - 1) to 2^(bits - 1) - 1, and scales (m, d / group).
    """
    raise NotImplementedError("write gptq")
