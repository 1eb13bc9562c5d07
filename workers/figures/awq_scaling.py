"""The figure `awq-scaling`: the output's error after scaling channels by how loud they are."""

from dataclasses import dataclass

import numpy as np

from workers.figures import passages
from workers.figures.rounding import rounded
from workers.forward import Array, Model

LAYER = 0
GROUP = 32
LARGEST_CODE = 7  # of 4 bits, which hold -8 … 7
ALPHAS = 21
SHOWN_ROWS = 4


@dataclass(frozen=True)
class AwqScaling:
    """Errors are shares of the output's energy, one an alpha; `loudness` is mean |x| a channel.

    `coarser[alpha]` is the share of all groups whose step grew by more than 1 %; `weights` are the
    first rows of the matrix.
    """

    model: str
    tensor: str
    group: int
    largest_code: int
    n_outputs: int
    searched_tokens: int
    judged_tokens: int
    alphas: list[float]
    errors: list[float]
    wrong_way: list[float]  # the weights divided instead of multiplied
    coarser: list[float]
    loudness: list[float]
    weights: list[list[float]]


def steps(weight: Array) -> Array:
    """The step of each group of a row: (outputs, groups, 1)."""
    groups = weight.reshape(len(weight), -1, GROUP)
    step: Array = np.abs(groups).max(axis=-1, keepdims=True) / LARGEST_CODE
    return step


def quantize(weight: Array) -> Array:
    """4 bits with a step for each group: every weight as its nearest multiple of the step."""
    step = steps(weight)
    codes = np.round(weight.reshape(len(weight), -1, GROUP) / step)
    restored: Array = (codes * step).reshape(weight.shape)
    return restored


def scales(loudness: Array, alpha: float) -> Array:
    """s = loudness^alpha, for a median channel 1; a common factor would change nothing."""
    scale: Array = (loudness / np.median(loudness)) ** np.float32(alpha)
    return scale


def compute(model: Model) -> AwqScaling:
    """Loudness from calibration text; the errors on held-out text."""
    tensor = f"blk.{LAYER}.ffn_gate.weight"
    weight = model.tensors[tensor]  # (outputs, channels)
    searched = passages.calibration(model, LAYER).ffn_normed  # (n, channels)
    judged = passages.heldout(model, LAYER).ffn_normed  # (n, channels)
    loudness: Array = np.abs(searched).mean(axis=0)  # (channels,)
    second_moment = judged.T @ judged  # (channels, channels)
    energy = np.sum((weight @ second_moment) * weight)

    def error(scale: Array) -> float:
        change = quantize(weight * scale) / scale - weight
        return float(np.sum((change @ second_moment) * change) / energy)

    alphas = np.linspace(0, 1, ALPHAS)
    chosen = [scales(loudness, alpha) for alpha in alphas]
    plain = steps(weight)
    return AwqScaling(
        model=model.path.name,
        tensor=tensor,
        group=GROUP,
        largest_code=LARGEST_CODE,
        n_outputs=len(weight),
        searched_tokens=len(searched),
        judged_tokens=len(judged),
        alphas=rounded(alphas, 2),
        errors=rounded(np.array([error(scale) for scale in chosen]), 6),
        wrong_way=rounded(np.array([error(np.reciprocal(scale)) for scale in chosen]), 6),
        coarser=rounded(
            np.array([np.mean(steps(weight * scale) > 1.01 * plain) for scale in chosen]), 3
        ),
        loudness=rounded(loudness, 4),
        weights=rounded(weight[:SHOWN_ROWS], 4),
    )
