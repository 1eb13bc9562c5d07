"""Model shapes drawn for a student, small enough to be made and quantized in a moment."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.random_model import Shape

N_HEAD = 8


@dataclass(frozen=True)
class Shapes:
    """The pools that a shape is drawn from. Rows are multiples of 256, so every type fits."""

    n_layer: Sequence[int]
    n_embd: Sequence[int]
    n_ff: Sequence[int]
    n_head_kv: Sequence[int]
    n_vocab: Sequence[int]

    def draw(self, rng: random.Random) -> dict[str, int]:
        """A shape as JSON, in llama.cpp's terms: `Shape(**drawn)`."""
        return {
            "n_layer": rng.choice(self.n_layer),
            "n_embd": rng.choice(self.n_embd),
            "n_ff": rng.choice(self.n_ff),
            "n_head": N_HEAD,
            "n_head_kv": rng.choice(self.n_head_kv),
            "n_vocab": rng.choice(self.n_vocab),
        }


def facts(shape: Mapping[str, int]) -> list[tuple[str, str]]:
    """What a student is told of a shape, as names and values."""
    named = [(name, f"{value:,}") for name, value in shape.items()]
    return [*named, ("Parameters", f"{Shape(**shape).parameters:,}")]
