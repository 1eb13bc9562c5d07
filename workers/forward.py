"""A llama-architecture model in NumPy, one step after the other, with everything on the way kept.

It reads like the chapter that teaches it: n tokens, d = n_embd features, h query heads and h_kv
key/value heads of head_dim features each. What it gives is what llama.cpp gives, to rounding.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers import gguf_file, llama
from workers.errors import BadModelError

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)  # compared and hashed as the one object that it is
class Model:
    """A model's numbers and tensors. A matrix is (outputs, inputs), so a layer is x @ W.T."""

    path: Path
    n_layer: int
    n_embd: int
    n_ff: int
    n_head: int
    n_head_kv: int
    head_dim: int
    n_ctx: int  # the context it was trained on, in tokens
    epsilon: float  # of RMSNorm
    rope_base: float
    tensors: Mapping[str, Array]

    @property
    def query_heads_per_kv_head(self) -> int:
        """How many query heads read one key/value head."""
        return self.n_head // self.n_head_kv


@dataclass(frozen=True)
class Text:
    """A text as the model's own tokenizer cuts it, BOS first."""

    ids: tuple[int, ...]
    pieces: tuple[str, ...]  # what each token stands for, spaces kept


@dataclass(frozen=True)
class Block:
    """What one block makes of n tokens, in the order in which it makes it."""

    x: Array  # (n, d)  the hidden state that enters
    normed: Array  # (n, d)  RMSNorm(x): what the Q, K and V layers read
    q: Array  # (h, n, head_dim)  before rotation
    k: Array  # (h_kv, n, head_dim)  before rotation
    v: Array  # (h_kv, n, head_dim)
    q_rotated: Array  # (h, n, head_dim)
    k_rotated: Array  # (h_kv, n, head_dim)
    scores: Array  # (h, n, n)  q·k / sqrt(head_dim), before the causal mask
    weights: Array  # (h, n, n)  softmax of the masked scores: each row sums to 1
    heads: Array  # (n, h * head_dim)  all heads side by side: what attn_output reads
    after_attention: Array  # (n, d)  x plus what attention adds
    ffn_normed: Array  # (n, d)  what the gate and up layers read
    gate: Array  # (n, n_ff)
    up: Array  # (n, n_ff)
    product: Array  # (n, n_ff)  SiLU(gate) * up: what ffn_down reads
    out: Array  # (n, d)  the hidden state that leaves


@dataclass(frozen=True)
class Forward:
    """A whole forward pass."""

    text: Text
    blocks: tuple[Block, ...]
    logits: Array  # (n, n_vocab)


@functools.cache
def load(path: Path) -> Model:
    """The model at `path`, its F32 tensors mapped into memory and not read before they are used."""
    file = gguf_file.read(path)
    bytes_of_file = np.memmap(path, dtype=np.uint8, mode="r")
    tensors = {}
    for tensor in file.tensors:
        if tensor.type != "F32":
            raise BadModelError(f"NumPy reads F32 tensors here; {tensor.name} is {tensor.type}.")
        start = file.data_offset + tensor.offset
        data = bytes_of_file[start : start + tensor.bytes].view(np.float32)
        tensors[tensor.name] = data.reshape(tensor.shape[::-1])

    def number(key: str) -> float:
        value = file.get(f"llama.{key}")
        if not isinstance(value, int | float):
            raise BadModelError(f"This is no llama model: llama.{key} is missing.")
        return value

    n_embd, n_head = int(number("embedding_length")), int(number("attention.head_count"))
    return Model(
        path=path,
        n_layer=int(number("block_count")),
        n_embd=n_embd,
        n_ff=int(number("feed_forward_length")),
        n_head=n_head,
        n_head_kv=int(number("attention.head_count_kv")),
        head_dim=n_embd // n_head,
        n_ctx=int(number("context_length")),
        epsilon=number("attention.layer_norm_rms_epsilon"),
        rope_base=number("rope.freq_base"),
        tensors=tensors,
    )


@functools.cache
def tokenize(model: Model, text: str) -> Text:
    """The tokens of a text, by llama.cpp with the file's own vocabulary."""
    with llama.load(model.path, vocab_only=True) as vocabulary:
        ids = tuple(int(token) for token in vocabulary.tokenize(text, special=True))
        pieces = tuple(
            vocabulary.piece(token, special=True).decode("utf-8", errors="replace") for token in ids
        )
    return Text(ids, pieces)


def rms_norm(x: Array, weight: Array, epsilon: float) -> Array:
    """x / RMS(x) * weight, each row for itself; x is (n, d), weight (d,)."""
    mean_square = np.mean(x * x, axis=-1, keepdims=True)  # (n, 1)
    normed: Array = x / np.sqrt(mean_square + epsilon) * weight
    return normed


