"""The figure `norms`: hidden states as they are before a block's attn_norm."""

from dataclasses import dataclass

from workers.figures.attention_weights import SENTENCE
from workers.figures.rounding import rounded
from workers.forward import Model, run

# Two tokens that end a word, and BOS, whose state grows several times as large as theirs.
CHOSEN = (9, 4, 0)


@dataclass(frozen=True)
class State:
    """The hidden state of one token where it enters a layer: n_embd features."""

    layer: int
    token: str
    index: int
    x: list[float]


@dataclass(frozen=True)
class Norms:
    """`epsilon` is what the model's RMSNorm adds to the mean square."""

    model: str
    sentence: str
    epsilon: float
    states: tuple[State, ...]


def compute(model: Model) -> Norms:
    """The norms themselves are computed in the browser, on what the reader makes of x."""
    forward = run(model, SENTENCE)
    return Norms(
        model=model.path.name,
        sentence=SENTENCE,
        epsilon=float(f"{model.epsilon:.6g}"),
        states=tuple(
            # The embeddings are small, what comes after them is large.
            State(layer, forward.text.pieces[index], index, rounded(block.x[index], 4 - layer))
            for layer, block in enumerate(forward.blocks[:3])
            for index in CHOSEN
        ),
    )
