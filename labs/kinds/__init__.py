"""The kinds of labs, one file each."""

from labs.kinds import code, first_inference, gguf_exploration, quantize_and_measure
from labs.kinds.base import (
    REGISTRY,
    Grade,
    LabForm,
    LabKind,
    Parameters,
    Part,
    Piece,
    Work,
    register,
)

__all__ = [
    "REGISTRY",
    "Grade",
    "LabForm",
    "LabKind",
    "Parameters",
    "Part",
    "Piece",
    "Work",
    "code",
    "first_inference",
    "gguf_exploration",
    "quantize_and_measure",
    "register",
]
