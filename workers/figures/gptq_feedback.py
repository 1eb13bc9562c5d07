"""The figure `gptq-feedback`: a small block of a real matrix with the H of its inputs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.figures import passages
from workers.figures.rounding import rounded
from workers.forward import Model

LAYER = 0
ROWS, COLUMNS = 6, 10
FIRST_ROW, FIRST_COLUMN = 54, 4
DAMPING = 0.01  # of the mean diagonal, added to H as the paper does
BITS = 3

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class GptqFeedback:
    """`weights` are ROWS rows of COLUMNS weights; `h[i][j]` is the mean of x_i x_j over `tokens`.

    `blocks` blocks of this size cover the matrix; in `better` of them GPTQ's error is the smaller.
    """

    model: str
    tensor: str
    first_row: int
    first_column: int
    tokens: int
    damping: float
    bits: int
    weights: list[list[float]]
    h: list[list[float]]
    blocks: int
    better: int


def grid(weights: Matrix, bits: int) -> tuple[Matrix, Matrix]:
    """Each row's lowest level and step: 2^bits levels from its smallest to its largest weight."""
    low = weights.min(axis=1)  # (rows,)
    step = (weights.max(axis=1) - low) / (2**bits - 1)  # (rows,)
    return low, step


def quantized(weights: Matrix, h: Matrix, bits: int, *, feedback: bool) -> Matrix:
    """The columns rounded one by one, (rows, columns); with feedback this is GPTQ."""
    low, step = grid(weights, bits)
    columns = weights.shape[1]
    inverse = np.linalg.inv(h + DAMPING * h.diagonal().mean() * np.eye(columns))
    now = weights.copy()
    for i in range(columns):
        nearest = np.round((now[:, i] - low) / step) * step + low  # (rows,)
        error = nearest - now[:, i]
        if feedback:
            # The columns that are still free make up for the error as well as they can …
            now[:, i + 1 :] += np.outer(error / inverse[i, i], inverse[i, i + 1 :])
            # … and column i leaves the problem.
            inverse = inverse - np.outer(inverse[:, i], inverse[i]) / inverse[i, i]
        now[:, i] = nearest
    return now


def output_error(change: Matrix, h: Matrix) -> Matrix:
    """Mean square of each row's error at the output: delta H delta^T, (rows,)."""
    error: Matrix = ((change @ h) * change).sum(axis=1)
    return error


def compute(model: Model) -> GptqFeedback:
    """The steps themselves are taken in the browser, column by column."""
    tensor = f"blk.{LAYER}.attn_output.weight"
    weight = model.tensors[tensor].astype(np.float64)  # (outputs, inputs)
    x = passages.calibration(model, LAYER).heads.astype(np.float64)  # (n, inputs)
    second_moment = x.T @ x / len(x)  # (inputs, inputs)

    rows = slice(FIRST_ROW, FIRST_ROW + ROWS)
    columns = slice(FIRST_COLUMN, FIRST_COLUMN + COLUMNS)
    better = _blocks_in_which_feedback_helps(weight, second_moment)
    return GptqFeedback(
        model=model.path.name,
        tensor=tensor,
        first_row=FIRST_ROW,
        first_column=FIRST_COLUMN,
        tokens=len(x),
        damping=DAMPING,
        bits=BITS,
        weights=rounded(weight[rows, columns], 4),
        h=rounded(second_moment[columns, columns], 5),
        blocks=better.size,
        better=int(better.sum()),
    )


def _blocks_in_which_feedback_helps(weight: Matrix, h: Matrix) -> NDArray[np.bool_]:
    """For every block of ROWS by COLUMNS that fits: whether GPTQ beats plain rounding."""
    helps = []
    for first in range(0, weight.shape[1] - COLUMNS + 1, COLUMNS):
        columns = slice(first, first + COLUMNS)
        part, its_h = weight[:, columns], h[columns, columns]
        plain, fed_back = (
            output_error(quantized(part, its_h, BITS, feedback=feedback) - part, its_h)
            for feedback in (False, True)
        )
        whole = len(part) // ROWS * ROWS
        difference = (plain - fed_back)[:whole].reshape(-1, ROWS).sum(axis=1)  # (blocks,)
        helps.append(difference > 0)
    return np.concatenate(helps)