def frequencies(model: Model) -> Array:
    """The angle, in radians, by which each pair of features turns from one position to the next.

    (head_dim / 2,): 1, then ever smaller.
    """
    pair = np.arange(model.head_dim // 2)
    return (model.rope_base ** (-2 * pair / model.head_dim)).astype(np.float32)


def rotate(x: Array, positions: NDArray[np.int64], frequency: Array) -> Array:
    """RoPE: turn features 2i and 2i + 1 by position * frequency[i]; x is (…, n, head_dim)."""
    angle = positions[:, None] * frequency  # (n, head_dim / 2)
    cos, sin = np.cos(angle), np.sin(angle)
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = np.empty_like(x)
    turned[..., 0::2] = even * cos - odd * sin
    turned[..., 1::2] = even * sin + odd * cos
    return turned


def softmax(scores: Array) -> Array:
    """Each row becomes positive and sums to 1."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights: Array = powers / powers.sum(axis=-1, keepdims=True)
    return weights


def silu(x: Array) -> Array:
    """x * sigmoid(x)."""
    activated: Array = x / (1 + np.exp(-x))
    return activated


def in_heads(x: Array, heads: int) -> Array:
    """(n, heads * head_dim) cut into (heads, n, head_dim)."""
    n, width = x.shape
    return x.reshape(n, heads, width // heads).transpose(1, 0, 2)


def block(model: Model, layer: int, x: Array) -> Block:
    """One block on the hidden state x, (n, d)."""

    def weight(name: str) -> Array:
        return model.tensors[f"blk.{layer}.{name}.weight"]

    n = len(x)
    normed = rms_norm(x, weight("attn_norm"), model.epsilon)  # (n, d)
    q = in_heads(normed @ weight("attn_q").T, model.n_head)  # (h, n, head_dim)
    k = in_heads(normed @ weight("attn_k").T, model.n_head_kv)  # (h_kv, n, head_dim)
    v = in_heads(normed @ weight("attn_v").T, model.n_head_kv)  # (h_kv, n, head_dim)

    frequency, positions = frequencies(model), np.arange(n)
    q_rotated = rotate(q, positions, frequency)
    k_rotated = rotate(k, positions, frequency)

    # Query head 0 … 3 read key/value head 0, and so on.
    keys = np.repeat(k_rotated, model.query_heads_per_kv_head, axis=0)  # (h, n, head_dim)
    values = np.repeat(v, model.query_heads_per_kv_head, axis=0)  # (h, n, head_dim)
    scores = q_rotated @ keys.transpose(0, 2, 1) / np.float32(np.sqrt(model.head_dim))  # (h, n, n)
    future = np.triu(np.ones((n, n), dtype=bool), k=1)
    weights = softmax(np.where(future, np.float32(-np.inf), scores))  # (h, n, n)
    mixed: Array = weights @ values  # (h, n, head_dim)
    heads: Array = mixed.transpose(1, 0, 2).reshape(n, -1)  # (n, h * head_dim)
    after_attention: Array = x + heads @ weight("attn_output").T  # (n, d)

    ffn_normed = rms_norm(after_attention, weight("ffn_norm"), model.epsilon)  # (n, d)
    gate = ffn_normed @ weight("ffn_gate").T  # (n, n_ff)
    up = ffn_normed @ weight("ffn_up").T  # (n, n_ff)
    product: Array = silu(gate) * up  # (n, n_ff)
    out: Array = after_attention + product @ weight("ffn_down").T  # (n, d)
    return Block(
        x=x,
        normed=normed,
        q=q,
        k=k,
        v=v,
        q_rotated=q_rotated,
        k_rotated=k_rotated,
        scores=scores,
        weights=weights,
        heads=heads,
        after_attention=after_attention,
        ffn_normed=ffn_normed,
        gate=gate,
        up=up,
        product=product,
        out=out,
    )


@functools.lru_cache(maxsize=8)
def run(model: Model, words: str) -> Forward:
    """The whole model on a text."""
    text = tokenize(model, words)
    blocks = _blocks(model, np.array(text.ids))
    return Forward(text, blocks, _logits(model, blocks[-1].out))


def logits(model: Model, tokens: NDArray[np.int32]) -> Array:
    """The logits, (n, n_vocab), of n tokens."""
    return _logits(model, _blocks(model, tokens)[-1].out)


def _blocks(model: Model, tokens: NDArray[np.int32]) -> tuple[Block, ...]:
    x: Array = model.tensors["token_embd.weight"][tokens]  # (n, d)
    blocks = []
    for layer in range(model.n_layer):
        blocks.append(block(model, layer, x))
        x = blocks[-1].out
    return tuple(blocks)


def _logits(model: Model, x: Array) -> Array:
    normed = rms_norm(x, model.tensors["output_norm.weight"], model.epsilon)  # (n, d)
    scores: Array = normed @ model.tensors["output.weight"].T  # (n, n_vocab)
    return scores
