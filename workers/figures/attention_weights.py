"""The figure `attention-weights`: every head's attention weights on one sentence."""

from dataclasses import dataclass

import numpy as np

from workers.figures.rounding import rounded
from workers.forward import Model, run

SENTENCE = "Alba hid a vase. Alba found the vase."


@dataclass(frozen=True)
class AttentionWeights:
    """`weights[layer][head][i]` are the i + 1 weights of token i: for tokens 0 … i."""

    model: str
    tokens: tuple[str, ...]
    heads_per_kv_head: int
    weights: list[list[list[list[float]]]]


def compute(model: Model) -> AttentionWeights:
    """All heads of all layers; the zeros above the diagonal are left out."""
    forward = run(model, SENTENCE)
    return AttentionWeights(
        model=model.path.name,
        tokens=forward.text.pieces,
        heads_per_kv_head=model.query_heads_per_kv_head,
        weights=[
            [
                [rounded(row[: i + 1], 3) for i, row in enumerate(np.asarray(head))]
                for head in block.weights
            ]
            for block in forward.blocks
        ],
    )
