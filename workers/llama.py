"""llama.cpp's C API as Python objects: its log, models, contexts and batches.

Every pointer lives in a context manager, and every failure becomes an EngineError that carries
llama.cpp's own reason.
"""

import ctypes
import functools
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from workers import gguf_file
from workers.errors import BadModelError, BadRequestError, EngineError, OutOfMemoryError

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
ERROR_LEVEL, CONTINUED = 4, 5  # enum ggml_log_level


class LlamaLog:
    """llama.cpp's log, put together into lines. There is one, as llama.cpp's logger is global."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=50)
        self.listener: Callable[[str], None] | None = None
        self._line = ""
        self._level = 0
        self.callback = llama_cpp.llama_log_callback(self._receive)

    def _receive(self, level: int, text: bytes, _user_data: ctypes.c_void_p) -> None:
        if level not in (self._level, CONTINUED):
            self._take("\n")  # a message of another level begins a line of its own
            self._level = level
        self._take(text.decode("utf-8", errors="replace"))

    def _take(self, text: str) -> None:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if not line.strip():
                continue
            if self._level == ERROR_LEVEL:
                self.errors.append(line.strip())
                print(line, file=sys.stderr)  # noqa: T201
            if self.listener:
                self.listener(line.rstrip())

    @contextmanager
    def heard_by(self, listener: Callable[[str], None]) -> Iterator[None]:
        """Hand every whole line to `listener` meanwhile; it is called from llama.cpp's threads."""
        self.listener = listener
        try:
            yield
        finally:
            self.listener = None

    def reason(self) -> str:
        """llama.cpp's last error in one line, without the C function and the general preamble."""
        for line in reversed(self.errors):
            function, separator, message = line.partition(": ")
            text = message if separator and " " not in function else line
            text = text.strip(" .!=-")
            for general in ("error loading model: ", "failed to quantize: "):
                text = text.removeprefix(general)
            if text and text != "failed to load model":
                return text
        return "it gave no reason"


LOG = LlamaLog()


@functools.cache
def start() -> None:
    """Set up llama.cpp in this process, once. Not done at import: a forkserver must stay clean."""
    # A failed assertion should end the process at once, not start a debugger for a backtrace.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    llama_cpp.llama_log_set(LOG.callback, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


def threads_or_all(threads: int) -> int:
    """The number of threads asked for; 0 means one for every core this process may use."""
    return threads or len(os.sched_getaffinity(0))


def check_threads(threads: int) -> None:
    """Raise BadRequestError unless it is a sensible number of threads (0 for all cores)."""
    if not 0 <= threads <= 256:
        raise BadRequestError(f"threads must lie between 0 (all cores) and 256, not {threads}.")


def failure(what: str, otherwise: type[EngineError] = EngineError) -> EngineError:
    """The error for a call that failed, with llama.cpp's reason: of memory, or as given."""
    reason = LOG.reason()
    if any(word in reason.lower() for word in ("alloc", "memory")):
        return OutOfMemoryError(f"{what}: it needs more memory than this run may use ({reason}).")
    return otherwise(f"{what}: {reason}.")


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
) -> Iterator[Context]:
    """A context of the model for as long as the block runs; `n_ctx` is over all sequences."""
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = n_ctx
    params.n_batch = n_batch
    params.n_ubatch = n_ubatch
    params.n_seq_max = n_seq_max
    params.n_threads = params.n_threads_batch = threads_or_all(threads)
    params.flash_attn_type = FLASH_ATTENTION[flash_attention]
    params.type_k = KV_TYPES[type_k]
    params.type_v = KV_TYPES[type_v]
    LOG.errors.clear()
    pointer = llama_cpp.llama_init_from_model(model.pointer, params)
    if not pointer:
        raise failure(f"llama.cpp cannot make a context of {n_ctx} tokens for {model.path.name}")
    try:
        yield Context(model, pointer)
    finally:
        llama_cpp.llama_free(pointer)
