"""How far a correct forward pass may be off, and how far the smallest mistake is, measured.

`python -m workers.exercises.measure_tolerance` prints what models/models.json records of each
model under "logits", over many draws of 64 random tokens:

    worst_correct       the largest difference of a float32 forward pass in NumPy from llama.cpp
    smallest_wrong_eps  the smallest difference that an epsilon 10 times too small makes
    tolerance           at least 5 times the one and at most half of the other
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workers import catalogue, forward, llama
from workers.exercises.base import Array

DRAWS = 200
TOKENS = 64


def measure(path: Path, *, draws: int = DRAWS, first: int = 0) -> dict[str, Any]:
    """The record of one model; the draws are those of the seeds from `first` on."""
    model = forward.load(path)
    wrong = replace(model, epsilon=model.epsilon / 10)
    n_vocab = len(model.tensors["token_embd.weight"])
    correct, mistaken = [], []
    with (
        llama.load(path) as loaded,
        llama.context(
            loaded,
            n_ctx=256,
            n_batch=TOKENS,
            threads=1,
            flash_attention="off",
            type_k="F32",
            type_v="F32",
        ) as context,
    ):
        batch = llama.Batch(TOKENS)
        batch.outputs[:] = 1
        for seed in range(first, first + draws):
            batch.tokens[:] = np.random.default_rng(seed).integers(3, n_vocab, TOKENS)
            context.clear()
            context.decode(batch)
            exact = context.logits(TOKENS).astype(np.float64)
            correct.append(_distance(forward.logits(model, batch.tokens), exact))
            mistaken.append(_distance(forward.logits(wrong, batch.tokens), exact))
    worst, smallest = max(correct), min(mistaken)
    # The geometric middle of the two bounds, to one digit.
    tolerance = float(f"{(5 * worst * smallest / 2) ** 0.5:.0e}")
    return {
        "tolerance": tolerance,
        "worst_correct": float(f"{worst:.2e}"),
        "smallest_wrong_eps": float(f"{smallest:.2e}"),
        "draws": draws,
        "tokens": TOKENS,
    }


def _distance(one: Array, other: Array) -> float:
    return float(np.abs(one.astype(np.float64) - other).max())


if __name__ == "__main__":
    records = {model.name: measure(Path(model.path)) for model in catalogue.models()}
    json.dump(records, sys.stdout, indent=2)
