"""The figure `outliers`: real inputs and weights of a layer, for products in 8 bits."""

from dataclasses import dataclass

from workers.figures.rounding import rounded
from workers.forward import Model, run

LAYER = 3
SENTENCE = "Oscar gave Cora ten grapes, and Cora used the wild shoe for Olaf."  # from heldout.txt
TOKENS, OUTPUTS = 16, 16


@dataclass(frozen=True)
class Outliers:
    """`x[token][feature]` and `weights[output][feature]`: the product is x @ weights.T."""

    model: str
    tensor: str
    layer: int
    n_outputs: int  # of the whole matrix
    tokens: tuple[str, ...]
    x: list[list[float]]
    weights: list[list[float]]


def compute(model: Model) -> Outliers:
    """What attn_q of the last block reads, and its first rows; the browser does the rest."""
    forward = run(model, SENTENCE)
    tensor = f"blk.{LAYER}.attn_q.weight"
    weight = model.tensors[tensor]  # (outputs, features)
    return Outliers(
        model=model.path.name,
        tensor=tensor,
        layer=LAYER,
        n_outputs=len(weight),
        tokens=forward.text.pieces[:TOKENS],
        x=rounded(forward.blocks[LAYER].normed[:TOKENS], 2),
        weights=rounded(weight[:OUTPUTS], 3),
    )
