"""A whole forward pass of a llama model: tokens in, logits out, as llama.cpp has them.

n tokens, d = n_embd features, h query heads and h_kv key/value heads of head_dim features each.
W maps GGUF names to tensors, (outputs, inputs) each; meta holds the model's numbers.
"""

import numpy as np


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    """Normalise x, (n, d), over its last axis and multiply by weight, (d,); same shape."""
    mean_square = np.mean(x**2, axis=-1, keepdims=True)  # (n, 1)
    return x / np.sqrt(mean_square + eps) * weight


def rope(
    x: np.ndarray, positions: np.ndarray, base: float, layout: str, scale: float
) -> np.ndarray:
    """Rotate x, (heads, n, head_dim), by its positions, (n,); same shape.

    Su et al. 2021, "RoFormer", equation 34. layout is "norm" (pairs 2i and 2i + 1) or "neox"
    (pairs i and i + head_dim / 2), which llama.cpp calls NORM and NEOX.
    """
    head_dim = x.shape[-1]
    frequency = base ** (-np.arange(0, head_dim, 2) / head_dim)  # (head_dim / 2,)
    angle = positions[:, None] * scale * frequency  # (n, head_dim / 2)
    cos, sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    half = head_dim // 2
    if layout == "norm":
        first, second = slice(0, None, 2), slice(1, None, 2)
    else:
        first, second = slice(0, half), slice(half, None)
    turned = np.empty_like(x)
    turned[..., first] = x[..., first] * cos - x[..., second] * sin
    turned[..., second] = x[..., first] * sin + x[..., second] * cos
    return turned


def softmax(scores: np.ndarray) -> np.ndarray:
    """Make each row of scores positive, with a sum of 1."""
    # The largest exponent is then 0, so that nothing overflows.
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attend_gqa(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal attention of q, (h, n, head_dim), to k and v, (h_kv, n, head_dim); the shape of q."""
    share = len(q) // len(k)  # as many query heads in a row read one key/value head
    keys, values = np.repeat(k, share, axis=0), np.repeat(v, share, axis=0)  # (h, n, head_dim)
    # NumPy turns a float32 array divided by a Python number into float32 again.
    scores = q @ keys.transpose(0, 2, 1) / float(np.sqrt(q.shape[-1]))  # (h, n, n)
    future = np.triu(np.ones(scores.shape[1:], dtype=bool), k=1)  # (n, n)
    return softmax(np.where(future, -np.inf, scores)) @ values


def silu(x: np.ndarray) -> np.ndarray:
    """Return x * sigmoid(x), element by element."""
    # exp(-|x|) never overflows; the numerator is 1 or exp(x).
    small = np.exp(-np.abs(x))
    return x * np.where(x >= 0, 1, small) / (1 + small)


def swiglu(x: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The feed-forward network on x, (n, d): gate and up are (n_ff, d), down is (d, n_ff)."""
    return (silu(x @ gate.T) * (x @ up.T)) @ down.T


def in_heads(x: np.ndarray, heads: int) -> np.ndarray:
    """Cut (n, heads * head_dim) into (heads, n, head_dim)."""
    n, width = x.shape
    return x.reshape(n, heads, width // heads).transpose(1, 0, 2)


def block(x: np.ndarray, W: dict[str, np.ndarray], layer: int, meta: dict) -> np.ndarray:
    """Block number `layer` on the hidden state x, (n, d); returns the one that leaves, (n, d).

    The steps and their order are those of llama.cpp's src/models/llama.cpp.
    """

    def weight(name: str) -> np.ndarray:
        return W[f"blk.{layer}.{name}.weight"]

    normed = rms_norm(x, weight("attn_norm"), meta["eps"])  # (n, d)
    q = in_heads(normed @ weight("attn_q").T, meta["n_head"])  # (h, n, head_dim)
    k = in_heads(normed @ weight("attn_k").T, meta["n_head_kv"])  # (h_kv, n, head_dim)
    v = in_heads(normed @ weight("attn_v").T, meta["n_head_kv"])  # (h_kv, n, head_dim)

    positions = np.arange(len(x))
    q = rope(q, positions, meta["rope_base"], "norm", 1.0)
    k = rope(k, positions, meta["rope_base"], "norm", 1.0)
    mixed = attend_gqa(q, k, v)  # (h, n, head_dim)
    side_by_side = mixed.transpose(1, 0, 2).reshape(len(x), -1)  # (n, h * head_dim)
    x = x + side_by_side @ weight("attn_output").T  # (n, d)

    normed = rms_norm(x, weight("ffn_norm"), meta["eps"])  # (n, d)
    return x + swiglu(normed, weight("ffn_gate"), weight("ffn_up"), weight("ffn_down"))


def forward(tokens: list[int], W: dict[str, np.ndarray], meta: dict) -> np.ndarray:
    """The logits of n tokens, (n, n_vocab): row i is about the token that follows token i."""
    x = W["token_embd.weight"][tokens]  # (n, d)
    for layer in range(meta["n_layer"]):
        x = block(x, W, layer, meta)
    normed = rms_norm(x, W["output_norm.weight"], meta["eps"])
    return normed @ W["output.weight"].T


def generate(tokens: list[int], count: int, W: dict[str, np.ndarray], meta: dict) -> list[int]:
    """The `count` tokens that follow, each the most probable one; without the given tokens."""
    text = list(tokens)
    for _ in range(count):
        # All tokens again each time: a KV cache would keep what does not change.
        logits = forward(text, W, meta)
        text.append(int(np.argmax(logits[-1])))
    return text[len(tokens) :]
