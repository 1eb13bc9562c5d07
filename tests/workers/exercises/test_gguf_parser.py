"""The GGUF parser: right, wrong in the ways that people are wrong, and cheating."""

from pathlib import Path

import pytest

from tests.workers.exercises.grading import check, edited, failed, graded
from workers.exercises import EXERCISES
from workers.exercises.gguf_parser import solution, starter
from workers.exercises.gguf_parser.exercise import SMALL_FILE, read
from workers.exercises.grading import AGAIN, LOADS
from workers.ggml import TYPES

KEY = "exercise-gguf-parser"
SUM = "return data_offset + sum(padded(tensor_bytes(tensor), alignment) for tensor in tensors)"

# No struct, no class: a position that is handed on, and numbers made by int.from_bytes.
BY_HAND = """
import array

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 7: 1, 10: 8, 11: 8}
SIGNED = (1, 3, 5, 11)
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
          10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
          20: (32, 18), 23: (256, 136), 30: (1, 2)}

def piece(data, at, size):
    if at + size > len(data):
        raise ValueError("too short")
    return data[at:at + size], at + size

def integer(data, at, size, signed=False):
    raw, at = piece(data, at, size)
    return int.from_bytes(raw, "little", signed=signed), at

def text(data, at):
    size, at = integer(data, at, 8)
    raw, at = piece(data, at, size)
    return str(raw, "utf8"), at

def value(data, at, kind):
    if kind == 8:
        return text(data, at)
    if kind == 9:
        inner, at = integer(data, at, 4)
        count, at = integer(data, at, 8)
        items = []
        while len(items) < count:
            item, at = value(data, at, inner)
            items.append(item)
        return tuple(items), at
    if kind in (6, 12):
        raw, at = piece(data, at, 4 if kind == 6 else 8)
        return array.array("f" if kind == 6 else "d", raw)[0], at
    if kind not in SIZES:
        raise ValueError("value type")
    number, at = integer(data, at, SIZES[kind], kind in SIGNED)
    return (number != 0 if kind == 7 else number), at

def parse(data):
    if data[:4] != b"GGUF":
        raise ValueError("magic")
    version, at = integer(data, 4, 4)
    if version != 2 and version != 3:
        raise ValueError("version")
    n_tensors, at = integer(data, at, 8)
    n_kv, at = integer(data, at, 8)
    metadata, tensors = {}, []
    for _ in range(n_kv):
        key, at = text(data, at)
        kind, at = integer(data, at, 4)
        metadata[key], at = value(data, at, kind)
    for _ in range(n_tensors):
        name, at = text(data, at)
        n_dims, at = integer(data, at, 4)
        shape = []
        for _ in range(n_dims):
            side, at = integer(data, at, 8)
            shape.append(side)
        kind, at = integer(data, at, 4)
        offset, at = integer(data, at, 8)
        tensors.append(dict(name=name, shape=tuple(shape), type=kind, offset=offset))
    alignment = metadata["general.alignment"] if "general.alignment" in metadata else 32
    while at % alignment:
        at += 1
    if any(tensor["type"] not in BLOCKS for tensor in tensors):
        raise ValueError("tensor type")
    if any(at + tensor["offset"] + bare(tensor) > len(data) for tensor in tensors):
        raise ValueError("data")
    return {"version": version, "n_tensors": n_tensors, "n_kv": n_kv, "metadata": metadata,
            "tensors": tensors, "data_offset": at}

def bare(tensor):
    size = BLOCKS[tensor["type"]][1] / BLOCKS[tensor["type"]][0]
    for side in tensor["shape"]:
        size *= side
    return int(size)

def file_size(tensors, data_offset, alignment):
    end = data_offset
    for tensor in tensors:
        end += bare(tensor)
        end += (alignment - end % alignment) % alignment
    return end
"""


@pytest.mark.parametrize("seed", range(5))
def test_another_way_to_write_it_passes(seed: int) -> None:
    assert failed(graded(KEY, BY_HAND, seed=seed)) == []


