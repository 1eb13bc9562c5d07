"""Shapes of a forward pass: softmax, the encoding of positions, and what has which shape.

n counts tokens and d features. Names of shapes are the keys of a dict, shapes are tuples of ints.
"""

import numpy as np


def softmax(x: np.ndarray) -> np.ndarray:
    """Weights of the scores x: positive, and along the last axis their sum is 1.

    x is (…, n) floats, with any number of axes in front; the result has the shape of x. Scores may
    be as large as 10,000 or as small as -10,000, and a masked one is -inf: its weight is 0. No row
    is masked as a whole.
    """
    raise NotImplementedError("write softmax")


def positional_encoding(n: int, d: int) -> np.ndarray:
    """The sinusoidal encoding of positions 0 … n - 1, (n, d) float64; d is even.

    Columns 2i and 2i + 1 are the sine and the cosine of position / 10000**(2i / d).
    """
    raise NotImplementedError("write positional_encoding")


def shapes(n: int, d: int, heads: int) -> dict[str, tuple[int, ...]]:
    """The shapes in one encoder block of 2017 for n tokens; heads divides d.

    "x"       what enters
    "q"       the queries of one head
    "k"       the keys of one head
    "v"       the values of one head
    "scores"  the scores of one head, every query against every key
    "head"    the output of one head
    "concat"  the outputs of all heads, side by side
    "w_o"     the matrix that mixes them: concat @ w_o
    "out"     what attention gives, after that matrix
    "hidden"  the hidden layer of the feed-forward network, four times as wide as d
    """
    raise NotImplementedError("write shapes")


def llama_shapes(meta: dict[str, int], n: int) -> dict[str, tuple[int, ...]]:
    """The shapes in one block of a llama model for n tokens, all heads in one array.

    meta has the model's numbers: "n_embd" features, "n_head" query heads, "n_head_kv" heads of keys
    and values, "n_ff" hidden features, "n_vocab" tokens in the vocabulary. A head has
    n_embd / n_head features. The axis of heads comes first.

    "x"       what enters the block
    "q"       the queries, all heads
    "k"       the keys, all their heads, none repeated
    "v"       the values, all their heads, none repeated
    "scores"  the scores of all query heads
    "heads"   the outputs of all heads, side by side in one row for each token
    "gate"    the gate layer of the feed-forward network
    "up"      its up layer
    "out"     what leaves the block
    "logits"  after the last block: a score for every token of the vocabulary, at every position
    """
    raise NotImplementedError("write llama_shapes")
