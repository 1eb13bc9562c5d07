"""A careful reader of the GGUF format, versions 2 and 3, little-endian.

It trusts nothing that the file says about itself: every count and length is compared with the
bytes that are left before anything is allocated, so a damaged file ends in a BadModelError with one
sentence. Source of the layout: the GGUF specification in ggml's docs/gguf.md.
"""

import math
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from workers.errors import BadModelError
from workers.ggml import TYPES

MAGIC = b"GGUF"
VERSIONS = (2, 3)
HEADER_BYTES = 24
DEFAULT_ALIGNMENT = 32
MAX_DIMENSIONS = 4
MAX_NAME_BYTES = 63
# Far above any real vocabulary or chat template, far below what would fill the memory.
MAX_STRING_BYTES = 1 << 24
MAX_ARRAY_ELEMENTS = 1 << 24
SMALLEST_ENTRY = 13  # an empty key (8), a type (4) and a one-byte value
SMALLEST_TENSOR = 32  # an empty name (8), no. of dimensions (4), one dimension (8), type, offset

# number in the file -> (name, struct format)
SCALARS = {
    0: ("uint8", "<B"),
    1: ("int8", "<b"),
    2: ("uint16", "<H"),
    3: ("int16", "<h"),
    4: ("uint32", "<I"),
    5: ("int32", "<i"),
    6: ("float32", "<f"),
    7: ("bool", "<?"),
    10: ("uint64", "<Q"),
    11: ("int64", "<q"),
    12: ("float64", "<d"),
}
STRING, ARRAY = 8, 9

Scalar = int | float | bool | str


@dataclass(frozen=True)
class Entry:
    """A metadata key with its value (an array's elements as a tuple) and where it lies."""

    key: str
    type: str
    value: Scalar | tuple[Scalar, ...]
    offset: int  # from the start of the file, bytes
    bytes: int  # key, type and value together


@dataclass(frozen=True)
class Tensor:
    """One tensor. `shape` is in GGUF's order: the row length, ne[0], comes first."""

    name: str
    shape: tuple[int, ...]
    type: str
    elements: int
    offset: int  # from the start of the tensor data, bytes
    bytes: int
    padded_bytes: int  # up to the next multiple of the alignment


@dataclass(frozen=True)
class GGUFFile:
    """What a file says about itself; `data_offset` is where the tensor data begins."""

    version: int
    alignment: int
    metadata: tuple[Entry, ...]
    tensors: tuple[Tensor, ...]
    metadata_bytes: int
    tensor_info_bytes: int
    data_offset: int
    file_bytes: int

    def get(self, key: str) -> Scalar | tuple[Scalar, ...] | None:
        """The value of a metadata key, or None."""
        return next((entry.value for entry in self.metadata if entry.key == key), None)


