"""Quantization: numbers as small integers and a scale, from one scale for all to Q4_K."""

import numpy as np


def absmax_int8(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Quantize x, float64 of any shape, with one scale that puts the largest magnitude at 127.

    Returns the codes, int8 in the shape of x, and the scale: x is about scale * codes. For zeros
    only, codes and scale are 0.
    """
    raise NotImplementedError("write absmax_int8")


def zero_point_uint8(x: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Quantize x, float64 of any shape, over the range from its smallest to its largest value.

    The range always includes 0. Returns the codes, uint8 in the shape of x, cut to 0 … 255; the
    scale, the range divided by 255; and the zero point, the code that means 0. x is about
    scale * (codes - zero point). For zeros only, all three are 0.
    """
    raise NotImplementedError("write zero_point_uint8")


def blockwise(x: np.ndarray, bits: int, block: int) -> np.ndarray:
    """What is left of x, float64 (rows, columns), after absmax with a scale for each block.

    A block is `block` neighbours in a row, and columns is a multiple of it; the codes go from
    -(2**(bits - 1) - 1) to 2**(bits - 1) - 1. Returns codes times scale, float64 in the shape of
    x. A block of zeros stays zero.
    """
    raise NotImplementedError("write blockwise")


def quantize_q8_0(x: np.ndarray) -> np.ndarray:
    """The bytes of x, float32 (rows, columns), as Q8_0; columns is a multiple of 32.

    Returns uint8 (rows * columns / 32, 34), a row for each block: its scale d, float16 in 2 bytes,
    then 32 codes, int8.

    All in float32: d = max|x| / 127, r = 1 / d (0 where d is 0), code = x * r rounded to the
    nearest integer, halves away from zero. d becomes float16 only when it is stored.
    """
    raise NotImplementedError("write quantize_q8_0")


def dequantize_q8_0(blocks: np.ndarray) -> np.ndarray:
    """The numbers that Q8_0 bytes, uint8 (n, 34), stand for: float32 (n, 32)."""
    raise NotImplementedError("write dequantize_q8_0")


def quantize_q4_0(x: np.ndarray) -> np.ndarray:
    """The bytes of x, float32 (rows, columns), as Q4_0; columns is a multiple of 32.

    Returns uint8 (rows * columns / 32, 18), a row for each block: its scale d, float16 in 2 bytes,
    then 32 codes of 4 bits. Byte j of these 16 holds code j in its low half and code j + 16 in its
    high half.

    All in float32: m is the value of largest magnitude with its sign, the first one if there are
    several; d = m / -8, which is -0.0 for a block of zeros; r = 1 / d (0 where d is 0);
    code = the integer part of x * r + 8.5, and at most 15. d becomes float16 only when it is
    stored.
    """
    raise NotImplementedError("write quantize_q4_0")


def dequantize_q4_0(blocks: np.ndarray) -> np.ndarray:
    """The numbers that Q4_0 bytes, uint8 (n, 18), stand for: float32 (n, 32)."""
    raise NotImplementedError("write dequantize_q4_0")


def dequantize_q4_k(blocks: np.ndarray) -> np.ndarray:
    """The numbers that Q4_K bytes, uint8 (n, 144), stand for: float32 (n, 256).

    A block: d and dmin, float16 (2 bytes each); 12 bytes of scales and minima; 128 bytes of codes.
    Its 256 codes are 8 groups of 32. Each 32 bytes hold two groups: group 2i in the low halves of
    bytes 32i … 32i + 31, group 2i + 1 in their high halves. In group g a code q stands for
    d * scale[g] * q - dmin * minimum[g].
    """
    raise NotImplementedError("write dequantize_q4_k")


def _scales_and_minima(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scales and the minima, 0 … 63, uint8 (n, 8) each, in 12 bytes: uint8 (n, 12).

    Those of groups 0 … 3 are the low six bits of bytes 0 … 3 and 4 … 7. Of groups 4 … 7, bytes
    8 … 11 hold the low four bits, and the two bits left over above are the high ones.
    """
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    scales = [first & 63, (third & 15) | (first >> 6 << 4)]
    minima = [second & 63, (third >> 4) | (second >> 6 << 4)]
    return np.concatenate(scales, axis=1), np.concatenate(minima, axis=1)
