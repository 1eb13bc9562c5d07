"""How well a model predicts a text, token by token, chunked as llama-perplexity does it.

The text is cut into chunks of n_ctx tokens, the first token of each replaced by BOS. Only the
second half of a chunk is scored, so that every scored token has at least n_ctx / 2 before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workers.estimates import Values
from workers.llama import Batch, Context, Logits, Tokens


@dataclass(frozen=True)
class TokenScores:
    """One value a scored token, (tokens,): `nll` is -ln p(token)."""

    nll: Values


@dataclass(frozen=True)
class ComparedScores(TokenScores):
    """Scores beside those of a base model on the same tokens, each (tokens,).

    `kl` is the Kullback-Leibler divergence of the model's distribution from the base's, the sum of
    p_base (ln p_base - ln p), in nats. `same_top` is 1 where both have the same top token.
    """

    base_nll: Values
    kl: Values
    same_top: Values


Scores = TypeVar("Scores", bound=TokenScores)


def score(logits: Logits, targets: Tokens) -> TokenScores:
    """Scores from logits (tokens, n_vocab) and the tokens that really came next (tokens,)."""
    highest = logits.max(axis=-1, keepdims=True)  # (tokens, 1)
    sums = np.exp(logits - highest).sum(axis=-1, dtype=np.float64)  # (tokens,)
    reached = np.take_along_axis(logits, targets[:, None], axis=-1)  # (tokens, 1)
    return TokenScores(nll=np.log(sums) - (reached - highest)[:, 0].astype(np.float64))


def compare(logits: Logits, base_logits: Logits, targets: Tokens) -> ComparedScores:
    """Scores of a model against a base on the same tokens, in double precision."""
    log_p_base = log_softmax(base_logits)  # (tokens, n_vocab)
    log_p = log_softmax(logits)
    here = targets[:, None]
    return ComparedScores(
        nll=-np.take_along_axis(log_p, here, axis=-1)[:, 0],
        base_nll=-np.take_along_axis(log_p_base, here, axis=-1)[:, 0],
        kl=(np.exp(log_p_base) * (log_p_base - log_p)).sum(axis=-1),
        same_top=(log_p.argmax(axis=-1) == log_p_base.argmax(axis=-1)).astype(np.float64),
    )


def log_softmax(logits: Logits) -> NDArray[np.float64]:
    """Natural logarithms of the probabilities, the same shape; the last axis is the vocabulary."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normalised


def concatenate(parts: list[Scores]) -> Scores:
    """The scores of several chunks as one."""
    kind = type(parts[0])
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(kind)
    }
    return kind(**columns)


@dataclass(frozen=True)
class Chunking:
    """`n_chunks` chunks of `n_ctx` tokens, as many at once as fit into a batch."""

    n_ctx: int
    n_chunks: int
    n_batch: int = 2048

    @property
    def n_seq(self) -> int:
        """Chunks decoded together, each a sequence of its own."""
        return max(1, self.n_batch // self.n_ctx)

    @property
    def batch_tokens(self) -> int:
        """Tokens of a chunk in one batch: all of them, unless a chunk is longer than a batch."""
        return min(self.n_batch, self.n_ctx)

    @property
    def first(self) -> int:
        """The first position whose logits are scored."""
        return self.n_ctx // 2

    @property
    def scored(self) -> int:
        """Tokens scored in a chunk."""
        return self.n_ctx - 1 - self.first


def chunk_logits(
    context: Context, tokens: Tokens, chunking: Chunking
) -> Iterator[tuple[int, Logits]]:
    """Number and logits (scored, n_vocab) of one chunk after the other.

    The logits are a view into the context: score them before asking for the next chunk.
    """
    for begin in range(0, chunking.n_chunks, chunking.n_seq):
        n_seq = min(chunking.n_seq, chunking.n_chunks - begin)
        logits = _decode(context, tokens, chunking, begin, n_seq)  # (n_seq, n_ctx - first, n_vocab)
        for sequence in range(n_seq):
            # The last position predicts a token outside the chunk.
            yield begin + sequence, logits[sequence, :-1]


def _decode(context: Context, tokens: Tokens, chunking: Chunking, begin: int, n_seq: int) -> Logits:
    """Logits of the second halves of `n_seq` chunks from number `begin` on."""
    n_ctx, first = chunking.n_ctx, chunking.first
    chunks = tokens[begin * n_ctx : (begin + n_seq) * n_ctx].reshape(n_seq, n_ctx).copy()
    if context.model.adds_bos:
        chunks[:, 0] = context.model.bos
    context.clear()
    parts = []
    for start in range(0, n_ctx, chunking.batch_tokens):
        part = chunks[:, start : start + chunking.batch_tokens]  # (n_seq, tokens of this batch)
        positions = np.broadcast_to(np.arange(start, start + part.shape[1]), part.shape)
        batch = Batch(part.size)
        batch.tokens[:] = part.ravel()
        batch.positions[:] = positions.ravel()
        batch.sequences[:] = np.repeat(np.arange(n_seq), part.shape[1])
        batch.outputs[:] = positions.ravel() >= first
        context.decode(batch)
        if wanted := int(batch.outputs.sum()):
            parts.append(context.logits(wanted))
            if n_ctx > chunking.batch_tokens:
                parts[-1] = parts[-1].copy()  # the next batch of this chunk overwrites them
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return rows.reshape(n_seq, n_ctx - first, context.model.n_vocab)


def targets_of(tokens: Tokens, chunking: Chunking, chunk: int) -> Tokens:
    """The tokens that the scored positions of a chunk should have predicted, (scored,)."""
    begin = chunk * chunking.n_ctx
    return tokens[begin + chunking.first + 1 : begin + chunking.n_ctx]
