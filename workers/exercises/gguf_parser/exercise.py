"""R3, a GGUF parser: ggml's docs/gguf.md, and gguf.cpp where the two differ.

Every file is written afresh by gguf-py or llama.cpp, and gguf-py's GGUFReader or our own careful
workers/gguf_file.py says what is in it.
"""

import math
import struct
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from workers import gguf_file, random_model
from workers.exercises.base import Answer, Example, Exercise, Failure, Student
from workers.exercises.showing import describe, show
from workers.ggml import BY_NAME, TYPES
from workers.quantize import Quantize, quantize
from workers.sandbox import Fault, Reply

ValueType = gguf.GGUFValueType
Tensor = dict[str, Any]

# One metadata pair, x.n = 7, and one tensor, w, of three F32 numbers: the head ends at byte 76.
SMALL_FILE = b"".join(
    (
        struct.pack("<4sIQQ", b"GGUF", 3, 1, 1),
        struct.pack("<Q3sII", 3, b"x.n", ValueType.UINT32, 7),
        struct.pack("<Q1sIQIQ", 1, b"w", 1, 3, BY_NAME["F32"].number, 0),
        bytes(20),
        struct.pack("<3f", 1.0, 0.5, -2.0),
        bytes(20),
    )
)

exercise = Exercise(
    key="exercise-gguf-parser",
    folder=Path(__file__).parent,
    examples=(
        Example(
            "parse",
            (SMALL_FILE,),
            {
                "version": 3,
                "n_tensors": 1,
                "n_kv": 1,
                "metadata": {"x.n": 7},
                "tensors": [{"name": "w", "shape": [3], "type": 0, "offset": 0}],
                "data_offset": 96,
            },
        ),
        # The file of the reading: a is 12 bytes and 20 of padding, b is 34 and 30.
        Example(
            "file_size",
            (
                [
                    {"name": "a", "shape": [3], "type": 0, "offset": 0},
                    {"name": "b", "shape": [32], "type": 8, "offset": 32},
                ],
                192,
                32,
            ),
            288,
        ),
    ),
)

PARTS = ("version", "n_tensors", "n_kv", "metadata", "tensors", "data_offset")
# How a reader says that a file is damaged, or stumbles over it: struct.error is just "error".
REFUSALS = ("ValueError", "error", "IndexError", "KeyError", "MemoryError")
WORDS = ("Grüße", "naïve", "日本語", "Ünïcödé", "слово", "λόγος", "🙂 ok", "plain", "two words", "")

INTEGERS = {
    ValueType.UINT8: (0, 2**8 - 1),
    ValueType.INT8: (-(2**7), 2**7 - 1),
    ValueType.UINT16: (0, 2**16 - 1),
    ValueType.INT16: (-(2**15), 2**15 - 1),
    ValueType.UINT32: (0, 2**32 - 1),
    ValueType.INT32: (-(2**31), 2**31 - 1),
    ValueType.UINT64: (0, 2**64 - 1),
    ValueType.INT64: (-(2**63), 2**63 - 1),
}
SCALARS = (
    *INTEGERS,
    ValueType.FLOAT32,
    ValueType.FLOAT64,
    ValueType.BOOL,
    ValueType.STRING,
)


@dataclass(frozen=True)
class Pair:
    """A metadata pair to be written; `element` is the type of an array's elements."""

    key: str
    value: Any
    type: ValueType
    element: ValueType | None = None


@dataclass(frozen=True)
class Written:
    """A file, and what GGUFReader finds in it."""

    data: bytes
    truth: dict[str, Any]
    end: int  # of the tensor infos: where the padding before the data section begins
    alignment: int


