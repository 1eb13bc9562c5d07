"""GGUF: read what a file says before its first weight, and predict its size to the byte."""

import math
import struct
from typing import Any

# Tensor type: (elements in a block, bytes of a block), from ggml. It has given up the types of the
# numbers that are missing.
BLOCKS = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    9: (32, 36),  # Q8_1
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    15: (256, 292),  # Q8_K
    16: (256, 66),  # IQ2_XXS
    17: (256, 74),  # IQ2_XS
    18: (256, 98),  # IQ3_XXS
    19: (256, 50),  # IQ1_S
    20: (32, 18),  # IQ4_NL
    21: (256, 110),  # IQ3_S
    22: (256, 82),  # IQ2_S
    23: (256, 136),  # IQ4_XS
    24: (1, 1),  # I8
    25: (1, 2),  # I16
    26: (1, 4),  # I32
    27: (1, 8),  # I64
    28: (1, 8),  # F64
    29: (256, 56),  # IQ1_M
    30: (1, 2),  # BF16
    34: (256, 54),  # TQ1_0
    35: (256, 66),  # TQ2_0
    39: (32, 17),  # MXFP4
    40: (64, 36),  # NVFP4
    41: (128, 18),  # Q1_0
    42: (64, 18),  # Q2_0
}
# The header as struct takes it: four bytes, a uint32 and two uint64, little-endian, no gaps.
HEADER = struct.Struct("<4sIQQ")  # magic, version, number of tensors, number of metadata pairs

# Value type: the number as struct takes it. A small letter is signed, its capital unsigned.
NUMBERS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
UINT32, UINT64 = NUMBERS[4], NUMBERS[10]
STRING, ARRAY = 8, 9


class Cursor:
    """A place in the data that only moves forward. Whoever reads past the end gets a ValueError."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes. A slice past the end would be too short without a word."""
        left = len(self.data) - self.at
        if size > left:
            raise ValueError(f"{size} bytes are promised at byte {self.at}, and {left} are left")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, kind: struct.Struct) -> Any:
        """One number."""
        return kind.unpack(self.take(kind.size))[0]

    def string(self) -> str:
        """Its length in bytes, then as many bytes of UTF-8."""
        return self.take(self.number(UINT64)).decode("utf-8")

    def value(self, kind: int) -> Any:
        """A metadata value of this type."""
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            element, length = self.number(UINT32), self.number(UINT64)
            return [self.value(element) for _ in range(length)]
        if kind not in NUMBERS:
            raise ValueError(f"there is no value type {kind}")
        return self.number(NUMBERS[kind])


def parse(data: bytes) -> dict[str, Any]:
    """What a GGUF file of version 2 or 3, little-endian, says before its first weight.

    A dict with these keys:
      "version"      int
      "n_tensors"    int
      "n_kv"         int, the number of metadata pairs
      "metadata"     dict of key -> value: int, float, bool, str, or a list of one of these
      "tensors"      list of dicts, in the file's order, each with "name" (str), "shape" (list of
                     int in the file's order: the row length first), "type" (int) and "offset"
                     (int, bytes from the start of the data section)
      "data_offset"  int, the byte at which the data section begins: a multiple of
                     general.alignment, or of 32 where that key is absent

    Raises ValueError where `data` does not begin with b"GGUF", has another version, names a value
    type or a tensor type that does not exist, or ends before everything that it promises is
    there, the last byte of every tensor included. Arrays inside arrays do not occur.
    """
    cursor = Cursor(data)
    magic, version, n_tensors, n_kv = HEADER.unpack(cursor.take(HEADER.size))
    if magic != b"GGUF":
        raise ValueError(f"the file begins with {magic!r}")
    if version not in (2, 3):
        raise ValueError(f"version {version} is not known here")

    metadata = {}
    for _ in range(n_kv):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.number(UINT32))

    tensors = []
    for _ in range(n_tensors):
        name = cursor.string()
        n_dims = cursor.number(UINT32)
        shape = [cursor.number(UINT64) for _ in range(n_dims)]
        kind = cursor.number(UINT32)
        if kind not in BLOCKS:
            raise ValueError(f"there is no tensor type {kind}")
        offset = cursor.number(UINT64)
        tensors.append({"name": name, "shape": shape, "type": kind, "offset": offset})

    data_offset = padded(cursor.at, metadata.get("general.alignment", 32))
    for tensor in tensors:
        if data_offset + tensor["offset"] + tensor_bytes(tensor) > len(data):
            raise ValueError(f"the data of {tensor['name']} are not all there")
    return {
        "version": version,
        "n_tensors": n_tensors,
        "n_kv": n_kv,
        "metadata": metadata,
        "tensors": tensors,
        "data_offset": data_offset,
    }


def file_size(tensors: list[dict[str, Any]], data_offset: int, alignment: int) -> int:
    """The bytes of a file with these tensors (dicts as in parse): where its data end.

    Every tensor takes its blocks and is padded to a multiple of `alignment`, the last one too.
    """
    return data_offset + sum(padded(tensor_bytes(tensor), alignment) for tensor in tensors)


def tensor_bytes(tensor: dict[str, Any]) -> int:
    """What the blocks of a tensor take, without padding."""
    elements, size = BLOCKS[tensor["type"]]
    return math.prod(tensor["shape"]) // elements * size


def padded(size: int, alignment: int) -> int:
    """`size`, rounded up to a multiple of `alignment`."""
    return size + -size % alignment
