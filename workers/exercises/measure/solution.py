"""What a quantization costs: in predictions, in bytes, and in time, each with its noise."""

import numpy as np


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """ln of the probabilities, of the same shape, in float64."""
    logits = logits.astype(np.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)  # so that no exp is above 1
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def perplexity(logits: np.ndarray, targets: np.ndarray) -> float:
    """exp of the mean surprise -ln p of the tokens that really came.

    logits is (n, n_vocab), one row for each position, and targets (n,), the id of the token that
    followed each. Logits may be float32 and of any size; a constant added to a row changes nothing.
    """
    surprise = -_log_softmax(logits)[np.arange(len(targets)), targets]  # (n,)
    return float(np.exp(surprise.mean()))


def kl(p_logits: np.ndarray, q_logits: np.ndarray) -> tuple[float, float]:
    """The KL divergence of the quantized model's distributions from the original's, in nats.

    p_logits, of the original, and q_logits, of the quantized model, are (n, n_vocab), for the same
    n positions. Returns the mean over positions and its standard error, from the n values.
    """
    log_p, log_q = _log_softmax(p_logits), _log_softmax(q_logits)
    # Both see the same position, so what makes it hard cancels in each difference.
    divergence = np.sum(np.exp(log_p) * (log_p - log_q), axis=-1)  # (n,)
    error = divergence.std(ddof=1) / np.sqrt(len(divergence))
    return float(divergence.mean()), float(error)


def bits_per_weight(file_bytes: int, parameters: int) -> float:
    """Bits of a file for each of the model's parameters."""
    return 8 * file_bytes / parameters


def faster(a: list[float], b: list[float]) -> str:
    """Which of two settings is faster: "a", "b" or "no difference".

    a and b are the seconds of runs that took turns: a[0], b[0], a[1], b[1], … They differ if the
    median of the differences a[i] - b[i] is further from zero than those differences spread, which
    is their 75th percentile less their 25th.
    """
    difference = np.array(a) - np.array(b)  # a drift of the machine hits both runs of a pair
    low, middle, high = np.percentile(difference, [25, 50, 75])
    if abs(middle) <= high - low:
        return "no difference"
    return "b" if middle > 0 else "a"  # the longer time is the slower
