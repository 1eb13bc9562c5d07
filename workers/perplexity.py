"""The kind `perplexity`: how a text surprises a model, and how far it is from a base model."""

import math
import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from workers import llama
from workers.errors import BadRequestError, EngineError
from workers.estimates import RunningMean, mean, paired_difference, share
from workers.events import Event, Phase, Point, Progress
from workers.llama import Context, Model, Tokens
from workers.scoring import (
    Chunking,
    ComparedScores,
    TokenScores,
    chunk_logits,
    compare,
    concatenate,
    score,
    targets_of,
)

RANGES = {"n_ctx": (16, 131_072), "chunks": (0, 1_000_000), "n_batch": (16, 131_072)}


@dataclass(frozen=True, kw_only=True)
class MeasurePerplexity:
    """Score `model` on the file `text` in `chunks` chunks of `n_ctx` tokens; 0 takes all of them.

    With `base_model`, also the KL divergence from its distributions. `n_batch` tokens are decoded
    together; `threads` 0 means all cores.
    """

    model: str
    text: str
    n_ctx: int = 512
    chunks: int = 0
    base_model: str | None = None
    n_batch: int = 2048
    threads: int = 0

    def __post_init__(self) -> None:
        llama.check_threads(self.threads)
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise BadRequestError(
                    f"{name} must lie between {low} and {high}, not {getattr(self, name)}."
                )


@dataclass(frozen=True)
class ChunkScores:
    """Means over the scored tokens of one chunk, for comparisons chunk by chunk."""

    nll: float
    base_nll: float | None = None
    kl: float | None = None
    same_top: float | None = None


@dataclass(frozen=True)
class Perplexity:
    """perplexity = exp(mean -ln p), with standard errors from token to token.

    `tokens` counts scored tokens. `log_ratio` is ln(perplexity / base perplexity), its error
    paired token by token. KL divergence is in nats; agreement is a share of the tokens. `seconds`
    is decoding and scoring, without loading.
    """

    perplexity: float
    stderr: float
    tokens: int
    chunks: int
    n_ctx: int
    mean_nll: float
    nll_stderr: float
    load_seconds: float
    seconds: float
    by_chunk: tuple[ChunkScores, ...]
    base_perplexity: float | None = None
    base_stderr: float | None = None
    log_ratio: float | None = None
    log_ratio_stderr: float | None = None
    kl_mean: float | None = None
    kl_stderr: float | None = None
    kl_median: float | None = None
    kl_99: float | None = None  # 99 of 100 tokens have less
    top1_agreement: float | None = None
    top1_stderr: float | None = None


def perplexity(request: MeasurePerplexity) -> Generator[Event, None, Perplexity]:
    """Measure, with the running value as points after each chunk."""
    result, _ = yield from measure(request)
    return result


def measure(
    request: MeasurePerplexity, *, label: str = ""
) -> Generator[Event, None, tuple[Perplexity, TokenScores]]:
    """The same, with the scores of every token for paired comparisons.

    `label` is put behind the names of the series: "kl Q4_K_M".
    """
    text = read_text(Path(request.text))
    yield Phase("Loading the model")
    started = time.perf_counter()
    with ExitStack() as stack:
        model = stack.enter_context(llama.load(Path(request.model)))
        tokens = model.tokenize(text, special=True)
        chunking = chunking_of(request, len(tokens))
        context = stack.enter_context(_context(model, chunking, request.threads))
        base = None
        if request.base_model is not None:
            base_model = stack.enter_context(llama.load(Path(request.base_model)))
            _check_same_vocabulary(model, base_model, tokens, text)
            base = stack.enter_context(_context(base_model, chunking, request.threads))
        loaded = time.perf_counter()
        yield Phase(f"Scoring {chunking.n_chunks * chunking.scored} tokens")
        parts: list[TokenScores] = []
        nll, kl = RunningMean(), RunningMean()
        base_chunks = chunk_logits(base, tokens, chunking) if base else None
        for chunk, logits in chunk_logits(context, tokens, chunking):
            targets = targets_of(tokens, chunking, chunk)
            if base_chunks is None:
                parts.append(score(logits, targets))
            else:
                _, base_logits = next(base_chunks)
                parts.append(compare(logits, base_logits, targets))
            yield from _points(parts[-1], nll, kl, label)
            yield Progress(chunk + 1, chunking.n_chunks, "chunks")
        seconds = time.perf_counter() - loaded
    scores = concatenate(parts)
    return summary(scores, parts, chunking, loaded - started, seconds), scores


