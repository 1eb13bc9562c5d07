"""The messages between a sandbox and whoever asks it: one JSON header, then the bytes of arrays.

Whatever comes out of a sandbox is read as data and can be nothing else: no pickles, no names of
classes, no object arrays. This file is imported on both sides and knows only Python and NumPy.

A frame is two unsigned 64-bit numbers, the sizes of its parts; the header; and the blobs one after
the other. In the header a value is itself where JSON has it, and otherwise a list that begins with
its kind: ["list", items], ["tuple", items], ["dict", pairs], ["float", text], ["int", text],
["array", dtype, shape, size], ["bytes", size].
"""

import json
import math
import struct
from typing import Any

import numpy as np

# Little-endian numbers of these kinds and sizes: what NumPy has on every platform.
DTYPES = frozenset(
    ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
)
PREFIX = struct.Struct("<QQ")
HEADER_LIMIT = 2 << 20  # bytes
DEPTH_LIMIT = 16
DIGITS_LIMIT = 1000
UNKNOWN = "the header is not one of ours"


class WireError(Exception):
    """A value that cannot be sent, or bytes that are no message. The message says which."""


def pack(value: Any) -> bytes:
    """The frame of a value made of None, numbers, text, bytes, arrays, lists, tuples and dicts.

    Raises WireError for anything else.
    """
    blobs: list[bytes] = []
    header = json.dumps(_plain(value, blobs, 0), allow_nan=False).encode()
    if len(header) > HEADER_LIMIT:
        raise WireError(f"more than {HEADER_LIMIT >> 20} MiB of values that are no arrays")
    return b"".join((PREFIX.pack(len(header), sum(map(len, blobs))), header, *blobs))


def sizes(prefix: bytes) -> tuple[int, int]:
    """The bytes of header and blobs that follow a prefix."""
    header, body = PREFIX.unpack(prefix)
    return header, body


def unpack(header: bytes, body: bytes | memoryview) -> Any:
    """The value of a frame. Arrays are new and may be written to. Raises WireError."""
    try:
        plain = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise WireError("the header is no JSON") from error
    try:
        value, end = _rich(plain, memoryview(body), 0, 0)
    except (TypeError, ValueError, OverflowError, IndexError) as error:
        raise WireError(UNKNOWN) from error
    if end != len(body):
        raise WireError("the blobs do not fit the header")
    return value


def _plain(value: Any, blobs: list[bytes], depth: int) -> Any:  # noqa: PLR0911
    if depth > DEPTH_LIMIT:
        raise WireError(f"a value nested more than {DEPTH_LIMIT} deep")
    match value:
        case None | bool() | str():
            return value
        case np.ndarray() | np.generic():
            return _array(np.asarray(value), blobs)
        case int():
            if abs(value) >= 10**DIGITS_LIMIT:
                raise WireError(f"a number of more than {DIGITS_LIMIT} digits")
            return value if abs(value) < 2**53 else ["int", str(int(value))]
        case float():
            return value if math.isfinite(value) else ["float", repr(float(value))]
        case bytes() | bytearray():
            blobs.append(bytes(value))
            return ["bytes", len(value)]
        case list() | tuple():
            kind = "list" if isinstance(value, list) else "tuple"
            return [kind, [_plain(item, blobs, depth + 1) for item in value]]
        case dict():
            return [
                "dict",
                [
                    [_plain(key, blobs, depth + 1), _plain(item, blobs, depth + 1)]
                    for key, item in value.items()
                ],
            ]
    raise WireError(f"a value of type {type(value).__name__}")


def _array(value: "np.ndarray[Any, Any]", blobs: list[bytes]) -> Any:
    dtype = value.dtype.newbyteorder("<") if value.dtype.kind in "iufb" else value.dtype
    if dtype.str not in DTYPES:
        raise WireError(f"an array of dtype {value.dtype}")
    blobs.append(np.ascontiguousarray(value, dtype=dtype).tobytes())
    return ["array", dtype.str, list(value.shape), len(blobs[-1])]


def _rich(plain: Any, body: memoryview, at: int, depth: int) -> tuple[Any, int]:  # noqa: PLR0911
    """The value that `plain` stands for, and where the next blob begins."""
    if depth > DEPTH_LIMIT:
        raise WireError("the header is nested too deep")
    if plain is None or isinstance(plain, bool | int | float | str):
        return plain, at
    match plain:
        case ["list" | "tuple" as kind, [*items]]:
            values = []
            for item in items:
                value, at = _rich(item, body, at, depth + 1)
                values.append(value)
            return (values if kind == "list" else tuple(values)), at
        case ["dict", [*pairs]]:
            mapping = {}
            for left, right in pairs:
                key, at = _rich(left, body, at, depth + 1)
                mapping[key], at = _rich(right, body, at, depth + 1)
            return mapping, at
        case ["int", str(text)] if len(text) <= DIGITS_LIMIT + 1:
            return int(text), at
        case ["float", str(text)] if text in ("nan", "inf", "-inf"):
            return float(text), at
        case ["bytes", int(size)]:
            return bytes(_slice(body, at, size)), at + size
        case ["array", str(dtype), [*shape], int(size)] if dtype in DTYPES:
            return _read_array(dtype, shape, _slice(body, at, size)), at + size
    raise WireError(UNKNOWN)


def _slice(body: memoryview, at: int, size: int) -> memoryview:
    if size < 0 or at + size > len(body):
        raise WireError(UNKNOWN)
    return body[at : at + size]


def _read_array(dtype: str, shape: list[Any], data: memoryview) -> Any:
    if not all(type(side) is int and side >= 0 for side in shape) or len(shape) > DEPTH_LIMIT:
        raise WireError(UNKNOWN)
    if math.prod(shape) * np.dtype(dtype).itemsize != len(data):
        raise WireError(UNKNOWN)
    if dtype == "|b1" and np.frombuffer(data, dtype=np.uint8).max(initial=0) > 1:
        raise WireError(UNKNOWN)  # neither true nor false, or both
    return np.frombuffer(data, dtype=dtype).reshape(shape).copy()