def padded(size: int, alignment: int) -> int:
    """`size` rounded up to a multiple of `alignment`.

    >>> padded(33, 32)
    64
    """
    return -(-size // alignment) * alignment


class _Cursor:
    """Reads forward through the file and never past its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size
        self.position = 0

    @property
    def left(self) -> int:
        return self.size - self.position

    def need(self, size: int, what: str) -> None:
        if size > self.left:
            raise BadModelError(
                f"The file is cut short or damaged: {what} needs {size} bytes at byte "
                f"{self.position}, and {self.left} are left."
            )

    def take(self, size: int, what: str) -> bytes:
        self.need(size, what)
        self.position += size
        return self.file.read(size)

    def scalar(self, layout: str, what: str) -> int | float | bool:
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout), what))
        return value  # type: ignore[no-any-return]

    def count(self, layout: str, what: str) -> int:
        return int(self.scalar(layout, what))

    def string(self, what: str) -> str:
        length = self.count("<Q", f"the length of {what}")
        self.need(length, what)
        if length > MAX_STRING_BYTES:
            raise BadModelError(f"The file is damaged: {what} claims to be {length} bytes long.")
        return self.take(length, what).decode("utf-8", errors="replace")


def read(path: Path) -> GGUFFile:
    """Read the header, the metadata and the tensor list; the tensor data itself is not touched.

    Raises BadModelError, with one sentence, for a file that is missing, empty, no GGUF, cut
    short or damaged so that llama.cpp could not take it.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise BadModelError(f"{path.name} is empty.")
            return _parse(_Cursor(file, size), path.name)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadModelError(f"{path.name} cannot be read: {reason}.") from error


def _parse(cursor: _Cursor, name: str) -> GGUFFile:
    if cursor.take(min(4, cursor.left), "the magic bytes") != MAGIC:
        raise BadModelError(f"{name} is no GGUF file: it does not begin with the bytes “GGUF”.")
    version = cursor.count("<I", "the version")
    if version not in VERSIONS:
        swapped = version & 0xFFFF == 0
        raise BadModelError(
            f"{name} is a big-endian GGUF file, which this machine cannot read."
            if swapped
            else f"{name} is GGUF version {version}; only versions 2 and 3 can be read."
        )
    n_tensors = cursor.count("<Q", "the number of tensors")
    n_entries = cursor.count("<Q", "the number of metadata entries")
    for count, smallest, what in (
        (n_entries, SMALLEST_ENTRY, "metadata entries"),
        (n_tensors, SMALLEST_TENSOR, "tensors"),
    ):
        if count * smallest > cursor.left:
            raise BadModelError(
                f"The file is cut short or damaged: it promises {count} {what}, and only "
                f"{cursor.left} bytes follow."
            )

    metadata = tuple(_entry(cursor) for _ in range(n_entries))
    _unique((entry.key for entry in metadata), "metadata key")
    metadata_end = cursor.position
    alignment = _alignment(metadata)
    tensors = []
    expected_offset = 0
    for _ in range(n_tensors):
        tensor = _tensor(cursor, alignment, expected_offset)
        expected_offset += tensor.padded_bytes
        tensors.append(tensor)
    _unique((tensor.name for tensor in tensors), "tensor")

    data_offset = padded(cursor.position, alignment)
    # The padding after the last tensor may be missing; its bytes may not.
    end = data_offset + (tensors[-1].offset + tensors[-1].bytes if tensors else 0)
    if tensors and end > cursor.size:
        raise BadModelError(
            f"The file is cut short: its tensors end at byte {end}, and it has {cursor.size} bytes."
        )
    return GGUFFile(
        version=version,
        alignment=alignment,
        metadata=metadata,
        tensors=tuple(tensors),
        metadata_bytes=metadata_end - HEADER_BYTES,
        tensor_info_bytes=cursor.position - metadata_end,
        data_offset=data_offset,
        file_bytes=cursor.size,
    )


def _entry(cursor: _Cursor) -> Entry:
    start = cursor.position
    key = cursor.string("a metadata key")
    if not key:
        raise BadModelError(f"The file is damaged: the metadata key at byte {start} is empty.")
    number = cursor.count("<I", f"the type of {key!r}")
    if number == ARRAY:
        name, value = _array(cursor, key)
        return Entry(key, f"array of {name}", value, start, cursor.position - start)
    name, read_one = _reader(cursor, number, key)
    return Entry(key, name, read_one(), start, cursor.position - start)


def _array(cursor: _Cursor, key: str) -> tuple[str, tuple[Scalar, ...]]:
    number = cursor.count("<I", f"the element type of {key!r}")
    name, read_one = _reader(cursor, number, key)
    count = cursor.count("<Q", f"the length of {key!r}")
    smallest = 8 if number == STRING else struct.calcsize(SCALARS[number][1])
    cursor.need(count * smallest, repr(key))
    if count > MAX_ARRAY_ELEMENTS:
        raise BadModelError(f"The file is damaged: {key!r} claims to have {count} elements.")
    if number == STRING:
        return name, tuple(read_one() for _ in range(count))
    layout = f"<{count}{SCALARS[number][1][1]}"
    return name, struct.unpack(layout, cursor.take(count * smallest, repr(key)))


def _reader(cursor: _Cursor, number: int, key: str) -> tuple[str, Callable[[], Scalar]]:
    """The name of a value type and a function that reads one value of it."""
    if number == STRING:
        return "string", lambda: cursor.string(repr(key))
    if number not in SCALARS:
        raise BadModelError(f"The file is damaged: {key!r} has the unknown value type {number}.")
    name, layout = SCALARS[number]
    return name, lambda: cursor.scalar(layout, repr(key))


def _alignment(metadata: tuple[Entry, ...]) -> int:
    entry = next((entry for entry in metadata if entry.key == "general.alignment"), None)
    if entry is None:
        return DEFAULT_ALIGNMENT
    value = entry.value
    if entry.type != "uint32" or not isinstance(value, int) or value <= 0 or value & (value - 1):
        raise BadModelError("The file is damaged: general.alignment is no power of two.")
    return value


def _tensor(cursor: _Cursor, alignment: int, expected_offset: int) -> Tensor:
    start = cursor.position
    name = cursor.string("a tensor's name")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise BadModelError(f"The file is damaged: the tensor name at byte {start} is too long.")
    dimensions = cursor.count("<I", f"the dimensions of {name!r}")
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise BadModelError(
            f"The file is damaged: {name!r} claims {dimensions} dimensions, not 1 to 4."
        )
    shape = tuple(cursor.count("<Q", f"the shape of {name!r}") for _ in range(dimensions))
    number = cursor.count("<I", f"the type of {name!r}")
    offset = cursor.count("<Q", f"the offset of {name!r}")
    if number not in TYPES:
        raise BadModelError(f"The file is damaged: {name!r} has the unknown tensor type {number}.")
    kind = TYPES[number]
    elements = math.prod(shape)
    if not 0 < elements < 2**63:
        raise BadModelError(
            f"The file is damaged: {name!r} has the impossible shape {list(shape)}."
        )
    if shape[0] % kind.block:
        raise BadModelError(
            f"The file is damaged: rows of {name!r} have {shape[0]} elements, no multiple of the "
            f"{kind.block} in a block of {kind.name}."
        )
    if offset != expected_offset:
        raise BadModelError(
            f"The file is damaged: {name!r} starts at byte {offset} of the tensor data, "
            f"not at {expected_offset} where the one before it ends."
        )
    size = kind.size(elements)
    return Tensor(name, shape, kind.name, elements, offset, size, padded(size, alignment))


def _unique(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadModelError(f"The file is damaged: the {what} {name!r} appears twice.")
        seen.add(name)