def read_text(path: Path) -> str:
    """The text of a file without its last line break, as llama.cpp's tools read it."""
    try:
        return path.read_bytes().removesuffix(b"\n").decode()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadRequestError(f"{path.name} cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        raise BadRequestError(f"{path.name} is no UTF-8 text.") from error


def chunking_of(request: MeasurePerplexity, n_tokens: int) -> Chunking:
    """The chunks that the request asks for, or BadRequestError where the text is too short."""
    available = n_tokens // request.n_ctx
    wanted = request.chunks or available
    if available < 2 or wanted > available:
        raise BadRequestError(
            f"The text has {n_tokens} tokens, enough for {available} chunks of {request.n_ctx}; "
            f"{max(2, wanted)} are needed."
        )
    return Chunking(request.n_ctx, wanted, request.n_batch)


def _context(model: Model, chunking: Chunking, threads: int) -> AbstractContextManager[Context]:
    n_ctx = chunking.n_seq * chunking.n_ctx
    return llama.context(
        model,
        n_ctx=n_ctx,
        n_batch=min(chunking.n_batch, n_ctx),
        n_seq_max=chunking.n_seq,
        threads=threads,
    )


def _check_same_vocabulary(model: Model, base: Model, tokens: Tokens, text: str) -> None:
    same_size = model.n_vocab == base.n_vocab
    if not same_size or not np.array_equal(base.tokenize(text, special=True), tokens):
        raise BadRequestError("The model and the base model do not have the same vocabulary.")


def _points(
    part: TokenScores, nll: RunningMean, kl: RunningMean, label: str
) -> Generator[Event, None, None]:
    """The values with this chunk, each with a band of one standard error, against tokens."""
    now = nll.add(part.nll)
    low, middle, high = (math.exp(now.mean + errors * now.stderr) for errors in (-1, 0, 1))
    yield Point(f"perplexity {label}".strip(), now.n, middle, low, high)
    if isinstance(part, ComparedScores):
        now = kl.add(part.kl)
        yield Point(
            f"kl {label}".strip(), now.n, now.mean, now.mean - now.stderr, now.mean + now.stderr
        )


def summary(
    scores: TokenScores,
    parts: list[TokenScores],
    chunking: Chunking,
    load_seconds: float,
    seconds: float,
) -> Perplexity:
    """All that is said of a model from the scores of its tokens."""
    nll = mean(scores.nll)
    if not math.isfinite(nll.mean):
        raise EngineError("The model's logits are not finite, so it has no perplexity.")
    result = Perplexity(
        perplexity=math.exp(nll.mean),
        stderr=math.exp(nll.mean) * nll.stderr,
        tokens=nll.n,
        chunks=chunking.n_chunks,
        n_ctx=chunking.n_ctx,
        mean_nll=nll.mean,
        nll_stderr=nll.stderr,
        load_seconds=load_seconds,
        seconds=seconds,
        by_chunk=tuple(_chunk_scores(part) for part in parts),
    )
    if not isinstance(scores, ComparedScores):
        return result
    base, kl, top1 = mean(scores.base_nll), mean(scores.kl), share(scores.same_top)
    log_ratio = paired_difference(scores.nll, scores.base_nll)
    return replace(
        result,
        base_perplexity=math.exp(base.mean),
        base_stderr=math.exp(base.mean) * base.stderr,
        log_ratio=log_ratio.mean,
        log_ratio_stderr=log_ratio.stderr,
        kl_mean=kl.mean,
        kl_stderr=kl.stderr,
        kl_median=float(np.median(scores.kl)),
        kl_99=float(np.quantile(scores.kl, 0.99)),
        top1_agreement=top1.mean,
        top1_stderr=top1.stderr,
    )


def _chunk_scores(part: TokenScores) -> ChunkScores:
    if not isinstance(part, ComparedScores):
        return ChunkScores(float(part.nll.mean()))
    return ChunkScores(
        nll=float(part.nll.mean()),
        base_nll=float(part.base_nll.mean()),
        kl=float(part.kl.mean()),
        same_top=float(part.same_top.mean()),
    )
