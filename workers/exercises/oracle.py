"""llama.cpp's own logits for tokens, and a forward pass into which a student's steps can be put.

The settings make llama.cpp exact: F32 weights, an F32 KV cache, no flash attention. How far a
correct forward pass in float32 may then be off, and how far the smallest mistake is, was measured:
for the teaching model it is recorded with the model (models/models.json, "logits"), for drawn
models it stands here.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workers import catalogue, forward, llama, random_model
from workers.exercises.base import Answer, Array
from workers.sandbox import Reply

TOKENS = 64
CONTEXT = 256
# The first ids are no text: unknown, beginning, end.
FIRST_TEXT_TOKEN = 3
# Of drawn models, over 200 draws of 24 tokens: a correct pass in float32 is off by at most 7.0e-6,
# and an epsilon 10 times too small changes 0.020 at least (tests/workers/exercises/test_oracle.py).
DRAWN_TOLERANCE = 5e-4


def model() -> forward.Model:
    """The teaching model, its tensors as NumPy arrays."""
    return forward.load(Path(catalogue.main_model().path))


def tolerance() -> float:
    """How far logits may be off: at least 5 times the worst correct error, recorded with the model.

    At most half of what the smallest wrong epsilon changes.
    """
    return catalogue.main_model().logits_tolerance


@contextmanager
def drawn_model(rng: np.random.Generator) -> Iterator[forward.Model]:
    """A small random model that has nothing in common with the teaching model but its kind.

    Its layers, widths, heads, epsilon and RoPE base are all other ones. Its file lives as long as
    the block.
    """
    n_head, n_head_kv = ((6, 3), (9, 3), (10, 5), (12, 4))[rng.integers(4)]
    shape = random_model.Shape(
        n_layer=int(rng.choice([2, 3, 5])),
        n_embd=n_head * int(rng.choice([8, 12, 16])),
        n_ff=int(rng.choice([80, 112, 144])),
        n_head=n_head,
        n_head_kv=n_head_kv,
        n_vocab=int(rng.integers(512, 640)),
        n_ctx=CONTEXT,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.gguf"
        random_model.write(
            path,
            shape,
            seed=int(rng.integers(2**32)),
            epsilon=float(rng.choice([1e-4, 3e-4, 1e-3])),
            rope_base=float(rng.choice([500.0, 50_000.0, 500_000.0])),
        )
        yield forward.load(path)


def draw_tokens(
    rng: np.random.Generator, count: int = TOKENS, *, of: forward.Model | None = None
) -> list[int]:
    """Random tokens of the vocabulary of a model, the teaching model unless another is named."""
    n_vocab = len((of or model()).tensors["token_embd.weight"])
    return [int(token) for token in rng.integers(FIRST_TEXT_TOKEN, n_vocab, count)]


def logits(
    tokens: list[int],
    *,
    rope_base: float = 0.0,
    rope_scale: float = 0.0,
    of: forward.Model | None = None,
) -> Array:
    """llama.cpp's logits, (n, n_vocab), for n tokens; 0 leaves RoPE as the model has it."""
    with _context(of or model(), rope_base, rope_scale) as context:
        return _decode(context, tokens, 0)


def greedy(
    tokens: list[int], count: int, *, of: forward.Model | None = None
) -> tuple[list[int], list[float]]:
    """The `count` most probable next tokens, and the lead of each over the second in logits."""
    made: list[int] = []
    leads: list[float] = []
    with _context(of or model(), 0.0, 0.0) as context:
        row = _decode(context, tokens, 0)[-1]
        for position in range(len(tokens), len(tokens) + count):
            second, first = np.sort(row)[-2:]
            made.append(int(np.argmax(row)))
            leads.append(float(first - second))
            row = _decode(context, made[-1:], position)[-1]
    return made, leads


def judge_logits(got: Array, exact: Array) -> None:
    """Raise Failure unless the logits, (n, n_vocab), are llama.cpp's to the model's tolerance."""
    answer = Answer("The forward pass with your code in it", Reply(got))
    answer.close_to(exact, atol=tolerance(), along="token")


