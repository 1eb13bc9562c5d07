"""The figure `row-quantization`: a few real weights before and after llama.cpp quantizes them."""

import ctypes
from dataclasses import dataclass

import numpy as np
from gguf import GGMLQuantizationType, quants
from numpy.typing import NDArray

from workers.errors import EngineError
from workers.figures.rounding import rounded
from workers.forward import Array, Model
from workers.ggml import BY_NAME, LIBRARY

SHOWN = 64  # the first values of the row
# (tensor, row): rows in which the first blocks of 32 differ
CHOSEN = (
    ("blk.3.ffn_down.weight", 73),
    ("blk.0.attn_q.weight", 187),
    ("blk.0.attn_v.weight", 42),
    ("token_embd.weight", 497),
)
# With the weights that share a scale inside a block: K-quants have blocks of 256 in smaller ones.
TYPES = {
    "Q8_0": 32,
    "Q6_K": 16,
    "Q5_K": 32,
    "Q5_0": 32,
    "Q4_K": 32,
    "Q4_0": 32,
    "Q3_K": 16,
    "Q2_K": 16,
}

LIBRARY.ggml_quantize_chunk.restype = ctypes.c_size_t
LIBRARY.ggml_quantize_chunk.argtypes = [
    ctypes.c_int,  # type
    ctypes.c_void_p,  # source, F32
    ctypes.c_void_p,  # destination
    ctypes.c_int64,  # first element
    ctypes.c_int64,  # rows
    ctypes.c_int64,  # elements in a row
    ctypes.c_void_p,  # importance of each column, or none
]


@dataclass(frozen=True)
class Type:
    """A tensor type; `share_a_scale` weights in a row have one scale."""

    name: str
    bits: float  # per weight, scales included
    share_a_scale: int


@dataclass(frozen=True)
class Restored:
    """What a type gives back: the shown values, and the RMSE over the whole tensor."""

    values: list[float]
    rmse: float


@dataclass(frozen=True)
class Row:
    """The first values of one row; `restored` in the order of the types."""

    tensor: str
    row: int
    shape: tuple[int, int]  # (rows, columns)
    std: float
    values: list[float]
    restored: tuple[Restored, ...]


@dataclass(frozen=True)
class RowQuantization:
    """Rows of real tensors, in the types that llama.cpp writes without an importance matrix."""

    model: str
    types: tuple[Type, ...]
    rows: tuple[Row, ...]


def quantized(weight: Array, name: str) -> NDArray[np.uint8]:
    """The matrix as a file holds it, by llama.cpp's own function: (rows, bytes of a row)."""
    kind = BY_NAME[name]
    rows, columns = weight.shape
    source = np.ascontiguousarray(weight, dtype=np.float32)
    data = np.empty((rows, kind.size(columns)), dtype=np.uint8)
    written = LIBRARY.ggml_quantize_chunk(
        kind.number, source.ctypes.data, data.ctypes.data, 0, rows, columns, None
    )
    if written != data.nbytes:
        raise EngineError(f"{name} took {written} bytes, not {data.nbytes}.")
    return data


def dequantized(data: NDArray[np.uint8], name: str) -> Array:
    """The matrix that a reader of the file gets: (rows, columns)."""
    return quants.dequantize(data, GGMLQuantizationType(BY_NAME[name].number))


def compute(model: Model) -> RowQuantization:
    """Every tensor whole, so that the RMSE is the tensor's; of one row the first values."""
    kinds = (BY_NAME[name] for name in TYPES)
    return RowQuantization(
        model=model.path.name,
        types=tuple(
            Type(kind.name, 8 * kind.block_bytes / kind.block, TYPES[kind.name]) for kind in kinds
        ),
        rows=tuple(_row(model, tensor, row) for tensor, row in CHOSEN),
    )


def _row(model: Model, tensor: str, row: int) -> Row:
    weight = model.tensors[tensor]
    restored = []
    for name in TYPES:
        back = dequantized(quantized(weight, name), name)
        rmse = np.sqrt(np.mean((back - weight) ** 2))
        restored.append(Restored(rounded(back[row, :SHOWN], 5), float(f"{rmse:.3g}")))
    rows, columns = weight.shape
    return Row(
        tensor=tensor,
        row=row,
        shape=(rows, columns),
        std=float(f"{weight.std():.4g}"),
        values=rounded(weight[row, :SHOWN], 5),
        restored=tuple(restored),
    )
