"""Grouped-query attention, and what its KV cache takes."""

import numpy as np

# Of each cache type: the numbers in a block, and the bytes of a block.
BLOCKS = {"F32": (1, 4), "F16": (1, 2), "Q8_0": (32, 34), "Q4_0": (32, 18)}


def kv_bytes(meta: dict[str, int], n_ctx: int, type_k: str, type_v: str) -> int:
    """Bytes of the KV cache that llama.cpp allocates for a context of n_ctx tokens.

    meta has n_layer, n_embd and n_head. It may have n_head_kv (where it is missing, there are as
    many key heads as query heads) and head_dim (where it is missing, the heads divide n_embd among
    them). type_k and type_v are keys of BLOCKS, the types of keys and of values.
    """
    raise NotImplementedError("write kv_bytes")


def attend_gqa(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal attention in which neighbouring query heads share a key head and a value head.

    q is (n_head, n, head_dim), k and v are (n_head_kv, n, head_dim), of the same n tokens; n_head
    is a multiple of n_head_kv. Returns (n_head, n, head_dim).
    """
    raise NotImplementedError("write attend_gqa")
