"""Tiled attention: the softmax of a long row, worked out without ever holding the row."""

# ruff: noqa: E741  # l is what the papers call it

import numpy as np


def online_softmax_step(
    m: np.ndarray, l: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take one more block of scores into the softmax of n rows.

    m, (n,), is the largest score of each row so far, and l, (n,), the sum of exp(score - m) over
    them; before the first block they are -inf and 0. scores, (n, b), are the b new ones. Returns
    the new m and the new l, (n,) each.
    """
    raise NotImplementedError("write online_softmax_step")


def flash_attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, block: int) -> np.ndarray:
    """Attention of one head, not causal: softmax(q k^T / sqrt(head_dim)) v, exactly.

    q, k and v are (n, head_dim); returns (n, head_dim). `block` keys and values are worked on at a
    time; it need not divide n and may be larger. No table of n * n numbers is ever made.
    """
    raise NotImplementedError("write flash_attend")


def score_bytes(n_head: int, n_ubatch: int, n_ctx: int) -> int:
    """Bytes of the scores, in F32, that llama.cpp reserves where flash attention is off.

    They are those of one layer: n_head query heads, n_ubatch queries at once, n_ctx keys.
    """
    raise NotImplementedError("write score_bytes")
