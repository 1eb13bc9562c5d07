"""GGUF: read what a file says before its first weight, and predict its size to the byte."""

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
    raise NotImplementedError("write parse")


def file_size(tensors: list[dict[str, Any]], data_offset: int, alignment: int) -> int:
    """The bytes of a file with these tensors (dicts as in parse): where its data end.

    Every tensor takes its blocks and is padded to a multiple of `alignment`, the last one too.
    """
    raise NotImplementedError("write file_size")
