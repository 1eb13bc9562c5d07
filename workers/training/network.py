# mypy: disable-error-code="import-not-found, misc, no-any-return"
"""The network: a small llama, written in the order in which a reader of the paper meets it.

Symbols in shape comments: B sequences, T tokens, D = n_embd, H query heads, G key/value heads,
K = head size, F = n_ff, V = vocabulary.

Sources: Touvron et al. 2023 (LLaMA), Zhang and Sennrich 2019 (RMSNorm), Shazeer 2020 (SwiGLU),
Su et al. 2021 (RoPE), Ainslie et al. 2023 (grouped queries).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The hyper-parameters of a llama."""

    n_layer: int
    n_embd: int
    n_ff: int
    n_head: int
    n_head_kv: int
    n_vocab: int
    n_ctx: int = 1024
    rms_eps: float = 1e-5
    rope_base: float = 10_000.0

    @property
    def head_size(self) -> int:
        """K: the components of one head's query, key or value."""
        return self.n_embd // self.n_head


class RMSNorm(nn.Module):
    """x / rms(x) * weight, over the last dimension."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) -> (…, D), in float32."""
        return functional.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)


def rotations(shape: Shape) -> Tensor:
    """cos and sin of position * base^(-2i/K) for each pair i: (2, n_ctx, K/2)."""
    pair = torch.arange(0, shape.head_size, 2, dtype=torch.float64)
    frequency = shape.rope_base ** (-pair / shape.head_size)  # (K/2)
    angle = torch.outer(torch.arange(shape.n_ctx, dtype=torch.float64), frequency)  # (n_ctx, K/2)
    return torch.stack([angle.cos(), angle.sin()]).float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE in llama.cpp's NORM layout, where components 2i and 2i+1 are a pair: (B, T, H, K)."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)  # (B, T, H, K/2) each
    cos, sin = cos[:, None, :], sin[:, None, :]  # (T, 1, K/2)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class Attention(nn.Module):
    """Causal attention; H / G query heads share each key and value head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv_size = shape.n_head_kv * shape.head_size
        self.q = nn.Linear(shape.n_embd, shape.n_embd, bias=False)
        self.k = nn.Linear(shape.n_embd, kv_size, bias=False)
        self.v = nn.Linear(shape.n_embd, kv_size, bias=False)
        self.output = nn.Linear(shape.n_embd, shape.n_embd, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        size = self.shape.head_size
        values = self.v(x).unflatten(-1, (-1, size))  # (B, T, G, K)
        queries = rotate(self.q(x).unflatten(-1, (-1, size)), cos, sin).to(values.dtype)
        keys = rotate(self.k(x).unflatten(-1, (-1, size)), cos, sin).to(values.dtype)
        repeats = self.shape.n_head // self.shape.n_head_kv
        attended = functional.scaled_dot_product_attention(
            queries.transpose(1, 2),  # (B, H, T, K)
            keys.repeat_interleave(repeats, dim=2).transpose(1, 2),
            values.repeat_interleave(repeats, dim=2).transpose(1, 2),
            is_causal=True,
        )
        return self.output(attended.transpose(1, 2).flatten(-2))


class FeedForward(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x))."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate = nn.Linear(shape.n_embd, shape.n_ff, bias=False)
        self.up = nn.Linear(shape.n_embd, shape.n_ff, bias=False)
        self.down = nn.Linear(shape.n_ff, shape.n_embd, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D), by way of (B, T, F)."""
        return self.down(functional.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """One layer: attention and feed-forward, each behind its norm and beside a residual."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attn_norm = RMSNorm(shape.n_embd, shape.rms_eps)
        self.attn = Attention(shape)
        self.ffn_norm = RMSNorm(shape.n_embd, shape.rms_eps)
        self.ffn = FeedForward(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = x + self.attn(self.attn_norm(x), cos, sin)
        return x + self.ffn(self.ffn_norm(x))


class Llama(nn.Module):
    """Token ids in, logits of the next token out."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.n_vocab, shape.n_embd)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.n_layer))
        self.output_norm = RMSNorm(shape.n_embd, shape.rms_eps)
        self.output = nn.Linear(shape.n_embd, shape.n_vocab, bias=False)
        self.register_buffer("rotations", rotations(shape), persistent=False)

    def initialise(self, *, seed: int) -> None:
        """Normal weights of deviation 0.02; those that write to the residual stream, smaller."""
        generator = torch.Generator().manual_seed(seed)
        into_stream = 0.02 / (2 * self.shape.n_layer) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                writes = name.endswith(("attn.output.weight", "ffn.down.weight"))
                deviation = into_stream if writes else 0.02
                nn.init.normal_(parameter, std=deviation, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        cos, sin = self.rotations[:, : tokens.shape[1]]  # (T, K/2) each
        x = self.token_embd(tokens)  # (B, T, D)
        for block in self.blk:
            x = block(x, cos, sin)
        return self.output(self.output_norm(x))