def test_the_table_that_is_given_is_that_of_ggml() -> None:
    assert starter.BLOCKS == solution.BLOCKS
    assert {
        number: (kind.block, kind.block_bytes) for number, kind in TYPES.items()
    } == starter.BLOCKS


def test_the_example_is_a_file_that_gguf_py_reads_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(SMALL_FILE)

    assert read(path) == EXERCISES[KEY].examples[0].expected


@pytest.mark.parametrize(
    ("old", "new", "name", "hint"),
    [
        (
            "magic, version, n_tensors, n_kv =",
            "magic, version, n_kv, n_tensors =",
            "The header",
            "",
        ),
        ('"version": version', '"version": 3', "The header", "bytes 4 to 7"),
        ('1: struct.Struct("<b")', '1: struct.Struct("<B")', "Values of every type", "signed"),
        ('11: struct.Struct("<q")', '11: struct.Struct("<Q")', "Values of every type", "signed"),
        ('10: struct.Struct("<Q")', '10: struct.Struct("<q")', "Values of every type", "signed"),
        ('7: struct.Struct("<?")', '7: struct.Struct("<B")', "Values of every type", "one byte"),
        ('7: struct.Struct("<?")', '7: struct.Struct("<I")', "Values of every type", ""),
        ('decode("utf-8")', 'decode("latin-1")', "Values of every type", "Text is UTF-8"),
        (
            "return [self.value(element) for _ in range(length)]",
            "return [self.value(self.number(UINT32)) for _ in range(length)]",
            "Arrays",
            "",
        ),
        (
            "shape = [cursor.number(UINT64) for _ in range(n_dims)]",
            "shape = [cursor.number(UINT64) for _ in range(n_dims)][::-1]",
            "Tensor infos",
            "as the file has them",
        ),
        (
            'metadata.get("general.alignment", 32)',
            "32",
            "Where the data begin",
            "its own alignment",
        ),
        (
            'padded(cursor.at, metadata.get("general.alignment", 32))',
            "cursor.at",
            "Where the data begin",
            "padding is missing",
        ),
        (
            "return size + -size % alignment",
            "return size + alignment - size % alignment",
            "Where the data begin",
            "nothing is padded",
        ),
        (
            "return size + -size % alignment",
            "return size // alignment * alignment",
            "Where the data begin",
            "Round up",
        ),
        (
            "padded(tensor_bytes(tensor), alignment) for",
            "tensor_bytes(tensor) for",
            "The size, to the byte",
            "Nothing is padded",
        ),
        (
            SUM,
            "return data_offset + tensors[-1]['offset'] + tensor_bytes(tensors[-1])",
            "The size, to the byte",
            "The last tensor is padded too",
        ),
        (
            SUM,
            "return data_offset + padded(sum(map(tensor_bytes, tensors)), alignment)",
            "The size, to the byte",
            "padded for itself",
        ),
        (
            "padded(tensor_bytes(tensor), alignment) for",
            "padded(tensor_bytes(tensor), 32) for",
            "The size, to the byte",
            "You pad to 32",
        ),
        ("return data_offset + sum", "return sum", "The size, to the byte", "data section alone"),
        (" // elements * size", " * size", "The size, to the byte", "stands for several"),
        ("if size > left:", "if False:", "Damaged files", "short without a word"),
        ('if magic != b"GGUF":', "if False:", "Damaged files", "the magic and the version"),
        (
            "if version not in (2, 3):",
            "if version > 3:",
            "Damaged files",
            "the magic and the version",
        ),
        ("> len(data):", "> 2**63:", "Damaged files", "For every tensor"),
        (
            "for tensor in tensors:\n        if",
            "for tensor in tensors[-1:]:\n        if",
            "Damaged files",
            "For every tensor",
        ),
        ("if kind not in BLOCKS:", "if False:", "Damaged files", "a KeyError is no ValueError"),
        ("        if kind not in NUMBERS:\n", "        if False:\n", "Damaged files", ""),
    ],
)
def test_a_mistake_fails_at_its_check_with_its_hint(
    old: str, new: str, name: str, hint: str
) -> None:
    verdict = graded(KEY, edited(KEY, old, new))

    assert not verdict.passed
    assert name in failed(verdict)
    assert hint in check(verdict, name).hint


