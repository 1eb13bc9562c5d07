"""A graph described as data, checked, then built and computed by the installed ggml.

ggml's assertions end the process, so every rule that they guard is checked here first and told as
a GraphError. All tensors are F32; a NumPy shape is ne read backwards.
"""

import ctypes
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.ggml import BY_NAME, LIBRARY
from workers.llama_log import start

Array = NDArray[np.float32]
Ne = tuple[int, int, int, int]

NODE_LIMIT = 64
BYTES_LIMIT = 64 << 20  # of all results together
NAME_LIMIT = 63  # characters, GGML_MAX_NAME less the closing zero
F32 = BY_NAME["F32"]
SPARE = 1 << 20  # bytes: the graph's work buffer and rounding
TENSOR_OVERHEAD = 512  # bytes of a context for a tensor's description; 368 in ggml 0.25


class GraphError(Exception):
    """A description that is no graph, or one that ggml would stop at. The message says why."""


@dataclass(frozen=True)
class Node:
    """An operation: its result's name and its operands, names of tensors first, then numbers."""

    name: str
    op: str
    operands: tuple[str | float, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The operands that are tensors."""
        return tuple(operand for operand in self.operands if isinstance(operand, str))

    @property
    def numbers(self) -> tuple[float, ...]:
        """The operands that are numbers."""
        return tuple(operand for operand in self.operands if not isinstance(operand, str))


@dataclass(frozen=True)
class Shape:
    """What is known of a tensor before it is computed. `transposed`: rows do not lie in order."""

    ne: Ne
    transposed: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of its data, in F32."""
        return F32.size(math.prod(self.ne))


class _TensorStart(ctypes.Structure):
    """The first members of struct ggml_tensor (ggml.h)."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
    )


class _InitParams(ctypes.Structure):
    """struct ggml_init_params."""

    _fields_ = (
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    )


_POINTER, _INT, _LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_SIGNATURES: dict[str, tuple[list[Any], Any]] = {
    "ggml_init": ([_InitParams], _POINTER),
    "ggml_free": ([_POINTER], None),
    "ggml_new_tensor_4d": ([_POINTER, _INT, _LONG, _LONG, _LONG, _LONG], _POINTER),
    "ggml_set_name": ([_POINTER, ctypes.c_char_p], _POINTER),
    "ggml_get_name": ([_POINTER], ctypes.c_char_p),
    "ggml_get_data": ([_POINTER], _POINTER),
    "ggml_new_graph": ([_POINTER], _POINTER),
    "ggml_graph_overhead": ([], ctypes.c_size_t),
    "ggml_build_forward_expand": ([_POINTER, _POINTER], None),
    "ggml_graph_n_nodes": ([_POINTER], _INT),
    "ggml_graph_node": ([_POINTER, _INT], _POINTER),
    "ggml_graph_compute_with_ctx": ([_POINTER, _POINTER, _INT], _INT),
}


def _products(node: Node, a: Shape, b: Shape) -> Shape:
    left, right = node.sources
    if a.ne[0] != b.ne[0]:
        raise GraphError(
            f"{node.name}: mul_mat contracts ne[0] of both operands, and {left} has {a.ne[0]} "
            f"where {right} has {b.ne[0]}."
        )
    for axis in (2, 3):
        if b.ne[axis] % a.ne[axis]:
            raise GraphError(
                f"{node.name}: mul_mat repeats {left} along ne[{axis}], but {b.ne[axis]} of "
                f"{right} is no multiple of {a.ne[axis]}."
            )
    return Shape((a.ne[1], b.ne[1], b.ne[2], b.ne[3]))


def _elementwise(node: Node, a: Shape, b: Shape) -> Shape:
    left, right = node.sources
    if any(whole % part for whole, part in zip(a.ne, b.ne, strict=True)):
        raise GraphError(
            f"{node.name}: {node.op} repeats its second operand until it is as large as the first, "
            f"and {right} with ne {list(b.ne)} does not fit into {left} with {list(a.ne)}."
        )
    return Shape(a.ne)


def _same_shape(_: Node, a: Shape) -> Shape:
    return Shape(a.ne)


def _transposed(_: Node, a: Shape) -> Shape:
    return Shape((a.ne[1], a.ne[0], a.ne[2], a.ne[3]), not a.transposed)


@dataclass(frozen=True)
class _Operation:
    """How many tensors and numbers it takes, and the shape that comes of it."""

    tensors: int
    numbers: int
    shape: Callable[..., Shape]
    takes_transposed: bool = False


OPERATIONS: dict[str, _Operation] = {
    "mul_mat": _Operation(2, 0, _products),
    "add": _Operation(2, 0, _elementwise),
    "mul": _Operation(2, 0, _elementwise),
    "scale": _Operation(1, 1, _same_shape),
    "rms_norm": _Operation(1, 1, _same_shape),
    "silu": _Operation(1, 0, _same_shape),
    "soft_max": _Operation(1, 0, _same_shape),
    "transpose": _Operation(1, 0, _transposed, takes_transposed=True),
    "cont": _Operation(1, 0, _same_shape, takes_transposed=True),
}
for _name, _operation in OPERATIONS.items():
    _SIGNATURES[f"ggml_{_name}"] = (
        [_POINTER] * (1 + _operation.tensors) + [ctypes.c_float] * _operation.numbers,
        _POINTER,
    )
for _name, (_arguments, _returned) in _SIGNATURES.items():
    getattr(LIBRARY, _name).argtypes, getattr(LIBRARY, _name).restype = _arguments, _returned


def read(value: Any) -> tuple[Node, ...]:
    """The nodes of a list of (name, operation, [operands]). Raises GraphError for anything else."""
    if not isinstance(value, list | tuple) or not value:
        raise GraphError("A graph is a list of nodes, (name, operation, [operands]).")
    if len(value) > NODE_LIMIT:
        raise GraphError(f"The graph has {len(value)} nodes; at most {NODE_LIMIT} are allowed.")
    return tuple(_node(number, parts) for number, parts in enumerate(value))


def _node(number: int, parts: Any) -> Node:
    match parts:
        case [str(name), str(op), [*operands]]:
            pass
        case _:
            raise GraphError(
                f"Node number {number} is not of the form (name, operation, [operands])."
            )
    if not 0 < len(name) <= NAME_LIMIT or not name.isascii():
        raise GraphError(f"Node {number}: a name has 1 to {NAME_LIMIT} ASCII characters.")
    for operand in operands:
        if not isinstance(operand, str | int | float | np.number) or isinstance(operand, bool):
            raise GraphError(f"{name}: an operand is a tensor's name or a number.")
    try:
        return Node(name, op, tuple(o if isinstance(o, str) else float(o) for o in operands))
    except (OverflowError, TypeError) as error:
        raise GraphError(f"{name}: an operand is no number that ggml could hold.") from error


def shapes(nodes: Sequence[Node], inputs: Mapping[str, Array]) -> dict[str, Shape]:
    """The shape of every tensor. Raises GraphError where ggml would refuse a node."""
    known = {name: Shape(_ne(array.shape)) for name, array in inputs.items()}
    for node in nodes:
        known[node.name] = _result(node, known)
    results = sum(known[node.name].bytes for node in nodes)
    if results > BYTES_LIMIT:
        raise GraphError(f"The results take {results >> 20} MiB; {BYTES_LIMIT >> 20} are allowed.")
    return known


def _ne(shape: tuple[int, ...]) -> Ne:
    one, two, three, four = (*shape[::-1], 1, 1, 1)[:4]
    return one, two, three, four


def _result(node: Node, known: Mapping[str, Shape]) -> Shape:
    if node.name in known:
        raise GraphError(f"There are two tensors called {node.name}.")
    operation = OPERATIONS.get(node.op)
    if operation is None:
        there_are = ", ".join(OPERATIONS)
        raise GraphError(f"{node.name}: there is no operation {node.op} here; {there_are} are.")
    for source in node.sources:
        if source not in known:
            raise GraphError(
                f"{node.name} reads {source}, which is neither an input nor a node before it."
            )
    wanted = (operation.tensors, operation.numbers)
    tensors_first = node.operands == (*node.sources, *node.numbers)
    if (len(node.sources), len(node.numbers)) != wanted or not tensors_first:
        number = ", then a number" if operation.numbers else ""
        tensors = "1 tensor" if operation.tensors == 1 else f"{operation.tensors} tensors"
        raise GraphError(
            f"{node.name}: {node.op} takes {tensors}{number}, and gets {list(node.operands)}."
        )
    if not all(math.isfinite(number) for number in node.numbers):
        raise GraphError(f"{node.name}: {node.op} takes a finite number.")
    if node.op == "rms_norm" and node.numbers[0] < 0:
        raise GraphError(f"{node.name}: the eps of rms_norm is not negative.")
    operands = [known[source] for source in node.sources]
    for source, operand in zip(node.sources, operands, strict=True):
        if operand.transposed and not operation.takes_transposed:
            raise GraphError(
                f"{node.name}: {source} is transposed, so the numbers of its rows do not lie next "
                f"to each other, and ggml's {node.op} stops at that. cont copies it into order."
            )
    return operation.shape(node, *operands)


def compute(nodes: Sequence[Node], inputs: Mapping[str, Array]) -> Array:
    """What ggml computes for the last node: shape (…, ne[1], ne[0]), without leading ones."""
    known = shapes(nodes, inputs)
    wanted = nodes[-1].name
    if known[wanted].transposed:
        raise GraphError(f"The result {wanted} is transposed: end with cont.")
    with _built(nodes, inputs, known, wanted) as (context, graph, tensors):
        status = LIBRARY.ggml_graph_compute_with_ctx(context, graph, 1)
        if status:
            raise GraphError(f"ggml could not compute the graph (it says {status}).")
        data = ctypes.cast(LIBRARY.ggml_get_data(tensors[wanted]), ctypes.POINTER(ctypes.c_float))
        result = np.ctypeslib.as_array(data, known[wanted].ne[::-1]).copy()
    while result.ndim > 2 and len(result) == 1:
        result = result[0]
    return result


def order(nodes: Sequence[Node], inputs: Mapping[str, Array], wanted: str) -> list[str]:
    """The nodes that ggml_build_forward_expand collects for `wanted`, in ggml's order."""
    with _built(nodes, inputs, shapes(nodes, inputs), wanted) as (_, graph, _tensors):
        collected = (
            LIBRARY.ggml_graph_node(graph, index)
            for index in range(LIBRARY.ggml_graph_n_nodes(graph))
        )
        return [LIBRARY.ggml_get_name(tensor).decode() for tensor in collected]


def strides(type_name: str, ne: Sequence[int]) -> list[int]:
    """nb, the four strides in bytes of a new tensor; ne[0] has to be whole blocks of the type."""
    kind = BY_NAME[type_name]
    one, two, three, four = (*ne, 1, 1, 1)[:4]
    assert one % kind.block == 0
    with _context(TENSOR_OVERHEAD + SPARE, no_alloc=True) as context:
        tensor = LIBRARY.ggml_new_tensor_4d(context, kind.number, one, two, three, four)
        return list(ctypes.cast(tensor, ctypes.POINTER(_TensorStart)).contents.nb)


@contextmanager
def _context(size: int, *, no_alloc: bool = False) -> Iterator[int]:
    start()
    context = LIBRARY.ggml_init(_InitParams(size, None, no_alloc))
    if not context:
        raise MemoryError(f"ggml has no {size >> 20} MiB for a context")
    try:
        yield context
    finally:
        LIBRARY.ggml_free(context)


@contextmanager
def _built(
    nodes: Sequence[Node], inputs: Mapping[str, Array], known: Mapping[str, Shape], wanted: str
) -> Iterator[tuple[int, int, dict[str, int]]]:
    """Context, graph and tensors, by name, of checked nodes: described, and nothing computed."""
    size = sum(shape.bytes + TENSOR_OVERHEAD for shape in known.values())
    with _context(size + LIBRARY.ggml_graph_overhead() + SPARE) as context:
        tensors = {}
        for name, array in inputs.items():
            data = np.ascontiguousarray(array, dtype=np.float32)
            tensors[name] = LIBRARY.ggml_new_tensor_4d(context, F32.number, *known[name].ne)
            ctypes.memmove(LIBRARY.ggml_get_data(tensors[name]), data.ctypes.data, data.nbytes)
        for node in nodes:
            operands = [tensors[source] for source in node.sources]
            function = getattr(LIBRARY, f"ggml_{node.op}")
            tensors[node.name] = function(context, *operands, *node.numbers)
            LIBRARY.ggml_set_name(tensors[node.name], node.name.encode())
        graph = LIBRARY.ggml_new_graph(context)
        LIBRARY.ggml_build_forward_expand(graph, tensors[wanted])
        yield context, graph, tensors
