"""A graph as ggml sees it: strides, shapes, the order of nodes, and two networks as data.

A tensor is described by ne, its dimensions from the fastest to the slowest: NumPy's shape read
backwards. A node is (name of the result, operation, [operands]), and a graph is a list of nodes.
"""

from math import sqrt

import numpy as np

Node = tuple[str, str, list[str | float]]

# Type: weights of a block, bytes of a block.
BLOCKS = {
    "F32": (1, 4),
    "F16": (1, 2),
    "Q8_0": (32, 34),
    "Q5_0": (32, 22),
    "Q4_0": (32, 18),
    "Q6_K": (256, 210),
    "Q4_K": (256, 144),
}


def nb(type_name: str, ne: list[int]) -> list[int]:
    """The four strides, in bytes, of a new tensor of this type and these four dimensions.

    nb[0] is the step from block to block, nb[1] from row to row, and so on. Raises ValueError
    where ne[0] is not a whole number of blocks.
    """
    weights, size = BLOCKS[type_name]
    if ne[0] % weights:
        raise ValueError(f"a row of {ne[0]} is not a whole number of {type_name} blocks")
    row = size * (ne[0] // weights)
    return [size, row, row * ne[1], row * ne[1] * ne[2]]


def mul_mat_ne(a: list[int], b: list[int]) -> list[int]:
    """The four dimensions of ggml_mul_mat(A, B), from those of A and B.

    Raises ValueError where ggml would stop: if ne[0] differ, or if ne[2] or ne[3] of B is no
    multiple of A's.
    """
    if a[0] != b[0]:
        raise ValueError(f"rows of {a[0]} meet rows of {b[0]}")
    if b[2] % a[2] or b[3] % a[3]:
        raise ValueError("A cannot be repeated as often as B has batches")
    return [a[1], b[1], b[2], b[3]]


def mul_mat(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What ggml_mul_mat(A, B) computes: a is (m, k) and b (n, k), and the result (n, m).

    With batches a is (g, m, k) and b (h, n, k), h a multiple of g, and the result (h, n, m).
    """
    if a.ndim == 3:
        # Neighbours share: the first h / g batches of B meet the first of A.
        a = np.repeat(a, len(b) // len(a), axis=0)  # (h, m, k)
    return b @ np.swapaxes(a, -1, -2)  # rows of B against rows of A


def execution_order(nodes: list[Node], result: str) -> list[str]:
    """The names of the nodes that `result` needs, each once and after everything it reads.

    The walk of ggml_build_forward_expand: from the result back to what it reads, depth first.
    """
    operands = {name: operands for name, _, operands in nodes}
    order: list[str] = []
    visited: set[str] = set()

    def visit(name: str | float) -> None:
        if name not in operands or name in visited:
            return  # an input, a number, or there already
        visited.add(name)
        for operand in operands[name]:
            visit(operand)
        order.append(name)

    visit(result)
    return order


def build_ffn(eps: float) -> list[Node]:
    """The second half of a llama block, as a graph whose last node is its result.

    x + down(silu(gate(y)) * up(y)) with y = RMSNorm(x). Inputs: "x", ne (d, n); "norm", the gain,
    (d,); "gate" and "up", (d, n_ff); "down", (n_ff, d). The result has the ne of x.
    """
    return [
        ("rms", "rms_norm", ["x", eps]),  # (d, n)
        ("y", "mul", ["rms", "norm"]),  # (d, n): the gain is repeated for every token
        ("gated", "mul_mat", ["gate", "y"]),  # (n_ff, n)
        ("raised", "mul_mat", ["up", "y"]),  # (n_ff, n)
        ("active", "silu", ["gated"]),  # (n_ff, n)
        ("product", "mul", ["active", "raised"]),  # (n_ff, n)
        ("lowered", "mul_mat", ["down", "product"]),  # (d, n)
        ("out", "add", ["x", "lowered"]),  # (d, n)
    ]


def build_attention(head_dim: int) -> list[Node]:
    """Attention of all heads, as a graph whose last node is its result.

    Inputs: "q", ne (head_dim, n, h); "k" and "v", (head_dim, n, h_kv); "mask", (n, n), 0 where a
    query may look and minus infinity where it may not, to be added to the scaled scores. The
    result has the ne of q.
    """
    return [
        ("dots", "mul_mat", ["k", "q"]),  # (n keys, n queries, h)
        ("scaled", "scale", ["dots", 1 / sqrt(head_dim)]),
        ("masked", "add", ["scaled", "mask"]),  # the mask is repeated for every head
        ("weights", "soft_max", ["masked"]),  # each row, one query, sums to 1
        # The sum over keys runs along ne[0] of both, so the keys must come first in v too.
        ("v_turned", "transpose", ["v"]),  # (n keys, head_dim, h_kv), and no byte has moved
        ("v_rows", "cont", ["v_turned"]),  # now they have: rows of keys lie in order
        ("out", "mul_mat", ["v_rows", "weights"]),  # (head_dim, n queries, h)
    ]
