"""A whole forward pass of a llama model: tokens in, logits out, as llama.cpp has them.

W maps the tensors' names in a GGUF file to the tensors, float32 and read-only: "token_embd.weight",
"blk.0.attn_q.weight" and so on. A matrix is (outputs, inputs), so a layer is x @ matrix.T.

meta holds the numbers that belong to them: n_layer, n_embd (d in the shapes below), n_head (h),
n_head_kv (h_kv), n_ff, n_vocab, and eps and rope_base.
"""

import numpy as np


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    """Normalise x, (n, d), over its last axis and multiply by weight, (d,); same shape."""
    raise NotImplementedError("write rms_norm")


def rope(
    x: np.ndarray, positions: np.ndarray, base: float, layout: str, scale: float
) -> np.ndarray:
    """Rotate x, (heads, n, head_dim), by its positions, (n,); same shape.

    layout is "norm" (pairs 2i and 2i + 1, which llama models in GGUF use) or "neox" (pairs i and
    i + head_dim / 2). Angles are positions * scale * frequencies; scale is 1 here.
    """
    raise NotImplementedError("write rope")


def attend_gqa(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal attention of q, (h, n, head_dim), to k and v, (h_kv, n, head_dim); the shape of q."""
    raise NotImplementedError("write attend_gqa")


def swiglu(x: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The feed-forward network on x, (n, d): gate and up are (n_ff, d), down is (d, n_ff)."""
    raise NotImplementedError("write swiglu")


def block(x: np.ndarray, W: dict[str, np.ndarray], layer: int, meta: dict) -> np.ndarray:
    """Block number `layer` on the hidden state x, (n, d); returns the one that leaves, (n, d).

    Its tensors in W are "blk.<layer>.<name>.weight", where <name> is attn_norm, attn_q, attn_k,
    attn_v, attn_output, ffn_norm, ffn_gate, ffn_up or ffn_down.
    """
    raise NotImplementedError("write block")


def forward(tokens: list[int], W: dict[str, np.ndarray], meta: dict) -> np.ndarray:
    """The logits of n tokens, (n, n_vocab): row i is about the token that follows token i.

    Around the blocks stand "token_embd.weight", (n_vocab, d), "output_norm.weight", (d,), and
    "output.weight", (n_vocab, d).
    """
    raise NotImplementedError("write forward")


def generate(tokens: list[int], count: int, W: dict[str, np.ndarray], meta: dict) -> list[int]:
    """The `count` tokens that follow, each the most probable one; without the given tokens."""
    raise NotImplementedError("write generate")