def write(pairs: list[Pair], tensors: dict[str, tuple[str, Any]], alignment: int = 0) -> Written:
    """A file by gguf-py. `tensors` has a type and data by name; alignment 0 leaves the key out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        if alignment:
            writer.add_custom_alignment(alignment)
        for pair in pairs:
            writer.add_key_value(pair.key, pair.value, pair.type, pair.element)
        for name, (kind, data) in tensors.items():
            raw = gguf.GGMLQuantizationType(BY_NAME[kind].number)
            writer.add_tensor(name, data, raw_dtype=raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        file = gguf_file.read(path)
        return Written(
            data=path.read_bytes(),
            truth=read(path),
            end=gguf_file.HEADER_BYTES + file.metadata_bytes + file.tensor_info_bytes,
            alignment=file.alignment,
        )


def read(path: Path) -> dict[str, Any]:
    """What gguf-py finds in a file, in the form that is asked of the student."""
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    return {
        "version": fields["GGUF.version"],
        "n_tensors": fields["GGUF.tensor_count"],
        "n_kv": fields["GGUF.kv_count"],
        "metadata": {k: value for k, value in fields.items() if not k.startswith("GGUF.")},
        "tensors": [
            {
                "name": tensor.name,
                "shape": tensor.shape.tolist(),
                "type": int(tensor.tensor_type),
                "offset": tensor.data_offset - int(reader.data_offset),
            }
            for tensor in reader.tensors
        ],
        "data_offset": int(reader.data_offset),
    }


def draw_value(rng: np.random.Generator, kind: ValueType) -> Any:
    """A value of a type; an integer far out in its range, below zero if it can be: signs show."""
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        step = int(rng.integers(0, (high - low) // 4))
        return low + step if low < 0 else high - step
    if kind is ValueType.FLOAT32:
        return float(np.float32(rng.standard_normal()))
    if kind is ValueType.FLOAT64:
        return float(rng.standard_normal())
    if kind is ValueType.BOOL:
        return bool(rng.integers(2))
    return draw_text(rng)


def draw_text(rng: np.random.Generator) -> str:
    """A few words, some of which take more bytes than they have characters."""
    return " ".join(str(word) for word in rng.choice(WORDS, int(rng.integers(1, 4))))


def draw_pairs(rng: np.random.Generator, kinds: tuple[ValueType, ...] = SCALARS) -> list[Pair]:
    """A pair of every type, in any order."""
    return [
        Pair(
            f"drawn.{kinds[place].name.lower()}_{place}",
            draw_value(rng, kinds[place]),
            kinds[place],
        )
        for place in rng.permutation(len(kinds))
    ]


def draw_tensors(rng: np.random.Generator, count: int) -> dict[str, tuple[str, Any]]:
    """Tensors of one to four different dimensions and of several types; their bytes are noise."""
    tensors = {}
    for number in range(count):
        name = f"blk.{number}.{rng.choice(['attn_q', 'ffn_up', 'größe', '重み'])}.weight"
        kind = str(rng.choice(["F32", "F16", "Q8_0", "Q5_0", "Q4_0"]))
        n_dims = 1 + (number + int(rng.integers(2))) % 4
        # All different, so that a shape read the wrong way round is another one.
        shape = [int(side) for side in rng.permutation(np.arange(2, 7))[: n_dims - 1]]
        columns = int(rng.integers(1, 4)) * 2 + 5
        if kind in ("F32", "F16"):
            dtype = np.float32 if kind == "F32" else np.float16
            tensors[name] = kind, rng.standard_normal((*shape, columns)).astype(dtype)
        else:
            row = columns * BY_NAME[kind].block_bytes
            tensors[name] = kind, rng.integers(0, 256, (*shape, row), dtype=np.uint8)
    return tensors


def parsed(student: Student, data: bytes) -> Answer:
    """What parse makes of a whole file: where it refuses one, that is said."""
    try:
        answer = student.call("parse", data)
    except Failure as found:
        if isinstance(found.__cause__, Fault) and found.__cause__.kind in REFUSALS:
            found.message = f"parse refuses a whole file. {found.message}"
            found.hint = (
                "Nothing is wrong with this file. What is read too short or too long shifts all "
                "that follows: print the position, the key and the type of every pair."
            )
        raise
    return Answer("parse(…)", answer.reply)


def entry(answer: Answer, name: str, among: Collection[str] = PARTS) -> Answer:
    """One part of a dict that parse returned, to be judged for itself."""
    parts = answer.value
    if not isinstance(parts, dict):
        answer.fail(f"{answer.function} is {describe(parts)}, not a dict.")
    if name not in parts:
        answer.fail(
            f"{answer.function} has no {name!r}.",
            expected=show(list(among)),
            got=show(list(parts)),
        )
    return Answer(f"{answer.function}[{name!r}]", Reply(parts[name], answer.reply.line))


def judge_metadata(answer: Answer, expected: dict[str, Any], mistakes: dict[str, Any]) -> None:
    """Hold the metadata against the file's, key by key; `mistakes` are whole dicts of metadata."""
    part = entry(answer, "metadata")
    got = part.value
    if not isinstance(got, dict):
        part.fail(f"{part.function} is {describe(got)}, not a dict.")
    missing = [key for key in expected if key not in got]
    extra = [key for key in got if key not in expected]
    if missing or extra:
        part.fail(
            f"{part.function} lacks {len(missing)} keys of the file and has {len(extra)} others.",
            expected=f"the key {missing[0]!r}" if missing else f"no key {show(extra[0])}",
            got=show(list(got)),
            hint=(
                "A string is its length, 8 bytes, then as many bytes of UTF-8. From the first "
                "value that is read too short or too long, all else is shifted."
            ),
        )
    for key, value in expected.items():
        one = Answer(f"{part.function}[{key!r}]", Reply(got[key], part.reply.line))
        one.equals(value, mistakes={hint: wrong[key] for hint, wrong in mistakes.items()})
        if isinstance(value, bool) and not isinstance(one.value, bool):
            one.fail(
                f"{one.function} is {show(one.value)}: type 7 is a bool.",
                expected=show(value),
                got=show(one.value),
                hint="A bool is one byte in the file, and True or False in Python.",
            )


