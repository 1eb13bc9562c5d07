"""RoPE: turn the pairs of a query or key by angles that grow with the position."""

import numpy as np


def rope(
    x: np.ndarray, positions: np.ndarray, base: float, layout: str, scale: float
) -> np.ndarray:
    """Rotate the queries or keys x, (heads, n, head_dim), each token by its position.

    Su et al. 2021, "RoFormer", equations 14 and 15; the layouts are ggml's GGML_ROPE_TYPE_NORMAL
    and GGML_ROPE_TYPE_NEOX.
    """
    head_dim = x.shape[-1]
    pair = np.arange(head_dim // 2)
    theta = base ** (-2 * pair / head_dim)  # (head_dim / 2,), radians a token
    angle = (positions * scale)[:, None] * theta  # (n, head_dim / 2)
    cos, sin = np.cos(angle), np.sin(angle)

    # Where the components of all pairs lie in a head.
    if layout == "norm":
        first, second = 2 * pair, 2 * pair + 1
    elif layout == "neox":
        first, second = pair, pair + head_dim // 2
    else:
        raise ValueError(f"there is no layout {layout!r}")

    a, b = x[..., first], x[..., second]  # (heads, n, head_dim / 2)
    turned = np.empty_like(x)
    turned[..., first] = a * cos - b * sin
    turned[..., second] = a * sin + b * cos
    return turned
