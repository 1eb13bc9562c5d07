"""Whether two models' losses differ for certain, judged on the same tokens."""

from dataclasses import dataclass

from workers.estimates import CLEAR, Estimate, Values, mean, paired_difference
from workers.scoring import ComparedScores


@dataclass(frozen=True)
class Difference:
    """The mean of a paired difference with its standard error two ways.

    By token takes every token as independent, as llama-perplexity does. By chunk takes only chunks
    as independent; it is larger where neighbouring tokens go wrong together. `clear`: the mean is
    further from zero than three of the larger one.
    """

    mean: float
    stderr: float
    stderr_by_chunk: float
    clear: bool


@dataclass(frozen=True)
class Comparison:
    """`second` minus `first`: in KL divergence from the base (nats) and in ln(perplexity)."""

    first: str
    second: str
    kl: Difference
    log_perplexity: Difference


def compare_on_same_tokens(
    first: str,
    first_scores: ComparedScores,
    second: str,
    second_scores: ComparedScores,
    *,
    chunks: int,
) -> Comparison:
    """Compare two models that were scored on the same chunks against the same base."""
    return Comparison(
        first=first,
        second=second,
        kl=difference(second_scores.kl, first_scores.kl, chunks=chunks),
        log_perplexity=difference(second_scores.nll, first_scores.nll, chunks=chunks),
    )


def difference(values: Values, others: Values, *, chunks: int) -> Difference:
    """values - others token by token, both (chunks x tokens of a chunk,) in the text's order."""
    by_token = paired_difference(values, others)
    chunk_error = by_chunk(values - others, chunks=chunks).stderr
    return Difference(
        mean=by_token.mean,
        stderr=by_token.stderr,
        stderr_by_chunk=chunk_error,
        clear=abs(by_token.mean) > CLEAR * max(by_token.stderr, chunk_error),
    )


def by_chunk(values: Values, *, chunks: int) -> Estimate:
    """The mean over chunks of each chunk's mean."""
    return mean(values.reshape(chunks, -1).mean(axis=1))
