"""GPTQ: round column after column, and let the columns that are left make up for the error."""

import numpy as np


def hessian(x: np.ndarray, damping: float) -> np.ndarray:
    """H = 2 X^T X, (d, d), of the inputs x, (n, d), with `damping` times its mean diagonal added.

    What is added goes onto the diagonal alone, equally for every input. x has a row a token, so
    this is the paper's 2 X X^T, whose X has a column a token.
    """
    h = 2 * x.T @ x  # (d, d)
    return h + damping * np.mean(np.diag(h)) * np.eye(len(h))


def inverse_factor(h: np.ndarray) -> np.ndarray:
    """The upper triangular U, (d, d), with positive diagonal for which U^T U is the inverse of h.

    U[i, i] times row i of U is the row of input i in the inverse of what is left of h once the
    inputs before it have been removed.
    """
    # NumPy's factor is the lower one: inverse = L L^T, so U = L^T.
    lower = np.linalg.cholesky(np.linalg.inv(h))  # (d, d)
    return lower.T


def gptq(w: np.ndarray, h: np.ndarray, bits: int, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Quantize w, (m, d), for inputs with the Hessian h, (d, d), from the first column to the last.

    Every row has one scale for each `group` columns, taken when their turn comes from the weights
    as they then stand: largest magnitude / (2^(bits - 1) - 1). `group` divides d. Returns codes
    (m, d), integers from -2^(bits - 1) to 2^(bits - 1) - 1, and scales (m, d / group).
    """
    largest = 2 ** (bits - 1) - 1
    u = inverse_factor(h)  # (d, d)
    w = w.astype(np.float64)  # a copy, which changes from step to step
    codes = np.zeros(w.shape, dtype=np.int64)
    scales = np.zeros((len(w), w.shape[1] // group))
    for i in range(w.shape[1]):
        if i % group == 0:
            scales[:, i // group] = np.max(np.abs(w[:, i : i + group]), axis=1) / largest
        scale = scales[:, i // group]  # (m,)
        codes[:, i] = np.clip(np.round(w[:, i] / scale), -largest - 1, largest)
        error = w[:, i] - codes[:, i] * scale  # (m,)
        # What column i lost, later columns make up for as well as they can.
        w[:, i + 1 :] -= np.outer(error / u[i, i], u[i, i + 1 :])
    return codes, scales
