"""Causal attention, and one decoding step of it with a KV cache."""

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]  # keys and values, each (heads, t, head_dim)


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Let each of n queries mix the values of its own position and of all positions before it.

    q is (heads, n, head_dim), k and v are (heads, t, head_dim) with t >= n, all of one float dtype.
    The queries stand at the last n of the t positions. Returns (heads, n, head_dim).
    """
    raise NotImplementedError("write attend")


def step(cache: Cache, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, Cache]:
    """Attention of one new token, whose q, k and v are each (heads, 1, head_dim).

    cache holds the keys and the values of the t tokens before it; t may be 0. Returns the output,
    (heads, 1, head_dim), and the cache with the new token as its last: a tuple of keys and values,
    each (heads, t + 1, head_dim).
    """
    raise NotImplementedError("write step")
