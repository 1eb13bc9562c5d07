"""A graph as ggml sees it: strides, shapes, the order of nodes, and two networks as data.

There is no ggml in here. A tensor is described by ne, its dimensions from the fastest to the
slowest: four whole numbers, so that NumPy's shape is ne read backwards. A node is a tuple

    (name of the result, operation, [operands])

and a graph is a list of nodes. Operands are names of tensors, inputs or nodes, and after them a
number where the operation has one:

    ("y", "mul_mat", ["weight", "x"])    also "add", "mul": two tensors
    ("y", "scale", ["x", 0.5])           also "rms_norm", with eps: one tensor and a number
    ("y", "silu", ["x"])                 also "soft_max", "transpose", "cont": one tensor

"add" and "mul" repeat their second operand until it is as large as the first. "rms_norm" and
"soft_max" work on each row, along ne[0].
"""

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
    raise NotImplementedError("write nb")


def mul_mat_ne(a: list[int], b: list[int]) -> list[int]:
    """The four dimensions of ggml_mul_mat(A, B), from those of A and B.

    Raises ValueError where ggml would stop: if ne[0] differ, or if ne[2] or ne[3] of B is no
    multiple of A's.
    """
    raise NotImplementedError("write mul_mat_ne")


def mul_mat(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What ggml_mul_mat(A, B) computes: a is (m, k) and b (n, k), and the result (n, m).

    With batches a is (g, m, k) and b (h, n, k), h a multiple of g, and the result (h, n, m).
    """
    raise NotImplementedError("write mul_mat")


def execution_order(nodes: list[Node], result: str) -> list[str]:
    """The names of the nodes that `result` needs, each once and after everything it reads.

    `nodes` come in any order. A name that no node has is an input, and needs no computing.
    """
    raise NotImplementedError("write execution_order")


def build_ffn(eps: float) -> list[Node]:
    """The second half of a llama block, as a graph whose last node is its result.

    x + down(silu(gate(y)) * up(y)) with y = RMSNorm(x). Inputs: "x", ne (d, n); "norm", the gain,
    (d,); "gate" and "up", (d, n_ff); "down", (n_ff, d). The result has the ne of x.
    """
    raise NotImplementedError("write build_ffn")


def build_attention(head_dim: int) -> list[Node]:
    """Attention of all heads, as a graph whose last node is its result.

    Inputs: "q", ne (head_dim, n, h); "k" and "v", (head_dim, n, h_kv); "mask", (n, n), 0 where a
    query may look and minus infinity where it may not, to be added to the scaled scores. The
    result has the ne of q.
    """
    raise NotImplementedError("write build_attention")
