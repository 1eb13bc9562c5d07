"""Means of measured values with their standard errors, single and paired."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# A difference counts as real from this many standard errors on.
CLEAR = 3.0


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` values and its standard error, in the values' unit."""

    mean: float
    stderr: float
    n: int

    @property
    def clear(self) -> bool:
        """Whether the mean is further from zero than three standard errors."""
        return abs(self.mean) > CLEAR * self.stderr


def mean(values: Values) -> Estimate:
    """The mean of values taken as independent: stderr = sqrt((⟨v²⟩ - ⟨v⟩²) / (n - 1)).

    llama-perplexity uses the same formula. Tokens of one chunk are not quite independent, so the
    true error is somewhat larger.
    """
    n = len(values)
    average = float(values.mean())
    variance = float(((values - average) ** 2).mean())
    return Estimate(average, sqrt(variance / (n - 1)) if n > 1 else 0.0, n)


class RunningMean:
    """The mean of values that come in portions, and its standard error so far."""

    def __init__(self) -> None:
        self.n = 0
        self.total = 0.0
        self.squares = 0.0

    def add(self, values: Values) -> Estimate:
        """Take more values; the estimate over all so far."""
        self.n += len(values)
        self.total += float(values.sum())
        self.squares += float((values**2).sum())
        average = self.total / self.n
        variance = max(0.0, self.squares / self.n - average**2)
        return Estimate(average, sqrt(variance / (self.n - 1)) if self.n > 1 else 0.0, self.n)


def paired_difference(first: Values, second: Values) -> Estimate:
    """The mean of first - second, value by value on the same tokens.

    What makes a token hard is hard for both models and cancels, so this error is much smaller
    than that of two separate means.
    """
    return mean(first - second)


def share(hits: Values) -> Estimate:
    """The share of ones among zeros and ones, with the binomial error sqrt(p (1 - p) / (n - 1))."""
    return mean(hits.astype(np.float64))
