"""The kind `quantize`: a model in another file type, by llama.cpp's own function.

`llama_model_quantize` is one C call without a hook, so it runs in a thread while its log, which
names every tensor, is turned into progress. The bytes are those of `llama-quantize`.
"""

import ctypes
import hashlib
import queue
import re
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from workers import gguf_file
from workers.errors import BadRequestError
from workers.events import Event, Log, Phase, Progress
from workers.llama import check_threads, threads_or_all
from workers.llama_log import LOG, failure, start

# For each tensor's name, how much an error in each of its input columns counts: (inputs,).
Importance = Mapping[str, NDArray[np.floating]]

# What llama-quantize calls the types: llama.cpp's constants without their first word.
_PREFIXES = ("LLAMA_FTYPE_MOSTLY_", "LLAMA_FTYPE_ALL_")
_NOT_OFFERED = "NVFP4"  # a constant, but llama.cpp refuses to quantize to it
FILE_TYPES: dict[str, int] = {
    constant.removeprefix(prefix): getattr(llama_cpp, constant)
    for constant in dir(llama_cpp)
    for prefix in _PREFIXES
    if constant.startswith(prefix) and not constant.endswith(_NOT_OFFERED)
}
ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}

# "[   2/  38] blk.0.attn_k.weight  - [  256,    64,     1,     1], type =    f32, converting …"
TENSOR_LINE = re.compile(r"\[ *(\d+)/ *(\d+)\] (\S+) +- \[")
# "warning: blk.0.attn_k.weight - ncols 192 not divisible by 256 (required for type q4_K) -> …"
FALLBACK_LINE = re.compile(r"warning: (\S+) +- ncols .*\(required for type +(\S+)\).*falling back")


@dataclass(frozen=True)
class Quantize:
    """Write `model` as file type `type` (such as "Q4_K_M") to `out`.

    `threads` 0 means all cores. `pure` uses the type's main tensor type everywhere;
    `allow_requantize` accepts a model that is already quantized, at a loss.
    """

    model: str
    type: str
    out: str
    threads: int = 0
    allow_requantize: bool = False
    pure: bool = False
    leave_output_tensor: bool = False

    def __post_init__(self) -> None:
        check_file_type(self.type)
        check_threads(self.threads)
        out = Path(self.out)
        if not self.out or out.is_dir():
            raise BadRequestError("out must name a file.")
        if not out.parent.is_dir():
            raise BadRequestError(f"The folder for {out.name} does not exist.")
        if out.resolve() == Path(self.model).resolve():
            raise BadRequestError("out must be another file than model.")


@dataclass(frozen=True)
class QuantizedTensor:
    """A tensor before and after; `instead_of` names the type its shape did not allow, or is ""."""

    name: str
    shape: tuple[int, ...]
    from_type: str
    type: str
    bytes: int
    instead_of: str


@dataclass(frozen=True)
class Quantized:
    """The written file: sizes in bytes, time in seconds, and what became of every tensor."""

    type: str
    out: str
    bytes: int
    source_bytes: int
    seconds: float
    bits_per_weight: float
    sha256: str
    fallbacks: int
    tensors: tuple[QuantizedTensor, ...]


def check_file_type(name: str) -> None:
    """Raise BadRequestError unless llama-quantize knows a file type of this name."""
    if name.upper() not in FILE_TYPES and name.upper() not in ALIASES:
        raise BadRequestError(f"llama.cpp has no file type called {name}.")


def quantize(
    request: Quantize, importance: Importance | None = None
) -> Generator[Event, None, Quantized]:
    """Quantize tensor by tensor; a failure or a cancel leaves no partial file behind.

    `importance` is an importance matrix: the mean square of what enters each input column.
    """
    source, out = Path(request.model), Path(request.out)
    matrix = _check_importance(importance or {})
    name = ALIASES.get(request.type.upper(), request.type.upper())
    before = gguf_file.read(source)
    yield Phase(f"Quantizing to {name}")
    partial = out.with_name(f"{out.name}.part")
    started = time.perf_counter()
    try:
        wanted = yield from _run(request, FILE_TYPES[name], matrix, partial)
        seconds = time.perf_counter() - started
        after = gguf_file.read(partial)
        digest = _sha256(partial)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    types_before = {tensor.name: tensor.type for tensor in before.tensors}
    elements = sum(tensor.elements for tensor in after.tensors)
    return Quantized(
        type=name,
        out=str(out),
        bytes=after.file_bytes,
        source_bytes=before.file_bytes,
        seconds=seconds,
        bits_per_weight=8 * sum(tensor.bytes for tensor in after.tensors) / elements,
        sha256=digest,
        fallbacks=len(wanted),
        tensors=tuple(
            QuantizedTensor(
                tensor.name,
                tensor.shape,
                types_before[tensor.name],
                tensor.type,
                tensor.bytes,
                wanted.get(tensor.name, ""),
            )
            for tensor in after.tensors
        ),
    )


def _check_importance(importance: Importance) -> dict[str, NDArray[np.float32]]:
    """The same as F32. Raises BadRequestError where a value would make llama.cpp abort."""
    matrix = {}
    for name, columns in importance.items():
        if columns.ndim != 1 or not np.isfinite(columns).all() or (columns < 0).any():
            raise BadRequestError(f"The importance of {name} must be a row of numbers from 0 on.")
        matrix[name] = np.ascontiguousarray(columns, dtype=np.float32)
    return matrix


def _run(
    request: Quantize, file_type: int, matrix: dict[str, NDArray[np.float32]], partial: Path
) -> Generator[Event, None, dict[str, str]]:
    """Run the C call in a thread. Returns the types that tensors could not have, by tensor."""
    start()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = file_type
    params.nthread = threads_or_all(request.threads)
    params.allow_requantize = request.allow_requantize
    params.pure = request.pure
    params.quantize_output_tensor = not request.leave_output_tensor
    lines: queue.SimpleQueue[str | int] = queue.SimpleQueue()

    def work() -> None:
        LOG.errors.clear()
        if matrix:
            params.imatrix = _entries(matrix)  # in here, so that it lives as long as the C call
        with LOG.heard_by(lines.put):
            status = llama_cpp.llama_model_quantize(
                request.model.encode(), str(partial).encode(), ctypes.byref(params)
            )
        lines.put(status)

    # A daemon: after a cancel the process may end without waiting for the C call.
    threading.Thread(target=work, name="quantize", daemon=True).start()
    wanted: dict[str, str] = {}
    while isinstance(line := lines.get(), str):
        if tensor := TENSOR_LINE.search(line):
            yield Progress(int(tensor[1]), int(tensor[2]), "tensors")
        elif fallback := FALLBACK_LINE.search(line):
            wanted[fallback[1]] = fallback[2].upper()
        yield Log(line)
    if line:
        raise failure(f"llama.cpp cannot make {request.type} of this model")
    return wanted


def _entries(
    matrix: dict[str, NDArray[np.float32]],
) -> "ctypes.Array[llama_cpp.llama_model_imatrix_data]":
    """The matrix as llama.cpp reads it: name, values and count of each, and one without a name."""
    entries = (llama_cpp.llama_model_imatrix_data * (len(matrix) + 1))()
    for entry, (name, columns) in zip(entries, matrix.items(), strict=False):
        entry.name = name.encode()
        entry.data = columns.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        entry.size = columns.size
    return entries


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
