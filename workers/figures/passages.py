"""What one block of the model makes of a passage of the campus's own texts."""

import functools
from pathlib import Path

from workers import catalogue
from workers.forward import Array, Block, Model, block, tokenize

CHARACTERS = 700  # of a text: some 270 tokens


def calibration(model: Model, layer: int) -> Block:
    """Block `layer` on the beginning of the calibration text."""
    return _beginning(model, catalogue.texts().calibration, layer)


def heldout(model: Model, layer: int) -> Block:
    """Block `layer` on the beginning of the held-out text, which no search may look at."""
    return _beginning(model, catalogue.texts().heldout, layer)


@functools.cache
def _beginning(model: Model, text: str, layer: int) -> Block:
    words = Path(text).read_text()[:CHARACTERS]
    x: Array = model.tensors["token_embd.weight"][list(tokenize(model, words).ids)]  # (n, d)
    for earlier in range(layer):
        x = block(model, earlier, x).out
    return block(model, layer, x)
