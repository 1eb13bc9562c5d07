"""Grouped-query attention, and what its KV cache takes."""

import math

import numpy as np

# Of each cache type: the numbers in a block, and the bytes of a block.
BLOCKS = {"F32": (1, 4), "F16": (1, 2), "Q8_0": (32, 34), "Q4_0": (32, 18)}
# llama.cpp raises the context to a multiple of this many tokens.
PADDING = 256


def kv_bytes(meta: dict[str, int], n_ctx: int, type_k: str, type_v: str) -> int:
    """Bytes of the KV cache that llama.cpp allocates for a context of n_ctx tokens.

    meta has n_layer, n_embd and n_head. It may have n_head_kv (where it is missing, there are as
    many key heads as query heads) and head_dim (where it is missing, the heads divide n_embd among
    them). type_k and type_v are keys of BLOCKS, the types of keys and of values.
    """
    n_head_kv = meta.get("n_head_kv", meta["n_head"])
    head_dim = meta.get("head_dim", meta["n_embd"] // meta["n_head"])
    padded = math.ceil(n_ctx / PADDING) * PADDING
    numbers = meta["n_layer"] * padded * n_head_kv * head_dim  # in the keys, and in the values

    k_block, k_bytes = BLOCKS[type_k]
    v_block, v_bytes = BLOCKS[type_v]
    return numbers // k_block * k_bytes + numbers // v_block * v_bytes


def attend_gqa(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal attention in which neighbouring query heads share a key head and a value head.

    q is (n_head, n, head_dim), k and v are (n_head_kv, n, head_dim), of the same n tokens; n_head
    is a multiple of n_head_kv. Returns (n_head, n, head_dim).
    """
    n_head, n, head_dim = q.shape
    n_head_kv = len(k)

    # With 8 query heads and 2 key heads: 0, 0, 0, 0, 1, 1, 1, 1.
    key_head = np.arange(n_head) * n_head_kv // n_head  # (n_head,)
    keys, values = k[key_head], v[key_head]  # (n_head, n, head_dim)

    # From here on it is attention as with a key head for every query head.
    scores = q @ keys.transpose(0, 2, 1) / math.sqrt(head_dim)  # (n_head, n, n)
    future = np.arange(n) > np.arange(n)[:, None]  # (n, n)
    masked = np.where(future, -np.inf, scores)
    powers = np.exp(masked - masked.max(axis=-1, keepdims=True))
    weights = powers / powers.sum(axis=-1, keepdims=True)  # (n_head, n, n)
    return weights @ values  # (n_head, n, head_dim)
