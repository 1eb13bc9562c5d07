"""llama.cpp's log: put together into lines, listened to, and asked for the reason of a failure."""

import ctypes
import functools
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import llama_cpp

from workers.errors import EngineError, OutOfMemoryError
from workers.ggml import LIBRARY

ABORT_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
ERROR_LEVEL, CONTINUED = 4, 5  # enum ggml_log_level


class LlamaLog:
    """llama.cpp's log, put together into lines. There is one, as llama.cpp's logger is global."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=50)
        self.listener: Callable[[str], None] | None = None
        self._line = ""
        self._level = 0
        self.callback = llama_cpp.llama_log_callback(self._receive)
        self.last_words = ABORT_CALLBACK(self._abort)

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

    def _abort(self, message: bytes) -> None:
        """ggml is about to end the process: say why on the last line of stderr.

        It checks few of its allocations, so what broke may be a sign of too little memory.
        """
        place = message.decode(errors="replace").rpartition("/")[2]  # without the build's folders
        memory = is_about_memory(self.errors[-1]) if self.errors else False
        cause = "llama.cpp failed to allocate memory: " if memory else "llama.cpp gave up: "
        print(f"{cause}{place}", file=sys.stderr, flush=True)  # noqa: T201

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
    # What ends the process should end it at once, not start a debugger for a backtrace first.
    os.environ.setdefault("GGML_NO_BACKTRACE", "1")
    LIBRARY.ggml_set_abort_callback(LOG.last_words)
    llama_cpp.llama_log_set(LOG.callback, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


def is_about_memory(reason: str) -> bool:
    """Whether a message of llama.cpp's is about an allocation that failed."""
    return any(word in reason.lower() for word in ("alloc", "memory"))


def failure(what: str, otherwise: type[EngineError] = EngineError) -> EngineError:
    """The error for a call that failed, with llama.cpp's reason: of memory, or as given."""
    reason = LOG.reason()
    if is_about_memory(reason):
        return OutOfMemoryError(f"{what}: it needs more memory than this run may use ({reason}).")
    return otherwise(f"{what}: {reason}.")
