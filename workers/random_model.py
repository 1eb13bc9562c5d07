"""Models of any shape with random weights, the same bytes for the same seed.

They say nothing sensible, but everything about size, memory and speed is true of them. The
vocabulary is a usable SentencePiece one with a token for every byte, so any text can be tokenised.
"""

import itertools
import string
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from workers.errors import BadRequestError

RANGES = {
    "n_layer": (1, 256),
    "n_embd": (32, 16_384),
    "n_ff": (32, 65_536),
    "n_head": (1, 256),
    "n_head_kv": (1, 256),
    "n_vocab": (512, 262_144),
    "n_ctx": (16, 1_048_576),
}
MAX_PARAMETERS = 2_000_000_000
HEADER_BYTES = 24  # magic 4, version 4, number of tensors 8, number of metadata pairs 8
EPSILON = 1e-5  # of RMSNorm
ROPE_BASE = 10_000.0
SPACE = "\u2581"  # SentencePiece writes a space as this


@dataclass(frozen=True)
class Shape:
    """The shape of a llama-architecture model, in llama.cpp's own terms."""

    n_layer: int = 4
    n_embd: int = 256
    n_ff: int = 768
    n_head: int = 8
    n_head_kv: int = 2
    n_vocab: int = 512
    n_ctx: int = 512

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = RANGES[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise BadRequestError(
                    f"{field.name} must lie between {low} and {high}, not {value}."
                )
        if self.n_embd % self.n_head or self.head_dim % 2:
            raise BadRequestError(
                f"n_embd {self.n_embd} must split into {self.n_head} heads of even length."
            )
        if self.n_head % self.n_head_kv:
            raise BadRequestError(
                f"n_head {self.n_head} must be a multiple of n_head_kv {self.n_head_kv}."
            )
        if self.parameters > MAX_PARAMETERS:
            raise BadRequestError(
                f"The shape has {self.parameters} parameters; {MAX_PARAMETERS} are allowed."
            )

    @property
    def head_dim(self) -> int:
        """Elements in one head's query, key or value."""
        return self.n_embd // self.n_head

    @property
    def parameters(self) -> int:
        """The number of weights in all tensors, norms included."""
        return sum(rows * columns for _, rows, columns in self.matrices()) + self.n_embd * (
            2 * self.n_layer + 1
        )

    def matrices(self) -> Iterator[tuple[str, int, int]]:
        """Name, rows and columns of every matrix, in the file's order; a row is one output."""
        n_embd, n_embd_kv = self.n_embd, self.head_dim * self.n_head_kv
        yield "token_embd.weight", self.n_vocab, n_embd
        for layer in range(self.n_layer):
            block = f"blk.{layer}"
            yield f"{block}.attn_q.weight", n_embd, n_embd
            yield f"{block}.attn_k.weight", n_embd_kv, n_embd
            yield f"{block}.attn_v.weight", n_embd_kv, n_embd
            yield f"{block}.attn_output.weight", n_embd, n_embd
            yield f"{block}.ffn_gate.weight", self.n_ff, n_embd
            yield f"{block}.ffn_up.weight", self.n_ff, n_embd
            yield f"{block}.ffn_down.weight", n_embd, self.n_ff
        yield "output.weight", self.n_vocab, n_embd


def write(
    path: Path,
    shape: Shape,
    *,
    seed: int,
    epsilon: float = EPSILON,
    rope_base: float = ROPE_BASE,
) -> None:
    """Write an F32 GGUF model of this shape; same arguments, same bytes."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    _add_metadata(writer, shape, seed, epsilon, rope_base)
    _add_vocabulary(writer, shape.n_vocab)
    for name, rows, columns in shape.matrices():
        weights: NDArray[np.float32] = rng.standard_normal((rows, columns), dtype=np.float32)
        weights *= np.float32(columns**-0.5)  # keeps the size of activations from layer to layer
        writer.add_tensor(name, weights)
    norm = np.ones(shape.n_embd, dtype=np.float32)
    for name in _norms(shape):
        writer.add_tensor(name, norm)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@dataclass(frozen=True)
class Head:
    """What lies before the tensor data of a quantized file, in bytes; `padding` ends it."""

    metadata: int
    tensor_infos: int
    data_offset: int


def head_when_quantized(shape: Shape, *, seed: int) -> Head:
    """The head of every quantized file of this model: without weights, and without quantizing.

    llama-quantize adds one key, the version of the quantization formats.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        _add_metadata(writer, shape, seed, EPSILON, ROPE_BASE)
        _add_vocabulary(writer, shape.n_vocab)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        f32 = np.dtype(np.float32)
        for name, rows, columns in shape.matrices():
            writer.add_tensor_info(name, (rows, columns), f32, 4 * rows * columns)
        for name in _norms(shape):
            writer.add_tensor_info(name, (shape.n_embd,), f32, 4 * shape.n_embd)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.flush()
        metadata = path.stat().st_size - HEADER_BYTES
        writer.write_ti_data_to_file()
        writer.close()
        unpadded = path.stat().st_size
    alignment = gguf.GGUF_DEFAULT_ALIGNMENT
    return Head(
        metadata=metadata,
        tensor_infos=unpadded - HEADER_BYTES - metadata,
        data_offset=-(-unpadded // alignment) * alignment,
    )


def _norms(shape: Shape) -> Iterator[str]:
    for layer in range(shape.n_layer):
        yield f"blk.{layer}.attn_norm.weight"
        yield f"blk.{layer}.ffn_norm.weight"
    yield "output_norm.weight"


def _add_metadata(
    writer: gguf.GGUFWriter, shape: Shape, seed: int, epsilon: float, rope_base: float
) -> None:
    writer.add_name(f"random {shape.n_layer}x{shape.n_embd}, seed {seed}")
    writer.add_context_length(shape.n_ctx)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    writer.add_feed_forward_length(shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_head_count_kv(shape.n_head_kv)
    writer.add_layer_norm_rms_eps(epsilon)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(rope_base)
    writer.add_vocab_size(shape.n_vocab)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _add_vocabulary(writer: gguf.GGUFWriter, n_vocab: int) -> None:
    special = ["<unk>", "<s>", "</s>"]
    byte = [f"<0x{number:02X}>" for number in range(256)]
    pieces = list(itertools.islice(_pieces(), n_vocab - len(special) - len(byte)))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(special + byte + pieces)
    # SentencePiece merges the pair whose piece has the highest score first.
    scores = [0.0] * (len(special) + len(byte)) + [-float(rank) for rank in range(len(pieces))]
    writer.add_token_scores(scores)
    writer.add_token_types(
        [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
        + [gguf.TokenType.BYTE] * len(byte)
        + [gguf.TokenType.NORMAL] * len(pieces)
    )
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)


def _pieces() -> Iterator[str]:
    """Every printable ASCII character, then all runs of two, three and four small letters."""
    yield SPACE
    yield from string.ascii_lowercase + string.ascii_uppercase + string.digits + string.punctuation
    letters = SPACE + string.ascii_lowercase
    for length in (2, 3, 4):
        for run in itertools.product(letters, repeat=length):
            yield "".join(run)