def judge_tensors(answer: Answer, written: dict[str, Any]) -> None:
    """Hold the tensor infos against the file's, one field after the other."""
    part = entry(answer, "tensors")
    expected: list[Tensor] = written["tensors"]
    if not isinstance(part.value, list | tuple) or len(part.value) != len(expected):
        part.fail(f"{part.function} is {describe(part.value)}, not a list of {len(expected)}.")
    for number, (got, info) in enumerate(zip(part.value, expected, strict=True)):
        one = Answer(f"{part.function}[{number}]", Reply(got, part.reply.line))
        for name, value in info.items():
            mistakes: dict[str, Any] = {}
            if name == "shape":
                mistakes["Dimensions are wanted as the file has them, the row length first."] = (
                    value[::-1]
                )
            if name == "offset":
                mistakes[
                    "Leave the offset as the file has it: it counts from the data section."
                ] = value + written["data_offset"]
            entry(one, name, info).equals(value, mistakes=mistakes)


def judge_all(answer: Answer, truth: dict[str, Any]) -> None:
    """Hold a whole answer against a file."""
    for name in ("version", "n_tensors", "n_kv", "data_offset"):
        entry(answer, name).equals(truth[name])
    judge_metadata(answer, truth["metadata"], {})
    judge_tensors(answer, truth)


@exercise.check(
    "The header",
    points=1,
    hint="Four bytes of magic, the version in 4 bytes, then two counts of 8 bytes each.",
)
def header(student: Student, rng: np.random.Generator) -> None:
    # The file writes the architecture too, so that there are always more pairs than tensors.
    pairs = draw_pairs(rng, (ValueType.UINT32, ValueType.STRING, ValueType.BOOL))
    written = write(pairs, draw_tensors(rng, int(rng.integers(1, 3))))
    truth = written.truth
    # Versions 2 and 3 have the same layout.
    for version in (2, 3):
        data = written.data[:4] + struct.pack("<I", version) + written.data[8:]
        answer = parsed(student, data)
        fixed = "The version is what bytes 4 to 7 say: take it from there."
        entry(answer, "version").equals(version, mistakes={fixed: 5 - version})
    swapped = "The two counts have changed places: the number of tensors comes first."
    entry(answer, "n_tensors").equals(truth["n_tensors"], mistakes={swapped: truth["n_kv"]})
    entry(answer, "n_kv").equals(truth["n_kv"], mistakes={swapped: truth["n_tensors"]})


