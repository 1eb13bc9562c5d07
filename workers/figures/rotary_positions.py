"""The figure `rotary-positions`: a query and a key of real heads, before they are turned."""

from dataclasses import dataclass

from workers.figures.attention_weights import SENTENCE
from workers.figures.rounding import rounded
from workers.forward import Model, frequencies, run

# (layer, head, query token, key token): two heads that look one token back, and one of the first
# layer that cares about distance much less.
CHOSEN = ((2, 7, 13, 12), (2, 4, 9, 8), (0, 7, 12, 11))


@dataclass(frozen=True)
class Example:
    """One query and one key: head_dim features each, in pairs 2i and 2i + 1, before RoPE."""

    layer: int
    head: int
    kv_head: int
    query_token: str
    key_token: str
    q: list[float]
    k: list[float]


@dataclass(frozen=True)
class RotaryPositions:
    """`frequencies`: radians a position, a pair; `n_ctx`: the context of training, in tokens."""

    model: str
    base: float
    n_ctx: int
    frequencies: list[float]
    examples: tuple[Example, ...]


def compute(model: Model) -> RotaryPositions:
    """The pairs are turned in the browser: that is what the figure is about."""
    forward = run(model, SENTENCE)
    examples = []
    for layer, head, query, key in CHOSEN:
        block, kv_head = forward.blocks[layer], head // model.query_heads_per_kv_head
        examples.append(
            Example(
                layer=layer,
                head=head,
                kv_head=kv_head,
                query_token=forward.text.pieces[query],
                key_token=forward.text.pieces[key],
                q=rounded(block.q[head, query], 4),
                k=rounded(block.k[kv_head, key], 4),
            )
        )
    return RotaryPositions(
        model=model.path.name,
        base=model.rope_base,
        n_ctx=model.n_ctx,
        frequencies=rounded(frequencies(model), 9),
        examples=tuple(examples),
    )
