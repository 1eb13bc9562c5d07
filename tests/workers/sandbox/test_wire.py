"""What goes over the wire comes back as it was, and nothing that comes is more than a value."""

import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from workers.sandbox import wire

NUMBERS = st.one_of(st.booleans(), st.integers(-(10**40), 10**40), st.floats())
KEYS = st.one_of(st.none(), st.text(), st.integers(), st.binary())
ARRAYS = npst.arrays(
    st.sampled_from([np.dtype(name) for name in sorted(wire.DTYPES)]),
    npst.array_shapes(min_dims=0, min_side=0, max_side=4),
)
VALUES = st.recursive(
    st.one_of(st.none(), NUMBERS, st.text(), st.binary(), ARRAYS),
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(KEYS, inner),
    ),
    max_leaves=12,
)
# Headers that are JSON, and like ours in kind: what random bytes hardly ever are.
HEADERS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(["list", "tuple", "dict", "int", "float", "bytes", "array", "<f8", "|b1"]),
        st.text(),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(st.sampled_from(["list", "tuple", "dict"]), st.lists(inner)).map(list),
        st.tuples(st.just("bytes"), st.integers(-1, 40)).map(list),
        st.tuples(
            st.just("array"),
            st.sampled_from([*sorted(wire.DTYPES), "|O", ">f8", "<c16", "<M8[s]", "f8,f8"]),
            st.lists(st.one_of(st.integers(-1, 3), st.just(2**62), st.booleans()), max_size=20),
            st.integers(-1, 64),
        ).map(list),
        st.dictionaries(st.text(), inner, max_size=2),
    ),
    max_leaves=8,
)


def there_and_back(value: Any) -> Any:
    frame = wire.pack(value)
    header, body = wire.sizes(frame[: wire.PREFIX.size])
    parts = frame[wire.PREFIX.size :]
    assert len(parts) == header + body
    return wire.unpack(parts[:header], parts[header:])


def same(one: Any, other: Any) -> bool:
    """The same kind, the same value, bit by bit, with NaN equal to itself."""
    if isinstance(one, np.ndarray):
        alike = isinstance(other, np.ndarray) and one.dtype == other.dtype
        return bool(alike and one.shape == other.shape and one.tobytes() == other.tobytes())
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


@settings(deadline=None)
@given(VALUES)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert same(there_and_back(value), value)


@settings(deadline=None)
@given(st.binary(), st.binary())
def test_bytes_of_any_kind_are_a_value_or_an_error(header: bytes, body: bytes) -> None:
    value_or_error(header, body)


@settings(deadline=None)
@given(HEADERS, st.binary(max_size=64))
def test_a_header_of_any_kind_is_a_value_or_an_error(header: Any, body: bytes) -> None:
    value_or_error(json.dumps(header).encode(), body)


def value_or_error(header: bytes, body: bytes) -> None:
    try:
        value = wire.unpack(header, body)
    except wire.WireError:
        return
    there_and_back(value)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (["array", "|O", [1], 8], bytes(8)),
        (["array", "<M8[s]", [1], 8], bytes(8)),
        (["array", "<f8", [-1, -1], 8], bytes(8)),
        (["array", "<f8", [2**32, 2**32], 0], b""),
        (["array", "<f8", [0, 2**63], 0], b""),
        (["array", "<f8", [2**62, 2, 0, 2**62], 0], b""),
        (["array", "<f8", [1] * 40, 8], bytes(8)),
        (["array", "<f8", [True], 8], bytes(8)),
        (["array", "<f8", [1.0], 8], bytes(8)),
        (["array", "<f8", [2], 8], bytes(8)),
        (["array", "<f8", [1], 16], bytes(8)),
        (["array", "<f8", [1], -8], bytes(8)),
        (["array", "|b1", [2], 2], b"\1\2"),
        (["bytes", 10**30], b""),
        (["int", "9" * 5000], b""),
        (["int", "0x10"], b""),
        (["float", "1.5"], b""),
        (["dict", [[["list", []], 1]]], b""),
        (["dict", [[1]]], b""),
        (["dict", {"a": 1}], b""),
        (["object", "os.system"], b""),
        ({"a": 1}, b""),
        (1, b"left over"),
    ],
)
def test_what_could_be_more_than_a_value_is_refused(header: Any, body: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack(json.dumps(header).encode(), body)


def test_json_nested_beyond_measure_is_refused() -> None:
    for depth in (20, 100_000):
        header = b'["list",[' * depth + b"]]" * depth
        with pytest.raises(wire.WireError):
            wire.unpack(header, b"")


@pytest.mark.parametrize(
    "value",
    [
        object(),
        {1, 2},
        1j,
        np.array([object()]),
        np.array(["text"]),
        np.zeros(2, "datetime64[s]"),
        np.zeros(2, [("x", "f8")]),
        np.zeros(2, complex),
        10**1000,
        "x" * (wire.HEADER_LIMIT + 1),
        lambda: None,
    ],
)
def test_what_is_no_plain_value_is_not_sent(value: Any) -> None:
    with pytest.raises(wire.WireError):
        wire.pack(value)


def test_a_list_that_holds_itself_is_not_sent() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(wire.WireError, match="deep"):
        wire.pack(endless)


def test_arrays_in_another_byte_order_come_as_they_are_counted() -> None:
    value = np.array([1.5, -2.0], ">f8")

    assert there_and_back(value).tolist() == [1.5, -2.0]


def test_an_array_that_came_may_be_written_to_and_shares_nothing() -> None:
    body = bytearray(struct.pack("<d", 1.5))
    value = wire.unpack(b'["array","<f8",[1],8]', memoryview(body))
    body[:] = bytes(8)

    value[0] += 1

    assert value.tolist() == [2.5]
