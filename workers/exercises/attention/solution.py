"""Causal attention, and one decoding step of it with a KV cache."""

import math

import numpy as np

Cache = tuple[np.ndarray, np.ndarray]  # keys and values, each (heads, t, head_dim)


def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Let each of n queries mix the values of its own position and of all positions before it.

    q is (heads, n, head_dim), k and v are (heads, t, head_dim) with t >= n, all of one float dtype.
    The queries stand at the last n of the t positions. Returns (heads, n, head_dim).
    """
    n, head_dim = q.shape[1:]
    t = k.shape[1]
    scores = q @ k.transpose(0, 2, 1) / math.sqrt(head_dim)  # (heads, n, t)

    # Query i stands at position t - n + i, and what comes after that is its future.
    positions = np.arange(t - n, t)  # (n,)
    future = np.arange(t) > positions[:, None]  # (n, t)
    masked = np.where(future, -np.inf, scores)  # (heads, n, t)

    # Less the largest score of its row: no weight changes by it, and exp stays at most 1.
    powers = np.exp(masked - masked.max(axis=-1, keepdims=True))  # (heads, n, t)
    weights = powers / powers.sum(axis=-1, keepdims=True)  # each row sums to 1
    return weights @ v  # (heads, n, head_dim)


def step(cache: Cache, q: np.ndarray, k: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, Cache]:
    """Attention of one new token, whose q, k and v are each (heads, 1, head_dim).

    cache holds the keys and the values of the t tokens before it; t may be 0. Returns the output,
    (heads, 1, head_dim), and the cache with the new token as its last: a tuple of keys and values,
    each (heads, t + 1, head_dim).
    """
    past_keys, past_values = cache
    keys = np.concatenate([past_keys, k], axis=1)  # (heads, t + 1, head_dim)
    values = np.concatenate([past_values, v], axis=1)  # (heads, t + 1, head_dim)
    # One query at the last position: nothing is later than it, so the mask hides nothing.
    return attend(q, keys, values), (keys, values)
