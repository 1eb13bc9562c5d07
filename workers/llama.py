"""llama.cpp's C API as Python objects: models, contexts and batches.

Every pointer lives in a context manager, and every failure becomes an EngineError that carries
llama.cpp's own reason.
"""

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from workers import gguf_file
from workers.errors import BadModelError, BadRequestError, EngineError
from workers.llama_log import LOG, failure, start

Tokens = NDArray[np.int32]
Logits = NDArray[np.float32]

FLASH_ATTENTION = {
    "auto": llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "off": llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED,
    "on": llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED,
}
# The types llama.cpp's own tools offer for the KV cache.
KV_TYPES = {
    "F32": llama_cpp.GGML_TYPE_F32,
    "F16": llama_cpp.GGML_TYPE_F16,
    "BF16": 30,
    "Q8_0": llama_cpp.GGML_TYPE_Q8_0,
    "Q4_0": llama_cpp.GGML_TYPE_Q4_0,
    "Q4_1": llama_cpp.GGML_TYPE_Q4_1,
    "IQ4_NL": llama_cpp.GGML_TYPE_IQ4_NL,
    "Q5_0": llama_cpp.GGML_TYPE_Q5_0,
    "Q5_1": llama_cpp.GGML_TYPE_Q5_1,
}


def threads_or_all(threads: int) -> int:
    """The number of threads asked for; 0 means one for every core this process may use."""
    return threads or len(os.sched_getaffinity(0))


def check_threads(threads: int) -> None:
    """Raise BadRequestError unless it is a sensible number of threads (0 for all cores)."""
    if not 0 <= threads <= 256:
        raise BadRequestError(f"threads must lie between 0 (all cores) and 256, not {threads}.")