@exercise.check(
    "Values of every type",
    points=2,
    hint="For each type of the table: how many bytes, signed or not, and what does Python call it?",
)
def values(student: Student, rng: np.random.Generator) -> None:
    written = write(draw_pairs(rng, SCALARS * 2), {})
    metadata = written.truth["metadata"]
    answer = parsed(student, written.data)
    judge_metadata(answer, metadata, mistakes_of_values(metadata))


def mistakes_of_values(metadata: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Metadata as they come out of misread types, by hint. Keys name the type that was drawn."""
    counts = {kind.name.lower(): high - low + 1 for kind, (low, high) in INTEGERS.items()}

    def other_sign(key: str, value: Any) -> Any:
        count = counts.get(key.removeprefix("drawn.").rpartition("_")[0])
        if count is None:
            return value
        return value + count if value < 0 else value - count

    def over_text(change: Callable[[str], Any]) -> dict[str, Any]:
        return {k: change(v) if isinstance(v, str) else v for k, v in metadata.items()}

    return {
        "The sign is lost, or one too many: types 1, 3, 5 and 11 are signed, 0, 2, 4 and 10 not.": {
            key: other_sign(key, value) for key, value in metadata.items()
        },
        "Text is UTF-8 in a GGUF file: decode the bytes as that.": over_text(
            lambda text: text.encode().decode("latin-1")
        ),
        "The bytes of a string still have to be decoded, as UTF-8.": over_text(str.encode),
    }


@exercise.check(
    "Arrays",
    points=2,
    hint=(
        "After the type 9 come the type of the elements, 4 bytes, and their number, 8 bytes; then "
        "the elements, each as if it stood alone but without a type of its own."
    ),
)
def arrays(student: Student, rng: np.random.Generator) -> None:
    pairs = [
        Pair(
            f"drawn.{kind.name.lower()}_array",
            [draw_value(rng, kind) for _ in range(rng.integers(1, 9))],
            ValueType.ARRAY,
            kind,
        )
        for kind in SCALARS
    ]
    written = write([pairs[place] for place in rng.permutation(len(pairs))], {})
    judge_metadata(parsed(student, written.data), written.truth["metadata"], {})


@exercise.check(
    "Tensor infos",
    points=2,
    hint=(
        "Each is a name, the number of dimensions (4 bytes), the dimensions (8 each), the tensor "
        "type (4) and the offset (8)."
    ),
)
def infos(student: Student, rng: np.random.Generator) -> None:
    written = write(draw_pairs(rng, SCALARS[:4]), draw_tensors(rng, int(rng.integers(6, 10))))
    answer = parsed(student, written.data)
    judge_tensors(answer, written.truth)


@exercise.check(
    "Where the data begin",
    points=1,
    hint=(
        "The end of the tensor infos, rounded up to the next multiple of the alignment: 32, unless "
        "general.alignment says otherwise."
    ),
)
def start(student: Student, rng: np.random.Generator) -> None:
    # 0 is a file without the key; the last one's infos end where the data may begin at once.
    drawn = [int(rng.choice([64, 128, 256])), int(rng.choice([8, 16])), 0]
    for alignment, flush in (*((alignment, False) for alignment in drawn), (0, True)):
        filler = Pair("drawn.filler", "x" * int(rng.integers(1, 60)), ValueType.STRING)
        # Without tensors: a wrong start would make theirs seem cut off, which is another matter.
        written = write([filler], {}, alignment)
        # So many characters more bring the end to a multiple of the alignment, or just past one.
        more = -written.end % written.alignment + (0 if flush else int(rng.integers(1, 8)))
        longer = Pair(filler.key, filler.value + "x" * more, filler.type)
        written = write([longer], {}, alignment)
        end, right = written.end, written.truth["data_offset"]
        entry(parsed(student, written.data), "data_offset").equals(
            right,
            mistakes={
                "The file has its own alignment: look up general.alignment in the metadata.": (
                    gguf_file.padded(end, 32)
                ),
                "The padding is missing: the data section begins at a multiple of the alignment.": (
                    end
                ),
                "Where the infos end at a multiple of the alignment already, nothing is padded.": (
                    right + written.alignment
                ),
                "You round down, into the tensor infos. Round up.": right - written.alignment,
            },
        )


@exercise.check(
    "The size, to the byte",
    points=2,
    hint=(
        "For every tensor: elements divided by those in a block, times the bytes of a block, "
        "rounded up to a multiple of the alignment. Their sum comes after data_offset."
    ),
)
def size(student: Student, rng: np.random.Generator) -> None:
    for alignment in (0, int(rng.choice([64, 128, 256])), 8):
        drawn = draw_tensors(rng, int(rng.integers(2, 5)))
        # An odd number of F32 leaves something to pad at the end of the file too.
        last = rng.standard_normal(int(rng.integers(3, 40)) * 2 + 1).astype(np.float32)
        written = write([], {**drawn, "output_norm.weight": ("F32", last)}, alignment)
        tensors: list[Tensor] = written.truth["tensors"]
        at, step = written.truth["data_offset"], written.alignment
        bare = [tensor_bytes(tensor) for tensor in tensors]
        padded = [gguf_file.padded(count, step) for count in bare]
        student.call("file_size", tensors, at, step).equals(
            len(written.data),
            mistakes={
                "Nothing is padded: each tensor ends at a multiple of the alignment.": at
                + sum(bare),
                "The last tensor is padded too, up to the end of the file.": at
                + sum(padded[:-1])
                + bare[-1],
                "You pad to 32 whatever the alignment is: take it from the arguments.": at
                + sum(gguf_file.padded(count, 32) for count in bare),
                "That is the data section alone. The file begins data_offset bytes earlier.": sum(
                    padded
                ),
                "A block stands for several elements: divide by their number first.": at
                + sum(
                    gguf_file.padded(
                        math.prod(tensor["shape"]) * TYPES[tensor["type"]].block_bytes, step
                    )
                    for tensor in tensors
                ),
                "That takes the row length for all elements: multiply all dimensions.": at
                + sum(
                    gguf_file.padded(TYPES[tensor["type"]].size(tensor["shape"][0]), step)
                    for tensor in tensors
                ),
                "A tensor that ends at a multiple of the alignment already gets no padding.": at
                + sum(count + step - count % step for count in bare),
                "You pad the sum. Every tensor is padded for itself.": at
                + gguf_file.padded(sum(bare), step),
            },
        )


def tensor_bytes(tensor: Tensor) -> int:
    """The bytes of a tensor, without padding."""
    return TYPES[tensor["type"]].size(math.prod(tensor["shape"]))


@exercise.check(
    "A model that llama.cpp has quantized",
    points=1,
    hint="The pieces are right and a real file is not: what does it have that they do not?",
)
def model(student: Student, rng: np.random.Generator) -> None:
    shape = random_model.Shape(
        n_layer=int(rng.integers(1, 3)), n_embd=256, n_ff=int(rng.choice([256, 512])), n_head=8
    )
    kind = str(rng.choice(["Q4_K_M", "Q5_K_M", "Q6_K", "Q3_K_M", "Q2_K", "Q8_0", "Q5_1"]))
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.gguf", Path(folder) / "small.gguf"
        random_model.write(whole, shape, seed=int(rng.integers(1 << 30)))
        for _ in quantize(Quantize(str(whole), kind, str(small), threads=1)):
            pass
        truth, data = read(small), small.read_bytes()
    judge_all(parsed(student, data), truth)
    student.call("file_size", truth["tensors"], truth["data_offset"], 32).equals(len(data))


@exercise.check(
    "Damaged files",
    points=2,
    hint=(
        "Before you take bytes, compare how many are wanted with how many are left. A slice past "
        "the end is short without a word, and struct.error is no ValueError."
    ),
)
def damaged(student: Student, rng: np.random.Generator) -> None:
    kinds = (ValueType.UINT32, ValueType.STRING, ValueType.FLOAT64)
    array = Pair("drawn.array", [int(n) for n in rng.integers(0, 9, 5)], ValueType.ARRAY)
    written = write([*draw_pairs(rng, kinds), array], draw_tensors(rng, 3))
    # Who refuses everything has understood nothing.
    try:
        judge_all(parsed(student, written.data), written.truth)
    except Failure as found:
        found.hint = found.hint or "This file is still whole: the checks above say more about it."
        raise
    for damage in damages(rng, written):
        try:
            answer = student.attempt("parse", damage.data)
        except Fault as fault:
            # What UTF-8 cannot decode is a ValueError of its own kind.
            if fault.kind in ("ValueError", "UnicodeDecodeError"):
                continue
            raise Failure(
                f"For a file {damage.what}, parse raises {fault.kind}: "
                f"{fault.message.rstrip('.')}.",
                expected="ValueError",
                got=fault.kind,
                hint=damage.hint,
                line=fault.line,
            ) from None
        answer.fail(
            f"parse takes a file {damage.what} for a whole one.",
            expected="ValueError",
            got=show(answer.value),
            hint=damage.hint,
        )


@dataclass(frozen=True)
class Damage:
    """A file with one thing broken, in words what that is, and a hint if the check's is none."""

    what: str
    data: bytes
    hint: str = ""


HEAD = "Look at the magic and the version before you read on; 2 and 3 are the versions to read."
TYPE = "Ask whether your table has the type before you look it up: a KeyError is no ValueError."
PLACE = "For every tensor, compare data_offset + offset + its bytes with len(data)."


def damages(rng: np.random.Generator, written: Written) -> list[Damage]:
    """The file with one thing broken at a time."""
    data, at = written.data, places(written)

    def patched(place: int, layout: str, value: Any) -> bytes:
        part = struct.pack(layout, value)
        return data[:place] + part + data[place + len(part) :]

    magic = (b"GGML", b"GGJT", b"gguf", b"FUGG", b"PK\x03\x04")[int(rng.integers(5))]
    # Version 1 has other counts, and 3 in the highest byte is a big-endian file.
    versions = int(rng.integers(2)), int(rng.choice([4, 5, 77, 3 << 24]))
    kind, tensor = int(rng.integers(13, 99)), int(rng.choice([4, 5, 31, 32, 33, 36, 37, 38, 999]))
    last, start = written.truth["tensors"][-1], written.truth["data_offset"]
    data_end = start + last["offset"] + tensor_bytes(last)

    def cut(place: int) -> Damage:
        hint = PLACE if place >= start else ""
        return Damage(f"of {len(data)} bytes, cut off after {place}", data[:place], hint)

    return [
        Damage(f"that begins with {magic!r}", patched(0, "4s", magic), HEAD),
        *(Damage(f"of version {each}", patched(4, "<I", each), HEAD) for each in versions),
        Damage(f"with a value of type {kind}", patched(at["type"], "<I", kind), TYPE),
        Damage(f"with a tensor of type {tensor}", patched(at["tensor type"], "<I", tensor), TYPE),
        cut(0),
        cut(int(rng.integers(1, 4))),
        cut(int(rng.integers(4, 24))),
        *(cut(int(place)) for place in rng.integers(24, written.end, 6)),
        cut(int(rng.integers(start, data_end))),
        cut(data_end - 1),
        # In the tensor infos the offset follows the type.
        Damage(
            "whose first tensor would lie behind its end",
            patched(at["tensor type"] + 4, "<Q", gguf_file.padded(len(data), written.alignment)),
            PLACE,
        ),
        # Last what keeps a reader busy that does not look how much is left.
        Damage("that promises 10,000 metadata pairs", patched(16, "<Q", 10_000)),
        Damage("with a string that claims 2**60 bytes", patched(at["string"], "<Q", 1 << 60)),
        Damage("with an array that claims 2**40 elements", patched(at["array"], "<Q", 1 << 40)),
    ]


def places(written: Written) -> dict[str, int]:
    """Where some fields lie: a value type, a string's and an array's length, a tensor's type."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.gguf"
        path.write_bytes(written.data)
        file = gguf_file.read(path)
    # Before a value lie the length of its key (8 bytes), the key, and its type (4 bytes).
    types = {pair.type: pair.offset + 8 + len(pair.key.encode()) for pair in file.metadata}
    array = next(place for kind, place in types.items() if kind.startswith("array"))
    first = file.tensors[0]
    name = gguf_file.HEADER_BYTES + file.metadata_bytes + 8 + len(first.name.encode())
    return {
        "type": types["float64"],
        "string": types["string"] + 4,
        "array": array + 8,
        "tensor type": name + 4 + 8 * len(first.shape),
    }
