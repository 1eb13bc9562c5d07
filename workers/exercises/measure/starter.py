"""What a quantization costs: in predictions, in bytes, and in time, each with its noise."""

import numpy as np


def perplexity(logits: np.ndarray, targets: np.ndarray) -> float:
    """exp of the mean surprise -ln p of the tokens that really came.

    logits is (n, n_vocab), one row for each position, and targets (n,), the id of the token that
    followed each. Logits may be float32 and of any size; a constant added to a row changes nothing.
    """
    raise NotImplementedError("write perplexity")


def kl(p_logits: np.ndarray, q_logits: np.ndarray) -> tuple[float, float]:
    """The KL divergence of the quantized model's distributions from the original's, in nats.

    p_logits, of the original, and q_logits, of the quantized model, are (n, n_vocab), for the same
    n positions. Returns the mean over positions and its standard error, from the n values.
    """
    raise NotImplementedError("write kl")


def bits_per_weight(file_bytes: int, parameters: int) -> float:
    """Bits of a file for each of the model's parameters."""
    raise NotImplementedError("write bits_per_weight")


def faster(a: list[float], b: list[float]) -> str:
    """Which of two settings is faster: "a", "b" or "no difference".

    a and b are the seconds of runs that took turns: a[0], b[0], a[1], b[1], … They differ if the
    median of the differences a[i] - b[i] is further from zero than those differences spread, which
    is their 75th percentile less their 25th.
    """
    raise NotImplementedError("write faster")
