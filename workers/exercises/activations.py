"""What enters each matrix of the teaching model on passages of the campus's own texts."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers import catalogue, forward
from workers.exercises import oracle
from workers.exercises.base import Array

Tokens = NDArray[np.int64]

LENGTH = 256  # tokens of a passage
CHARACTERS = 2000  # of a text, more than a passage has


def calibration(rng: np.random.Generator, passages: int) -> Tokens:
    """Passages of the calibration text, drawn: (passages, LENGTH), each begun anew."""
    return _draw(catalogue.texts().calibration, rng, passages)


def heldout(rng: np.random.Generator, passages: int) -> Tokens:
    """The same of the held-out text, on which nothing may be fitted."""
    return _draw(catalogue.texts().heldout, rng, passages)


def beginning_of_heldout(passages: int) -> Tokens:
    """The first passages of the held-out text, the same for all."""
    words = Path(catalogue.texts().heldout).read_text()[: passages * CHARACTERS]
    ids = forward.tokenize(oracle.model(), words).ids[: passages * LENGTH]
    return np.array(ids).reshape(passages, LENGTH)


def entering(passages: Tokens) -> dict[tuple[str, ...], Array]:
    """What enters the matrices on all tokens, (n, inputs), by their names in the file.

    Matrices with the same input, such as queries, keys and values, share an entry.
    """
    parts = [_entering(tokens) for tokens in passages]
    return {names: np.concatenate([part[names] for part in parts]) for names in parts[0]}


def _draw(path: str, rng: np.random.Generator, passages: int) -> Tokens:
    text = Path(path).read_text()
    drawn = np.empty((passages, LENGTH), dtype=np.int64)
    for tokens in drawn:
        start = int(rng.integers(len(text) - CHARACTERS))
        words = text[start : start + CHARACTERS]
        tokens[:] = forward.tokenize(oracle.model(), words).ids[:LENGTH]
    return drawn


def _entering(tokens: Tokens) -> dict[tuple[str, ...], Array]:
    m = oracle.model()
    x: Array = m.tensors["token_embd.weight"][tokens]  # (n, d)
    inputs: dict[tuple[str, ...], Array] = {}
    for layer in range(m.n_layer):
        block = forward.block(m, layer, x)
        for names, read in (
            (("attn_q", "attn_k", "attn_v"), block.normed),
            (("attn_output",), block.heads),
            (("ffn_gate", "ffn_up"), block.ffn_normed),
            (("ffn_down",), block.product),
        ):
            inputs[tuple(f"blk.{layer}.{name}.weight" for name in names)] = read
        x = block.out
    gain = m.tensors["output_norm.weight"]
    inputs[("output.weight",)] = forward.rms_norm(x, gain, m.epsilon)
    return inputs
