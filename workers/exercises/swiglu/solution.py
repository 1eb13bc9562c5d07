"""The SwiGLU feed-forward network: two projections of x, one of them gating the other."""

import numpy as np


def silu(x: np.ndarray) -> np.ndarray:
    """SiLU of every element: x * sigmoid(x), in the shape of x, which may be any.

    Right for inputs of ±10,000 as well, in float64 and in float32.
    """
    # exp(-|x|) is at most 1, so it never overflows. sigmoid(x) is 1 / (1 + exp(-x)); for negative x
    # the same fraction, widened by exp(x), is exp(x) / (1 + exp(x)).
    small = np.exp(-np.abs(x))
    return x * np.where(x >= 0, 1, small) / (1 + small)


def swiglu(x: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """What a llama model's feed-forward network adds to n tokens.

    x is (n, d), gate and up are (n_ff, d), down is (d, n_ff); returns (n, d). No biases. Matrices
    are (outputs, inputs), as in a GGUF file read by gguf-py.

    Shazeer 2020, "GLU Variants Improve Transformer", equation 6: (Swish(xW) * xV) W2.
    """
    opened = silu(x @ gate.T)  # (n, n_ff)  how far each hidden unit is open
    passed = x @ up.T  # (n, n_ff)  what wants to go through it
    return (opened * passed) @ down.T  # (n, d)


def hidden_size(d: int, multiple: int) -> int:
    """LLaMA-1's hidden width n_ff for a model of width d.

    The whole part of two thirds of 4 * d, raised to the next multiple of `multiple` (it stays where
    it already is one).
    """
    # Three matrices of this width hold as many weights as two of width 4 * d.
    ideal = 8 * d // 3
    # One short of another multiple, so that the division, which rounds down, rounds up.
    return (ideal + multiple - 1) // multiple * multiple
