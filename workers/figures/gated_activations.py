"""The figure `gated-activations`: the gate and up values of a real SwiGLU layer."""

from dataclasses import dataclass

from workers.figures.attention_weights import SENTENCE
from workers.figures.rounding import rounded
from workers.forward import Model, run

LAYER = 2
CHOSEN = (9, 4, 14, 18)


@dataclass(frozen=True)
class Token:
    """One token in the layer: its n_ff gate and up values, before anything is applied to them."""

    token: str
    index: int
    gate: list[float]
    up: list[float]


@dataclass(frozen=True)
class GatedActivations:
    """`tokens` of the sentence, as the feed-forward layer of block `layer` sees them."""

    model: str
    sentence: str
    layer: int
    n_embd: int
    tokens: tuple[Token, ...]


def compute(model: Model) -> GatedActivations:
    """SiLU and the product are left to the browser."""
    forward = run(model, SENTENCE)
    block = forward.blocks[LAYER]
    return GatedActivations(
        model=model.path.name,
        sentence=SENTENCE,
        layer=LAYER,
        n_embd=model.n_embd,
        tokens=tuple(
            Token(
                forward.text.pieces[index],
                index,
                rounded(block.gate[index], 3),
                rounded(block.up[index], 3),
            )
            for index in CHOSEN
        ),
    )
