"""The figure `gguf-bytes`: pieces of the real file, every byte of them explained.

The places come from the careful reader, gguf_file; here they are only cut into smaller fields.
"""

import struct
from dataclasses import dataclass

from workers import gguf_file
from workers.forward import Model
from workers.gguf_file import SCALARS, STRING, Entry, Tensor

SHOWN_TOKENS = 4
SHOWN_FLOATS = 4
TYPE_NAMES = {number: name for number, (name, _) in SCALARS.items()} | {8: "string", 9: "array"}
TYPE_NUMBERS = {name: number for number, name in TYPE_NAMES.items()}


@dataclass(frozen=True)
class Field:
    """Some bytes that belong together: `offset` counts from the start of the file."""

    name: str
    type: str
    offset: int
    length: int
    value: str
    meaning: str
    part: str  # header, metadata, tensor info, padding or data


@dataclass(frozen=True)
class Window:
    """A piece of the file: its bytes as hex digits, and fields that cover it without a gap."""

    name: str
    offset: int
    bytes: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class GgufBytes:
    """Pieces of the file, in their order; between them bytes are left out."""

    model: str
    file_bytes: int
    data_offset: int
    windows: tuple[Window, ...]


class _Cutter:
    """Cuts the file into fields, one behind the other."""

    def __init__(self, data: bytes, offset: int, part: str) -> None:
        self.data = data
        self.offset = offset
        self.part = part
        self.fields: list[Field] = []

    def field(self, name: str, kind: str, length: int, value: str, meaning: str) -> None:
        self.fields.append(Field(name, kind, self.offset, length, value, meaning, self.part))
        self.offset += length

    def number(self, name: str, kind: str, meaning: str) -> int:
        """A whole number in little-endian order."""
        layout = SCALARS[TYPE_NUMBERS[kind]][1]
        (value,) = struct.unpack_from(layout, self.data, self.offset)
        self.field(name, kind, struct.calcsize(layout), str(value), meaning)
        return int(value)

    def string(self, name: str, meaning: str) -> None:
        """A length in 8 bytes, then so many bytes of text."""
        length = self.number(f"Length of {name}", "uint64", "So many bytes of text follow.")
        text = self.data[self.offset : self.offset + length].decode("utf-8", errors="replace")
        self.field(f"{name[0].upper()}{name[1:]}", "text, UTF-8", length, f"“{text}”", meaning)

    def value_type(self, what: str) -> int:
        (number,) = struct.unpack_from("<I", self.data, self.offset)
        name = TYPE_NAMES[number]
        self.field(what, "uint32", 4, f"{number}, {name}", f"What comes next: {name}.")
        return int(number)


def _header(cut: _Cutter) -> None:
    cut.field("Magic", "4 letters", 4, "“GGUF”", "Four letters say what kind of file this is.")
    (version,) = struct.unpack_from(">I", cut.data, cut.offset)
    cut.number(
        "Version",
        "uint32",
        f"From the other end it would read {version:,}: so one tells a big-endian file.",
    )
    cut.number("Number of tensors", "uint64", "So many tensor infos follow the metadata.")
    cut.number("Number of metadata pairs", "uint64", "So many pairs of key and value follow.")


def _pair(cut: _Cutter, entry: Entry) -> None:
    """A metadata pair with a value that is no array."""
    cut.string("the key", "Keys are words with dots between them, and have no closing zero.")
    kind = cut.value_type("Type of the value")
    if kind == STRING:
        cut.string("the value", f"The value of {entry.key}.")
        return
    name, layout = SCALARS[kind]
    length = struct.calcsize(layout)
    shown = f"{entry.value:.9g}" if name == "float32" else f"{entry.value}"
    cut.field("The value", name, length, shown, f"The value of {entry.key}.")


