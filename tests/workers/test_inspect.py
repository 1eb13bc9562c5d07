"""Reading GGUF files: to the last byte when whole, with one sentence when not."""

import json
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers import gguf_file, inspection
from workers.errors import BadModelError
from workers.events import Event
from workers.inspection import Inspect, Inspection


def inspect(path: Path) -> Inspection:
    work = inspection.inspect(Inspect(model=str(path)))
    events: list[Event] = []
    try:
        while True:
            events.append(next(work))
    except StopIteration as end:
        result: Inspection = end.value
        return result


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file of about a kilobyte with every kind of value in it."""
    path = tmp_path_factory.mktemp("small") / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("small")
    writer.add_uint32("a.number", 7)
    writer.add_float32("a.fraction", 0.5)
    writer.add_float32("a.hole", float("nan"))
    writer.add_bool("a.truth", True)
    writer.add_array("some.words", [f"word {number}" for number in range(40)])
    writer.add_array("some.numbers", list(range(20)))
    writer.add_tensor("first.weight", np.arange(96, dtype=np.float32).reshape(3, 32))
    writer.add_tensor("second.weight", np.arange(5, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_every_byte_of_a_file_is_accounted_for(model: Path) -> None:
    seen = inspect(model)
    assert seen.file_bytes == seen.expected_bytes == model.stat().st_size
    parts = (seen.header_bytes, seen.metadata_bytes, seen.tensor_info_bytes, seen.padding_bytes)
    assert sum(parts) == seen.data_offset
    assert seen.metadata_bytes == sum(entry.bytes for entry in seen.metadata)
    assert seen.padded_tensor_bytes == sum(tensor.padded_bytes for tensor in seen.tensors)
    assert seen.tensors[0].position == seen.data_offset
    assert seen.bits_per_weight == 32.0
    assert (seen.architecture, seen.version) == ("llama", 3)


def test_it_agrees_with_the_gguf_package(model: Path) -> None:
    seen, reader = inspect(model), gguf.GGUFReader(model)
    assert seen.data_offset == reader.data_offset
    assert [
        (tensor.name, tensor.shape, tensor.type, tensor.bytes, tensor.position)
        for tensor in seen.tensors
    ] == [
        (t.name, tuple(map(int, t.shape)), t.tensor_type.name, int(t.n_bytes), int(t.data_offset))
        for t in reader.tensors
    ]


def test_metadata_fits_into_json_and_long_arrays_are_cut(small: Path) -> None:
    seen = inspect(small)
    values = {entry.key: entry for entry in seen.metadata}
    assert values["a.number"].value == 7
    assert values["a.truth"].value is True
    assert values["a.hole"].value == "nan"
    assert values["some.words"].count == 40
    assert values["some.words"].value == tuple(f"word {number}" for number in range(16))
    assert json.dumps(asdict(seen), allow_nan=False)
    # The last tensor has 20 bytes and 12 of padding.
    assert (seen.tensors[1].bytes, seen.tensors[1].padded_bytes) == (20, 32)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadModelError, match=r"absent\.gguf cannot be read: no such file"):
        inspect(tmp_path / "absent.gguf")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"GG", "is no GGUF file"),
        (b"PK\x03\x04 a zip archive", "is no GGUF file"),
        (b"GGUF\x03\x00\x00\x00", "cut short"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "is GGUF version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "promises 9223372036854775808 tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**40), "promises 1099511627776 metadata entries"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60) + b"key and value", "a metadata key needs"),
    ],
)
def test_what_is_no_gguf_is_said_in_one_sentence(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "upload.gguf"
    path.write_bytes(content)
    with pytest.raises(BadModelError, match=complaint) as caught:
        inspect(path)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def change(small: Path, tmp_path: Path, old: bytes, new: bytes) -> Path:
    content = small.read_bytes()
    assert content.count(old) == 1
    path = tmp_path / "changed.gguf"
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b"a.fraction", b"a.fractio\xff", None),  # a broken character is no broken file
        (b"second.weight", b"first.weight\x00", None),
        (
            b"second.weight" + struct.pack("<I", 1),
            b"second.weight" + struct.pack("<I", 9),
            "claims 9 dimensions",
        ),
        (
            struct.pack("<QIQ", 5, 0, 384),
            struct.pack("<QIQ", 5, 0, 416),
            "starts at byte 416 of the tensor data, not at 384",
        ),
        (struct.pack("<QIQ", 5, 0, 384), struct.pack("<QIQ", 5, 200, 384), "tensor type 200"),
        (struct.pack("<QIQ", 5, 0, 384), struct.pack("<QIQ", 5, 8, 384), "no multiple of the 32"),
        (struct.pack("<QIQ", 5, 0, 384), struct.pack("<QIQ", 2**63, 0, 384), "impossible shape"),
        (struct.pack("<QIQ", 5, 0, 384), struct.pack("<QIQ", 2**40, 0, 384), "cut short"),
        (b"a.number", b"a.truth\x00", None),
    ],
)
def test_a_file_with_one_thing_changed(
    small: Path, tmp_path: Path, old: bytes, new: bytes, complaint: str | None
) -> None:
    path = change(small, tmp_path, old, new)
    if complaint is None:
        assert inspect(path).n_tensors == 2
        return
    with pytest.raises(BadModelError, match=complaint):
        inspect(path)


def test_a_tensor_or_a_key_that_appears_twice_is_refused(tmp_path: Path) -> None:
    entry = struct.pack("<Q", 1) + b"k" + struct.pack("<IB", 0, 1)
    path = tmp_path / "twice.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + entry + entry)
    with pytest.raises(BadModelError, match="metadata key 'k' appears twice"):
        inspect(path)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_file_cut_anywhere_is_refused(small: Path, data: Any) -> None:
    content = small.read_bytes()
    length = data.draw(st.integers(1, len(content) - 13))  # its last 12 bytes are only padding
    path = small.with_name("cut.gguf")
    path.write_bytes(content[:length])
    with pytest.raises(BadModelError):
        gguf_file.read(path)


@given(data=st.data())
@settings(max_examples=600, deadline=None)
def test_a_mutated_file_is_read_or_refused_and_nothing_else(small: Path, data: Any) -> None:
    content = bytearray(small.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 8))
        replacement = data.draw(
            st.one_of(
                st.binary(min_size=1, max_size=8),
                st.integers(0, 2**64 - 1).map(lambda number: struct.pack("<Q", number)),
            )
        )
        content[position : position + len(replacement)] = replacement
    path = small.with_name("mutated.gguf")
    path.write_bytes(content)
    complaint = None
    try:
        seen = inspect(path)
    except BadModelError as error:
        complaint = str(error)
    if complaint is None:
        assert seen.data_offset + seen.padded_tensor_bytes == seen.expected_bytes
        assert json.dumps(asdict(seen), allow_nan=False)
    else:
        assert len(complaint.splitlines()) == 1
