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
    raise NotImplementedError("write importance")


def channel_scales(x: np.ndarray, alpha: float) -> np.ndarray:
    """AWQ's scale of each input channel of x, (n, d): (mean |x|)^alpha, but at least 1e-4: (d,)."""
    raise NotImplementedError("write channel_scales")


def scaled(w: np.ndarray, x: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights, (m, d), and activations, (n, d), after scaling by s, (d,); the product stays."""
    raise NotImplementedError("write scaled")


def search(w: np.ndarray, x: np.ndarray, alphas: np.ndarray) -> tuple[float, np.ndarray]:
    """Try every alpha for w, (m, d), and keep the one whose output on x, (n, d), is nearest.

    Returns that alpha, and the weights, (m, d), that rounding leaves with it, for activations that
    are not scaled.
    """
    raise NotImplementedError("write search")