def _array(cut: _Cutter, tokens: tuple[gguf_file.Scalar, ...]) -> None:
    """The beginning of an array of strings: the vocabulary."""
    cut.string("the key", "This one holds the vocabulary: token 0, token 1, and so on.")
    cut.value_type("Type of the value")
    cut.value_type("Type of the elements")
    cut.number("Number of elements", "uint64", "One string for each token.")
    for index in range(SHOWN_TOKENS):
        cut.string(f"token {index}", f"{len(tokens) - index - 1} more follow in the file.")


def _tensor_info(cut: _Cutter, tensor: Tensor) -> None:
    cut.string("the name", "llama.cpp finds a tensor by its name.")
    cut.number("Number of dimensions", "uint32", "2 is a matrix, 1 a vector.")
    for index in range(len(tensor.shape)):
        meaning = "ne[0], the length of a row, comes first." if index == 0 else "ne[1]: the rows."
        cut.number(f"Dimension {index}", "uint64", meaning)
    cut.number(
        "Tensor type",
        "uint32",
        f"Type {struct.unpack_from('<I', cut.data, cut.offset)[0]} is {tensor.type}.",
    )
    cut.number("Offset", "uint64", "Where its data begin, from the start of the data section.")


def _padding(cut: _Cutter, file: gguf_file.GGUFFile) -> None:
    length = file.data_offset - cut.offset
    if length:
        cut.part = "padding"
        meaning = f"Zeros, so that the data begin at a multiple of {file.alignment}."
        cut.field("Padding", "zeros", length, f"{length} zeros", meaning)


def _data(cut: _Cutter, tensor: Tensor) -> None:
    cut.part = "data"
    for index in range(SHOWN_FLOATS):
        (value,) = struct.unpack_from("<f", cut.data, cut.offset)
        meaning = f"Element {index} of {tensor.name}; {tensor.elements - index - 1:,} more follow."
        cut.field(f"Weight {index}", "float32", 4, f"{value:.6g}", meaning)


def compute(model: Model) -> GgufBytes:
    """The header and first pairs, numbers, an array, a tensor info, and where the data begin."""
    file = gguf_file.read(model.path)
    data = model.path.read_bytes()[: file.data_offset + SHOWN_FLOATS * 4]
    entries = {entry.key: entry for entry in file.metadata}
    first, last = file.tensors[0], file.tensors[-1]

    def window(name: str, cut: _Cutter) -> Window:
        start = cut.fields[0].offset
        return Window(name, start, data[start : cut.offset].hex(), tuple(cut.fields))

    header = _Cutter(data, 0, "header")
    _header(header)
    header.part = "metadata"
    for entry in file.metadata[:2]:
        _pair(header, entry)

    numbers = _Cutter(data, entries["llama.attention.head_count_kv"].offset, "metadata")
    for key in ("llama.attention.head_count_kv", "llama.attention.layer_norm_rms_epsilon"):
        _pair(numbers, entries[key])

    vocabulary = entries["tokenizer.ggml.tokens"]
    array = _Cutter(data, vocabulary.offset, "metadata")
    if not isinstance(vocabulary.value, tuple):
        raise TypeError("The vocabulary is an array.")
    _array(array, vocabulary.value)

    infos = _Cutter(data, gguf_file.HEADER_BYTES + file.metadata_bytes, "tensor info")
    for tensor in file.tensors[:2]:
        _tensor_info(infos, tensor)

    # The last info: a name with its length, dimensions with theirs, type and offset.
    size = 8 + len(last.name.encode()) + 4 + 8 * len(last.shape) + 4 + 8
    infos_end = gguf_file.HEADER_BYTES + file.metadata_bytes + file.tensor_info_bytes
    end = _Cutter(data, infos_end - size, "tensor info")
    _tensor_info(end, last)
    _padding(end, file)
    _data(end, first)

    return GgufBytes(
        model=model.path.name,
        file_bytes=file.file_bytes,
        data_offset=file.data_offset,
        windows=(
            window("Header and first pairs", header),
            window("Numbers", numbers),
            window("An array", array),
            window("Tensor infos", infos),
            window("Where the data begin", end),
        ),
    )