def test_an_offset_from_the_start_of_the_file_is_found_out() -> None:
    source = edited(
        KEY,
        '    return {\n        "version"',
        (
            '    for tensor in tensors:\n        tensor["offset"] += data_offset\n'
            '    return {\n        "version"'
        ),
    )

    assert "counts from the data section" in check(graded(KEY, source), "Tensor infos").hint


def test_a_whole_file_that_is_refused_is_said_to_be_whole() -> None:
    source = edited(KEY, '7: struct.Struct("<?")', '7: struct.Struct("<I")')

    found = check(graded(KEY, source), "Values of every type")

    assert found.message.startswith("parse refuses a whole file. Line ")
    assert "shifts all that follows" in found.hint


def test_a_field_that_is_missing_is_told_with_its_place() -> None:
    source = edited(KEY, '"type": kind, "offset": offset}', '"kind": kind, "offset": offset}')
    source = source.replace(
        'BLOCKS[tensor["type"]]', 'BLOCKS[tensor.get("type", tensor.get("kind"))]'
    )

    found = check(graded(KEY, source), "Tensor infos")

    assert found.message == "parse(…)['tensors'][0] has no 'type'."
    assert found.expected == "['name', 'shape', 'type', 'offset']"
    assert found.got == "['name', 'shape', 'kind', 'offset']"


def test_an_error_of_another_kind_is_named_with_its_line() -> None:
    source = edited(KEY, "if size > left:", "if False:")

    found = check(graded(KEY, source), "Damaged files")

    assert (found.expected, found.got) == ("ValueError", "error")
    assert found.line == 1 + source[: source.index("HEADER.unpack(cursor")].count("\n")


def test_gguf_py_is_not_there_to_do_the_work() -> None:
    verdict = graded(KEY, f"import gguf\n{EXERCISES[KEY].solution}")

    assert verdict.points == 0
    assert "ModuleNotFoundError: No module named 'gguf'" in verdict.checks[0].message


def test_refusing_every_file_is_no_care() -> None:
    verdict = graded(
        KEY,
        "def parse(data):\n    raise ValueError('damaged')\n"
        "def file_size(tensors, data_offset, alignment):\n    return 288\n",
    )

    assert verdict.points == 0


def test_knowing_the_examples_by_heart_earns_the_examples_alone() -> None:
    parsed, size = (example.expected for example in EXERCISES[KEY].examples)
    verdict = graded(
        KEY,
        f"def parse(data):\n    return {parsed!r}\n"
        f"def file_size(tensors, data_offset, alignment):\n    return {size}\n",
    )

    assert verdict.points == 2
    assert len(failed(verdict)) == 8


def test_there_is_no_answer_to_be_found_around_the_call() -> None:
    """Everything that the process holds is searched for a dict that looks like the answer."""
    verdict = graded(
        KEY,
        "import gc, sys\n"
        "def found(name):\n"
        "    frame = sys._getframe()\n"
        "    while frame:\n"
        "        for place in (frame.f_locals, frame.f_globals):\n"
        "            for value in place.values():\n"
        "                if isinstance(value, dict) and name in value:\n"
        "                    return value\n"
        "        frame = frame.f_back\n"
        "    for value in gc.get_objects():\n"
        "        if isinstance(value, dict) and name in value:\n"
        "            return value\n"
        "def parse(data):\n"
        "    return found('data_offset')\n"
        "def file_size(tensors, data_offset, alignment):\n"
        "    return found('size_of_file')\n",
    )

    # It finds the same nothing twice.
    assert [name for name in failed(verdict) if name != AGAIN] == [
        result.name for result in verdict.checks if result.name not in (LOADS, AGAIN)
    ]
