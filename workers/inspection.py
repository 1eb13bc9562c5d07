"""The kind `inspect`: what a GGUF file holds, to the last byte."""

import math
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from workers import gguf_file
from workers.events import Event, Phase, Progress
from workers.gguf_file import HEADER_BYTES, GGUFFile, Scalar

SHOWN_ELEMENTS = 16  # of an array in the metadata
SHOWN_CHARACTERS = 2000  # of a text in the metadata


@dataclass(frozen=True)
class Inspect:
    """Inspect the GGUF file at `model`."""

    model: str


@dataclass(frozen=True)
class MetadataEntry:
    """A metadata key. Of an array, `value` shows the first of `count` elements."""

    key: str
    type: str
    value: Scalar | tuple[Scalar, ...]
    count: int | None
    offset: int
    bytes: int


@dataclass(frozen=True)
class TensorEntry:
    """A tensor; `shape` has the row length first, `position` counts from the start of the file."""

    name: str
    shape: tuple[int, ...]
    type: str
    elements: int
    offset: int
    position: int
    bytes: int
    padded_bytes: int


@dataclass(frozen=True)
class TypeTotal:
    """All tensors of one type together."""

    type: str
    tensors: int
    elements: int
    bytes: int


@dataclass(frozen=True)
class Inspection:
    """A GGUF file. Its bytes are header + metadata + tensor list + padding, then padded tensors:

    data_offset = header_bytes + metadata_bytes + tensor_info_bytes + padding_bytes
    expected_bytes = data_offset + padded_tensor_bytes, which equals file_bytes in a whole file.
    """

    file: str
    file_bytes: int
    expected_bytes: int
    version: int
    alignment: int
    architecture: str
    name: str
    n_metadata: int
    n_tensors: int
    parameters: int
    header_bytes: int
    metadata_bytes: int
    tensor_info_bytes: int
    padding_bytes: int
    data_offset: int
    tensor_bytes: int
    padded_tensor_bytes: int
    bits_per_weight: float
    types: tuple[TypeTotal, ...]
    metadata: tuple[MetadataEntry, ...]
    tensors: tuple[TensorEntry, ...]


def inspect(request: Inspect) -> Generator[Event, None, Inspection]:
    """Read the header, metadata and tensor list of a file and account for all its bytes."""
    yield Phase("Reading the header")
    path = Path(request.model)
    file = gguf_file.read(path)
    yield Progress(len(file.tensors), len(file.tensors), "tensors")
    return of_file(file, name=path.name)


def of_file(file: GGUFFile, *, name: str) -> Inspection:
    """The inspection of a file that has been read."""
    parameters = sum(tensor.elements for tensor in file.tensors)
    tensor_bytes = sum(tensor.bytes for tensor in file.tensors)
    padded_tensor_bytes = sum(tensor.padded_bytes for tensor in file.tensors)
    before_padding = HEADER_BYTES + file.metadata_bytes + file.tensor_info_bytes
    return Inspection(
        file=name,
        file_bytes=file.file_bytes,
        expected_bytes=file.data_offset + padded_tensor_bytes,
        version=file.version,
        alignment=file.alignment,
        architecture=str(file.get("general.architecture") or ""),
        name=str(file.get("general.name") or ""),
        n_metadata=len(file.metadata),
        n_tensors=len(file.tensors),
        parameters=parameters,
        header_bytes=HEADER_BYTES,
        metadata_bytes=file.metadata_bytes,
        tensor_info_bytes=file.tensor_info_bytes,
        padding_bytes=file.data_offset - before_padding,
        data_offset=file.data_offset,
        tensor_bytes=tensor_bytes,
        padded_tensor_bytes=padded_tensor_bytes,
        bits_per_weight=8 * tensor_bytes / parameters if parameters else 0.0,
        types=_totals(file),
        metadata=tuple(
            MetadataEntry(
                entry.key,
                entry.type,
                _shown(entry.value),
                len(entry.value) if isinstance(entry.value, tuple) else None,
                entry.offset,
                entry.bytes,
            )
            for entry in file.metadata
        ),
        tensors=tuple(
            TensorEntry(
                tensor.name,
                tensor.shape,
                tensor.type,
                tensor.elements,
                tensor.offset,
                file.data_offset + tensor.offset,
                tensor.bytes,
                tensor.padded_bytes,
            )
            for tensor in file.tensors
        ),
    )


def _totals(file: GGUFFile) -> tuple[TypeTotal, ...]:
    """Totals a type, the one with the most bytes first."""
    tensors: Counter[str] = Counter()
    elements: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for tensor in file.tensors:
        tensors[tensor.type] += 1
        elements[tensor.type] += tensor.elements
        size[tensor.type] += tensor.bytes
    return tuple(
        TypeTotal(kind, tensors[kind], elements[kind], total) for kind, total in size.most_common()
    )


def _shown(value: Scalar | tuple[Scalar, ...]) -> Scalar | tuple[Scalar, ...]:
    """The value as JSON can carry it: long ones cut, infinities and NaN as text."""
    if isinstance(value, tuple):
        return tuple(_shown_one(item) for item in value[:SHOWN_ELEMENTS])
    return _shown_one(value)


def _shown_one(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return value[:SHOWN_CHARACTERS]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
