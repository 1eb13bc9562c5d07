"""The types a tensor can have, asked of the installed ggml: name, block length and block bytes."""

import ctypes
from dataclasses import dataclass
from pathlib import Path

import llama_cpp


@dataclass(frozen=True)
class TensorType:
    """A ggml type. A row is cut into blocks of `block` elements that take `block_bytes` bytes."""

    number: int
    name: str
    block: int
    block_bytes: int

    def size(self, elements: int) -> int:
        """Bytes of `elements` elements, which must be whole blocks."""
        return elements // self.block * self.block_bytes


def _installed_types() -> dict[int, TensorType]:
    library = ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
    library.ggml_type_name.restype = ctypes.c_char_p
    library.ggml_blck_size.restype = ctypes.c_int64
    library.ggml_type_size.restype = ctypes.c_size_t
    types = (
        TensorType(
            number,
            library.ggml_type_name(number).decode().upper(),
            library.ggml_blck_size(number),
            library.ggml_type_size(number),
        )
        for number in range(llama_cpp.GGML_TYPE_COUNT)
    )
    # Numbers of types that ggml gave up keep their place, with a block of no elements.
    return {kind.number: kind for kind in types if kind.block > 0}


TYPES = _installed_types()
BY_NAME = {kind.name: kind for kind in TYPES.values()}
