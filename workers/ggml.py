"""The types a tensor can have, asked of the installed ggml: name, block length and block bytes."""

import ctypes
from dataclasses import dataclass

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


# Through llama.cpp's own handle: loaded by its path, ggml would be a second copy beside the first.
LIBRARY = llama_cpp.llama_cpp._lib
LIBRARY.ggml_type_name.restype = ctypes.c_char_p
LIBRARY.ggml_blck_size.restype = ctypes.c_int64
LIBRARY.ggml_type_size.restype = ctypes.c_size_t


def _installed_types() -> dict[int, TensorType]:
    types = (
        TensorType(
            number,
            LIBRARY.ggml_type_name(number).decode().upper(),
            LIBRARY.ggml_blck_size(number),
            LIBRARY.ggml_type_size(number),
        )
        for number in range(llama_cpp.GGML_TYPE_COUNT)
    )
    # Numbers of types that ggml gave up keep their place, with a block of no elements.
    return {kind.number: kind for kind in types if kind.block > 0}


TYPES = _installed_types()
BY_NAME = {kind.name: kind for kind in TYPES.values()}
