"""Shapes of a forward pass: softmax, the encoding of positions, and what has which shape.

n counts tokens and d features. Names of shapes are the keys of a dict, shapes are tuples of ints.
"""

import numpy as np


def softmax(x: np.ndarray) -> np.ndarray:
    """Weights of the scores x, (…, n): positive, and along the last axis their sum is 1."""
    # exp(710) is more than float64 can hold. Subtracting the largest score of a row divides its
    # powers and their sum by the same number, and leaves no exponent above 0.
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))  # (…, n)
    return powers / np.sum(powers, axis=-1, keepdims=True)


def positional_encoding(n: int, d: int) -> np.ndarray:
    """The sinusoidal encoding of positions 0 … n - 1, (n, d).

    Vaswani et al. 2017, "Attention Is All You Need", section 3.5.
    """
    pair = np.arange(d // 2)
    frequency = 10000.0 ** (-2 * pair / d)  # (d / 2,), radians a token
    angle = np.arange(n)[:, None] * frequency  # (n, d / 2)
    encoding = np.empty((n, d))
    encoding[:, 0::2] = np.sin(angle)
    encoding[:, 1::2] = np.cos(angle)
    return encoding


def shapes(n: int, d: int, heads: int) -> dict[str, tuple[int, ...]]:
    """The shapes in one encoder block of 2017 for n tokens.

    Vaswani et al. 2017, sections 3.2 and 3.3. The paper has d = 512 and 8 heads.
    """
    d_k = d // heads  # each head gets an equal share of the features
    return {
        "x": (n, d),
        "q": (n, d_k),
        "k": (n, d_k),
        "v": (n, d_k),
        "scores": (n, n),  # q @ k.T
        "head": (n, d_k),  # softmax(scores) @ v
        "concat": (n, heads * d_k),
        "w_o": (heads * d_k, d),
        "out": (n, d),
        "hidden": (n, 4 * d),  # 2048 for d = 512
    }


def llama_shapes(meta: dict[str, int], n: int) -> dict[str, tuple[int, ...]]:
    """The shapes in one block of a llama model for n tokens, all heads in one array."""
    d, h, h_kv = meta["n_embd"], meta["n_head"], meta["n_head_kv"]
    head_dim = d // h  # the query heads share the features; there may be fewer key heads
    return {
        "x": (n, d),
        "q": (h, n, head_dim),
        "k": (h_kv, n, head_dim),
        "v": (h_kv, n, head_dim),
        "scores": (h, n, n),  # each query head has its own, whoever it shares its keys with
        "heads": (n, h * head_dim),
        "gate": (n, meta["n_ff"]),
        "up": (n, meta["n_ff"]),
        "out": (n, d),  # as wide as x: the residual connection adds the two
        "logits": (n, meta["n_vocab"]),
    }
