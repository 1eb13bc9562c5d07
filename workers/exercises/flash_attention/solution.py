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

    Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", algorithm 3.
    """
    m_new = np.maximum(m, scores.max(axis=-1))  # (n,)
    # The old sum is relative to the old m. One factor makes it relative to the new one.
    l_new = np.exp(m - m_new) * l + np.exp(scores - m_new[:, None]).sum(axis=-1)  # (n,)
    return m_new, l_new


def flash_attend(q: np.ndarray, k: np.ndarray, v: np.ndarray, block: int) -> np.ndarray:
    """Attention of one head, not causal: softmax(q k^T / sqrt(head_dim)) v, exactly.

    q, k and v are (n, head_dim); returns (n, head_dim). `block` keys and values are worked on at a
    time; it need not divide n and may be larger. No table of n * n numbers is ever made.

    Dao 2023, "FlashAttention-2", algorithm 1: a tile of queries stays while the keys pass by.
    """
    n, head_dim = q.shape
    out = np.empty_like(v)  # (n, head_dim)
    for first in range(0, n, block):
        queries = q[first : first + block] / np.sqrt(head_dim)  # (b, head_dim)
        m = np.full(len(queries), -np.inf)  # (b,)  the largest score so far
        l = np.zeros(len(queries))  # (b,)  the sum of exp(score - m)
        o = np.zeros(queries.shape)  # (b, head_dim)  the sum of exp(score - m) * value
        for start in range(0, n, block):
            scores = queries @ k[start : start + block].T  # (b, b), fewer in the last tile
            m_new, l = online_softmax_step(m, l, scores)
            powers = np.exp(scores - m_new[:, None])  # (b, b)
            o = np.exp(m - m_new)[:, None] * o + powers @ v[start : start + block]
            m = m_new
        out[first : first + block] = o / l[:, None]
    return out


def score_bytes(n_head: int, n_ubatch: int, n_ctx: int) -> int:
    """Bytes of the scores, in F32, that llama.cpp reserves where flash attention is off.

    They are those of one layer: n_head query heads, n_ubatch queries at once, n_ctx keys.
    """
    # The layers come one after another and share the room.
    return n_head * n_ubatch * n_ctx * 4
