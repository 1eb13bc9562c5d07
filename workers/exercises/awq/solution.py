"""AWQ and importance matrices: two ways to spend precision where activations are large."""

import numpy as np


def _rounded(w: np.ndarray, group: int = 32) -> np.ndarray:
    """w, (m, d), after rounding to 4 bits with a step for each `group` columns of a row: (m, d).

    Given: nothing is to be written here.
    """
    groups = w.reshape(len(w), -1, group)
    steps = np.max(np.abs(groups), axis=-1, keepdims=True) / 7
    codes = np.clip(np.round(groups / np.maximum(steps, 1e-30)), -8, 7)
    return (codes * steps).reshape(w.shape)


def importance(x: np.ndarray) -> np.ndarray:
    """How much errors in each input column count: the mean square of x, (n, d), over tokens: (d,).

    One such row for each matrix is what llama.cpp calls an importance matrix.
    """
    return np.mean(x**2, axis=0)


def channel_scales(x: np.ndarray, alpha: float) -> np.ndarray:
    """AWQ's scale of each input channel of x, (n, d): (mean |x|)^alpha, but at least 1e-4: (d,)."""
    loudness = np.mean(np.abs(x), axis=0)  # (d,)
    # A channel that is silent in all of x would get the scale 0, by which nothing can be divided.
    return np.maximum(loudness**alpha, 1e-4)


def scaled(w: np.ndarray, x: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights, (m, d), and activations, (n, d), after scaling by s, (d,); the product stays."""
    return w * s, x / s


def search(w: np.ndarray, x: np.ndarray, alphas: np.ndarray) -> tuple[float, np.ndarray]:
    """Try every alpha for w, (m, d), and keep the one whose output on x, (n, d), is nearest.

    Returns that alpha, and the weights, (m, d), that rounding leaves with it, for activations that
    are not scaled.
    """
    exact = x @ w.T  # (n, m)
    least, best = np.inf, (0.0, w)
    for alpha in alphas:
        s = channel_scales(x, alpha)  # (d,)
        larger, _ = scaled(w, x, s)
        # Dividing the weights again is as good as dividing the activations.
        restored = _rounded(larger) / s  # (m, d)
        error = np.sum((x @ restored.T - exact) ** 2)
        if error < least:
            least, best = error, (float(alpha), restored)
    return best
