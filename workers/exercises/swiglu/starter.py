"""The SwiGLU feed-forward network: two projections of x, one of them gating the other."""

import numpy as np


def silu(x: np.ndarray) -> np.ndarray:
    """SiLU of every element: x * sigmoid(x), in the shape of x, which may be any.

    Right for inputs of ±10,000 as well, in float64 and in float32.
    """
    raise NotImplementedError("write silu")


def swiglu(x: np.ndarray, gate: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
    """What a llama model's feed-forward network adds to n tokens.

    x is (n, d), gate and up are (n_ff, d), down is (d, n_ff); returns (n, d). No biases. Matrices
    are (outputs, inputs), as in a GGUF file read by gguf-py.
    """
    raise NotImplementedError("write swiglu")


def hidden_size(d: int, multiple: int) -> int:
    """LLaMA-1's hidden width n_ff for a model of width d.

    The whole part of two thirds of 4 * d, raised to the next multiple of `multiple` (it stays where
    it already is one).
    """
    raise NotImplementedError("write hidden_size")
