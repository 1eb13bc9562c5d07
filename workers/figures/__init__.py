"""What the interactive figures of the readings show, computed from the teaching model itself.

One module a figure: `compute(model)` returns a frozen dataclass with just what the picture needs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers import catalogue
from workers.figures import (
    attention_weights,
    awq_scaling,
    flash_tiles,
    gated_activations,
    gguf_bytes,
    gptq_feedback,
    head_shapes,
    kv_heads,
    norms,
    outliers,
    rotary_positions,
    row_quantization,
)
from workers.forward import Model, load

FIGURES: dict[str, Callable[[Model], Any]] = {
    "attention-weights": attention_weights.compute,
    "head-shapes": head_shapes.compute,
    "rotary-positions": rotary_positions.compute,
    "norms": norms.compute,
    "gated-activations": gated_activations.compute,
    "flash-tiles": flash_tiles.compute,
    "outliers": outliers.compute,
    "gptq-feedback": gptq_feedback.compute,
    "awq-scaling": awq_scaling.compute,
    "kv-heads": kv_heads.compute,
    "gguf-bytes": gguf_bytes.compute,
    "row-quantization": row_quantization.compute,
}


def compute(name: str) -> Any:
    """What the figure of this name shows of the main teaching model, a frozen dataclass."""
    return FIGURES[name](load(Path(catalogue.main_model().path)))
