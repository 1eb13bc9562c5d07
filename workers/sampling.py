"""How the next token is chosen: llama.cpp's samplers, in the order its own tools use."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import llama_cpp

from workers.errors import BadRequestError
from workers.llama import Model

# parameter -> (lowest, highest) allowed
RANGES = {
    "seed": (0, 2**32 - 1),
    "temperature": (0.0, 100.0),
    "top_k": (0, 1_000_000),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "top_n_sigma": (-1.0, 100.0),
    "xtc_probability": (0.0, 1.0),
    "xtc_threshold": (0.0, 1.0),
    "repeat_last_n": (0, 1_000_000),
    "repeat_penalty": (0.01, 100.0),
    "frequency_penalty": (-100.0, 100.0),
    "presence_penalty": (-100.0, 100.0),
    "dry_multiplier": (0.0, 100.0),
    "dry_base": (1.0, 100.0),
    "dry_allowed_length": (1, 1_000_000),
    "dry_last_n": (0, 1_000_000),
    "mirostat": (0, 2),
    "mirostat_tau": (0.0, 100.0),
    "mirostat_eta": (0.0, 1.0),
}
DRY_BREAKERS = ("\n", ":", '"', "*")  # texts across which DRY looks for no repetition
MIROSTAT_M = 100  # tokens that Mirostat 1 estimates its slope from, as in its paper


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The samplers' parameters. The defaults switch off everything but temperature, top-k, top-p
    and min-p; temperature 0 always takes the most probable token.

    `mirostat` 1 or 2 replaces top-k, top-p, min-p and typical. XTC and DRY are named as in their
    pull requests to llama.cpp; `repeat_last_n` is how many tokens the three penalties look back.
    """

    seed: int = 1
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    top_n_sigma: float = -1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    repeat_last_n: int = 64
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_last_n: int = 1024
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadRequestError(f"{name} must lie between {low} and {high}, not {value}.")


@contextmanager
def sampler_chain(sampling: Sampling, model: Model) -> Iterator[Any]:
    """The chain of samplers for as long as the block runs."""
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    try:
        for sampler in _samplers(sampling, model):
            llama_cpp.llama_sampler_chain_add(chain, sampler)
        yield chain
    finally:
        llama_cpp.llama_sampler_free(chain)


def _samplers(sampling: Sampling, model: Model) -> Iterator[Any]:
    yield llama_cpp.llama_sampler_init_penalties(
        model.n_vocab,
        sampling.repeat_last_n,
        sampling.repeat_penalty,
        sampling.frequency_penalty,
        sampling.presence_penalty,
    )
    if sampling.dry_multiplier > 0:
        breakers = (ctypes.c_char_p * len(DRY_BREAKERS))(*(text.encode() for text in DRY_BREAKERS))
        yield llama_cpp.llama_sampler_init_dry(
            model.vocab,
            sampling.dry_multiplier,
            sampling.dry_base,
            sampling.dry_allowed_length,
            sampling.dry_last_n,
            breakers,
            len(DRY_BREAKERS),
        )
    if sampling.temperature == 0:
        yield llama_cpp.llama_sampler_init_greedy()
    elif sampling.mirostat == 1:
        yield llama_cpp.llama_sampler_init_temp(sampling.temperature)
        yield llama_cpp.llama_sampler_init_mirostat(
            model.n_vocab, sampling.seed, sampling.mirostat_tau, sampling.mirostat_eta, MIROSTAT_M
        )
    elif sampling.mirostat == 2:
        yield llama_cpp.llama_sampler_init_temp(sampling.temperature)
        yield llama_cpp.llama_sampler_init_mirostat_v2(
            sampling.seed, sampling.mirostat_tau, sampling.mirostat_eta
        )
    else:
        yield llama_cpp.llama_sampler_init_top_n_sigma(sampling.top_n_sigma)
        yield llama_cpp.llama_sampler_init_top_k(sampling.top_k)
        yield llama_cpp.llama_sampler_init_typical(sampling.typical_p, 1)
        yield llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1)
        yield llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1)
        yield llama_cpp.llama_sampler_init_xtc(
            sampling.xtc_probability, sampling.xtc_threshold, 1, sampling.seed
        )
        yield llama_cpp.llama_sampler_init_temp(sampling.temperature)
        yield llama_cpp.llama_sampler_init_dist(sampling.seed)
