"""RoPE: turn the pairs of a query or key by angles that grow with the position."""

import numpy as np


def rope(
    x: np.ndarray, positions: np.ndarray, base: float, layout: str, scale: float
) -> np.ndarray:
    """Rotate the queries or keys x, (heads, n, head_dim) float64 or float32; head_dim is even.

    positions, (n,) integers, has the position of each token; they may begin anywhere and be in any
    order. Pair i, counted from 0, turns by position * scale * base**(-2i / head_dim) radians, from
    its first component towards its second. scale is the frequency scale: at 0.5 every angle is half
    as large.

    layout says which components form pair i: "norm" takes 2i and 2i + 1, as llama files want it;
    "neox" takes i and i + head_dim / 2. Each component stays in its place.

    The result has the shape of x. Angles are computed in float64, also where x is float32.
    """
    raise NotImplementedError("write rope")