@dataclass(frozen=True)
class Model:
    """A loaded model and its vocabulary."""

    path: Path
    pointer: Any
    vocab: Any
    n_vocab: int

    @property
    def bos(self) -> int:
        """The token that begins a text."""
        return int(llama_cpp.llama_vocab_bos(self.vocab))

    @property
    def adds_bos(self) -> bool:
        """Whether a text of this model begins with BOS."""
        return bool(llama_cpp.llama_vocab_get_add_bos(self.vocab))

    @property
    def n_ctx_train(self) -> int:
        """The context the model was trained on, in tokens."""
        return int(llama_cpp.llama_model_n_ctx_train(self.pointer))

    def ends_generation(self, token: int) -> bool:
        """Whether the token ends a text (EOS, end of turn …)."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocab, token))

    def tokenize(self, text: str, *, special: bool) -> Tokens:
        """Token ids of a text; `special`: with BOS as the model wishes it.

        Control tokens written out in the text (such as "<s>") are not parsed, as in
        llama.cpp's own tools for raw text.
        """
        data = text.encode()
        room = len(data) + 2
        ids = np.empty(room, dtype=np.int32)
        pointer = ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), pointer, room, special, False)
        if count < 0:
            raise EngineError(f"The text could not be tokenised (llama.cpp says {count}).")
        return ids[:count]

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes that a token stands for; control tokens show only if `special`."""
        buffer = ctypes.create_string_buffer(256)
        size = llama_cpp.llama_token_to_piece(self.vocab, token, buffer, 256, 0, special)
        return buffer.raw[: max(size, 0)]

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of several tokens, without control tokens."""
        ids = np.asarray(tokens, dtype=np.int32)
        pointer = ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        room = 64 * len(ids) + 64
        buffer = ctypes.create_string_buffer(room)
        size = llama_cpp.llama_detokenize(self.vocab, pointer, len(ids), buffer, room, True, False)
        return buffer.raw[: max(size, 0)].decode("utf-8", errors="replace")


@contextmanager
def load(path: Path, *, vocab_only: bool = False) -> Iterator[Model]:
    """Load a model for as long as the block runs; BadModelError if it is none."""
    gguf_file.read(path)  # refuses damaged files with a better sentence than llama.cpp's
    start()
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = vocab_only
    LOG.errors.clear()
    pointer = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    if not pointer:
        raise failure(f"llama.cpp cannot load {path.name}", BadModelError)
    try:
        vocab = llama_cpp.llama_model_get_vocab(pointer)
        assert vocab is not None
        yield Model(path, pointer, vocab, llama_cpp.llama_vocab_n_tokens(vocab))
    finally:
        llama_cpp.llama_model_free(pointer)


class Batch:
    """Tokens to decode together, in llama.cpp's layout; the arrays may be changed between uses."""

    def __init__(self, size: int) -> None:
        self.tokens = np.zeros(size, dtype=np.int32)
        self.positions = np.arange(size, dtype=np.int32)
        self.sequences = np.zeros(size, dtype=np.int32)
        self.outputs = np.zeros(size, dtype=np.int8)  # 1 where logits are wanted
        self._one = np.ones(size, dtype=np.int32)
        # One pointer a token, each to its own sequence id.
        itemsize = self.sequences.itemsize
        self._pointers = self.sequences.ctypes.data + itemsize * np.arange(size, dtype=np.uintp)
        int32 = ctypes.POINTER(ctypes.c_int32)
        self.struct = llama_cpp.llama_batch(
            n_tokens=size,
            token=self.tokens.ctypes.data_as(int32),
            embd=None,
            pos=self.positions.ctypes.data_as(int32),
            n_seq_id=self._one.ctypes.data_as(int32),
            seq_id=self._pointers.ctypes.data_as(ctypes.POINTER(int32)),
            logits=self.outputs.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def use(self, size: int) -> None:
        """Let only the first `size` tokens count."""
        self.struct.n_tokens = size


@dataclass(frozen=True)
class Context:
    """A model's KV cache and buffers."""

    model: Model
    pointer: Any

    def clear(self, *, data: bool = True) -> None:
        """Forget every token; `data`: also zero the cache's memory."""
        memory = llama_cpp.llama_get_memory(self.pointer)
        assert memory is not None
        llama_cpp.llama_memory_clear(memory, data)

    def decode(self, batch: Batch) -> None:
        """Run the model on a batch and wait until it is done."""
        status = llama_cpp.llama_decode(self.pointer, batch.struct)
        if status:
            raise EngineError(
                "The batch does not fit into the context."
                if status == 1
                else f"llama.cpp could not decode the batch (it says {status})."
            )
        llama_cpp.llama_synchronize(self.pointer)

    def logits(self, rows: int) -> Logits:
        """The wanted logits of the last batch, (rows, n_vocab), a view until the next decode."""
        pointer = llama_cpp.llama_get_logits(self.pointer)
        return np.ctypeslib.as_array(pointer, shape=(rows, self.model.n_vocab))


@contextmanager
def context(
    model: Model,
    *,
    n_ctx: int,
    n_batch: int,
    n_ubatch: int = 512,
    n_seq_max: int = 1,
    threads: int = 0,
    flash_attention: str = "auto",
    type_k: str = "F16",
    type_v: str = "F16",
    rope_freq_base: float = 0.0,
    rope_freq_scale: float = 0.0,
) -> Iterator[Context]:
    """A context of the model for as long as the block runs; `n_ctx` is over all sequences.

    RoPE's base and frequency scale are the model's own where they are 0.
    """
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = n_ctx
    params.n_batch = n_batch
    params.n_ubatch = n_ubatch
    params.n_seq_max = n_seq_max
    params.n_threads = params.n_threads_batch = threads_or_all(threads)
    params.flash_attn_type = FLASH_ATTENTION[flash_attention]
    params.type_k = KV_TYPES[type_k]
    params.type_v = KV_TYPES[type_v]
    params.rope_freq_base = rope_freq_base
    params.rope_freq_scale = rope_freq_scale
    LOG.errors.clear()
    pointer = llama_cpp.llama_init_from_model(model.pointer, params)
    if not pointer:
        raise failure(f"llama.cpp cannot make a context of {n_ctx} tokens for {model.path.name}")
    try:
        yield Context(model, pointer)
    finally:
        llama_cpp.llama_free(pointer)
