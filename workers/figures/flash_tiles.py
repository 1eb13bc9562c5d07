"""The figure `flash-tiles`: real scores and values of one head, to be worked through in tiles."""

from dataclasses import dataclass

from workers.figures.attention_weights import SENTENCE
from workers.figures.rounding import rounded
from workers.forward import Model, run

LAYER, HEAD = 2, 7
TOKENS = 16  # so that 4 by 4 tiles cover them
SHOWN_FEATURES = 3  # of the head_dim features of a value


@dataclass(frozen=True)
class FlashTiles:
    """`scores[i]` are q·k / sqrt(head_dim) of token i with tokens 0 … i; `values` a row a token."""

    model: str
    layer: int
    head: int
    n_head: int
    head_dim: int
    tokens: tuple[str, ...]
    scores: list[list[float]]
    values: list[list[float]]


def compute(model: Model) -> FlashTiles:
    """The first tokens of the sentence; softmax and sums are left to the browser."""
    forward = run(model, SENTENCE)
    block = forward.blocks[LAYER]
    values = block.v[HEAD // model.query_heads_per_kv_head]
    return FlashTiles(
        model=model.path.name,
        layer=LAYER,
        head=HEAD,
        n_head=model.n_head,
        head_dim=model.head_dim,
        tokens=forward.text.pieces[:TOKENS],
        scores=[rounded(block.scores[HEAD, i, : i + 1], 2) for i in range(TOKENS)],
        values=rounded(values[:TOKENS, :SHOWN_FEATURES], 2),
    )