@contextmanager
def _context(of: forward.Model, rope_base: float, rope_scale: float) -> Iterator[llama.Context]:
    with (
        llama.load(of.path) as loaded,
        llama.context(
            loaded,
            n_ctx=CONTEXT,
            n_batch=CONTEXT,
            threads=1,
            flash_attention="off",
            type_k="F32",
            type_v="F32",
            rope_freq_base=rope_base,
            rope_freq_scale=rope_scale,
        ) as context,
    ):
        yield context


def _decode(context: llama.Context, tokens: list[int], position: int) -> Array:
    batch = llama.Batch(len(tokens))
    batch.tokens[:] = tokens
    batch.positions[:] = np.arange(position, position + len(tokens))
    batch.outputs[:] = 1
    context.decode(batch)
    return context.logits(len(tokens)).copy()


@dataclass(frozen=True)
class Steps:
    """The steps of a forward pass, each to be replaced by a student's.

    rms_norm(x (n, d), weight (d,), eps) -> (n, d)
    rotate(x (heads, n, head_dim), positions (n,)) -> the same shape
    attend(q (h, n, head_dim), k and v (h_kv, n, head_dim)) -> (h, n, head_dim), causal
    feed_forward(x (n, d), gate and up (n_ff, d), down (d, n_ff)) -> (n, d)
    """

    rms_norm: Callable[[Array, Array, float], Array] = forward.rms_norm
    rotate: Callable[[Array, Array], Array] | None = None
    attend: Callable[[Array, Array, Array], Array] | None = None
    feed_forward: Callable[[Array, Array, Array, Array], Array] | None = None


def forward_with(tokens: list[int], steps: Steps, *, of: forward.Model | None = None) -> Array:
    """The logits, (n, n_vocab), of a model with some of its steps replaced.

    It is the teaching model unless another is named.
    """
    m = of or model()
    x: Array = m.tensors["token_embd.weight"][tokens]  # (n, d)
    for layer in range(m.n_layer):
        x = block_with(x, layer, steps, of=m)
    normed = steps.rms_norm(x, m.tensors["output_norm.weight"], m.epsilon)
    return np.asarray(normed @ m.tensors["output.weight"].T)


def block_with(x: Array, layer: int, steps: Steps, *, of: forward.Model | None = None) -> Array:
    """The hidden state that leaves one block, (n, d), with some of the block's steps replaced."""
    m = of or model()
    weight = {
        name.removeprefix(f"blk.{layer}.").removesuffix(".weight"): tensor
        for name, tensor in m.tensors.items()
        if name.startswith(f"blk.{layer}.")
    }
    frequency, positions = forward.frequencies(m), np.arange(len(x))
    rotate = steps.rotate or (lambda x, at: forward.rotate(x, at, frequency))
    attend, feed_forward = steps.attend or _attend, steps.feed_forward or _feed_forward
    normed = steps.rms_norm(x, weight["attn_norm"], m.epsilon)  # (n, d)
    q = forward.in_heads(normed @ weight["attn_q"].T, m.n_head)  # (h, n, head_dim)
    k = forward.in_heads(normed @ weight["attn_k"].T, m.n_head_kv)  # (h_kv, n, head_dim)
    v = forward.in_heads(normed @ weight["attn_v"].T, m.n_head_kv)  # (h_kv, n, head_dim)
    mixed = attend(rotate(q, positions), rotate(k, positions), v)  # (h, n, head_dim)
    heads = mixed.transpose(1, 0, 2).reshape(len(x), -1)  # (n, h * head_dim)
    x = x + heads @ weight["attn_output"].T  # (n, d)
    normed = steps.rms_norm(x, weight["ffn_norm"], m.epsilon)  # (n, d)
    added = feed_forward(normed, weight["ffn_gate"], weight["ffn_up"], weight["ffn_down"])
    return np.asarray(x + added)


def _attend(q: Array, k: Array, v: Array) -> Array:
    share = len(q) // len(k)
    keys, values = np.repeat(k, share, axis=0), np.repeat(v, share, axis=0)
    scores = q @ keys.transpose(0, 2, 1) / np.float32(np.sqrt(q.shape[-1]))  # (h, n, n)
    future = np.triu(np.ones(scores.shape[1:], dtype=bool), k=1)
    return np.asarray(forward.softmax(np.where(future, np.float32(-np.inf), scores)) @ values)


def _feed_forward(x: Array, gate: Array, up: Array, down: Array) -> Array:
    return np.asarray((forward.silu(x @ gate.T) * (x @ up.T)) @ down.T)
