"""Quantization: numbers as small integers and a scale, from one scale for all to Q4_K."""

import numpy as np

BLOCK = 32  # numbers that share a scale in Q8_0 and Q4_0


def absmax_int8(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Quantize x, float64 of any shape, with one scale that puts the largest magnitude at 127.

    Returns the codes, int8 in the shape of x, and the scale: x is about scale * codes. For zeros
    only, codes and scale are 0.
    """
    scale = float(np.abs(x).max()) / 127
    if scale == 0:
        return np.zeros(x.shape, dtype=np.int8), 0.0
    return np.round(x / scale).astype(np.int8), scale


def zero_point_uint8(x: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Quantize x, float64 of any shape, over the range from its smallest to its largest value.

    The range always includes 0. Returns the codes, uint8 in the shape of x, cut to 0 … 255; the
    scale, the range divided by 255; and the zero point, the code that means 0. x is about
    scale * (codes - zero point). For zeros only, all three are 0.
    """
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / 255
    if scale == 0:
        return np.zeros(x.shape, dtype=np.uint8), 0.0, 0
    zero = round(-low / scale)
    # From -1 to 1 the zero point is 127.5 rounded, 128, and 1 would become 256: too much for uint8.
    codes = np.clip(np.round(x / scale) + zero, 0, 255)
    return codes.astype(np.uint8), scale, zero


def blockwise(x: np.ndarray, bits: int, block: int) -> np.ndarray:
    """What is left of x, float64 (rows, columns), after absmax with a scale for each block.

    A block is `block` neighbours in a row, and columns is a multiple of it; the codes go from
    -(2**(bits - 1) - 1) to 2**(bits - 1) - 1. Returns codes times scale, float64 in the shape of
    x. A block of zeros stays zero.
    """
    blocks = x.reshape(-1, block)  # (n, block)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)  # (n, 1)
    codes = np.round(blocks * _inverse(scale))
    return (codes * scale).reshape(x.shape)


def quantize_q8_0(x: np.ndarray) -> np.ndarray:
    """The bytes of x, float32 (rows, columns), as Q8_0; columns is a multiple of 32.

    Returns uint8 (rows * columns / 32, 34), a row for each block: its scale d, float16 in 2 bytes,
    then 32 codes, int8. As quantize_row_q8_0_ref in llama.cpp's ggml-quants.c.
    """
    blocks = x.reshape(-1, BLOCK)  # (n, 32)
    d = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)  # (n, 1)
    codes = _round_half_away(blocks * _inverse(d)).astype(np.int8)
    return np.concatenate([_bytes(d), codes.view(np.uint8)], axis=1)


def dequantize_q8_0(blocks: np.ndarray) -> np.ndarray:
    """The numbers that Q8_0 bytes, uint8 (n, 34), stand for: float32 (n, 32)."""
    return _float16(blocks[:, 0:2]) * blocks[:, 2:].view(np.int8)


def quantize_q4_0(x: np.ndarray) -> np.ndarray:
    """The bytes of x, float32 (rows, columns), as Q4_0; columns is a multiple of 32.

    Returns uint8 (rows * columns / 32, 18), a row for each block: its scale d, float16 in 2 bytes,
    then 32 codes of 4 bits. Byte j of these 16 holds code j in its low half and code j + 16 in its
    high half. As quantize_row_q4_0_ref in llama.cpp's ggml-quants.c.
    """
    blocks = x.reshape(-1, BLOCK)  # (n, 32)
    # With its sign: it becomes exactly -8, the end of the sixteen codes that has no opposite.
    place = np.abs(blocks).argmax(axis=1)  # (n,)
    extreme = blocks[np.arange(len(blocks)), place, None]  # (n, 1)
    d = extreme / np.float32(-8)  # (n, 1)
    # Adding 8.5 and cutting off the fraction rounds, halves upwards, and makes the codes 0 … 16.
    shifted = (blocks * _inverse(d) + np.float32(8.5)).astype(np.uint8)
    codes = np.minimum(shifted, 15)  # (n, 32)
    packed = codes[:, :16] | codes[:, 16:] << 4  # (n, 16)
    return np.concatenate([_bytes(d), packed], axis=1)


def dequantize_q4_0(blocks: np.ndarray) -> np.ndarray:
    """The numbers that Q4_0 bytes, uint8 (n, 18), stand for: float32 (n, 32)."""
    packed = blocks[:, 2:]  # (n, 16)
    codes = np.concatenate([packed & 15, packed >> 4], axis=1)  # (n, 32)
    return _float16(blocks[:, 0:2]) * (codes.astype(np.float32) - 8)


def dequantize_q4_k(blocks: np.ndarray) -> np.ndarray:
    """The numbers that Q4_K bytes, uint8 (n, 144), stand for: float32 (n, 256).

    A block: d and dmin, float16 (2 bytes each); 12 bytes of scales and minima; 128 bytes of codes.
    Its 256 codes are 8 groups of 32. Each 32 bytes hold two groups: group 2i in the low halves of
    bytes 32i … 32i + 31, group 2i + 1 in their high halves. In group g a code q stands for
    d * scale[g] * q - dmin * minimum[g]. As dequantize_row_q4_K in llama.cpp's ggml-quants.c.
    """
    d, dmin = _float16(blocks[:, 0:2]), _float16(blocks[:, 2:4])  # (n, 1)
    scales, minima = _scales_and_minima(blocks[:, 4:16])  # (n, 8)
    packed = blocks[:, 16:].reshape(-1, 4, 32)  # (n, 4, 32): two groups in each 32 bytes
    codes = np.stack([packed & 15, packed >> 4], axis=2).reshape(-1, 8, 32)  # (n, 8, 32)
    step, lowest = (d * scales)[:, :, None], (dmin * minima)[:, :, None]  # (n, 8, 1)
    return (step * codes - lowest).reshape(-1, 256)


def _scales_and_minima(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scales and the minima, 0 … 63, uint8 (n, 8) each, in 12 bytes: uint8 (n, 12).

    Those of groups 0 … 3 are the low six bits of bytes 0 … 3 and 4 … 7. Of groups 4 … 7, bytes
    8 … 11 hold the low four bits, and the two bits left over above are the high ones.
    """
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    scales = [first & 63, (third & 15) | (first >> 6 << 4)]
    minima = [second & 63, (third >> 4) | (second >> 6 << 4)]
    return np.concatenate(scales, axis=1), np.concatenate(minima, axis=1)


def _inverse(scale: np.ndarray) -> np.ndarray:
    """1 / scale, and 0 where the scale is 0: a block of zeros gets the codes of zero."""
    return np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)


def _round_half_away(x: np.ndarray) -> np.ndarray:
    """The nearest integer as C's roundf takes it: 2.5 becomes 3, where np.round makes 2 of it."""
    whole = np.trunc(x)
    return whole + np.trunc(2 * (x - whole))


def _bytes(scale: np.ndarray) -> np.ndarray:
    """Scales, (n, 1), as the 2 bytes of a float16 each: uint8 (n, 2)."""
    return scale.astype("<f2").view(np.uint8)


def _float16(two: np.ndarray) -> np.ndarray:
    """The float16 in 2 bytes, uint8 (n, 2), as float32: (n, 1)."""
    return np.ascontiguousarray(two).view("<f2").astype(np.float32)
