"""The ways a kind can end without a result, each with one sentence a student can act on."""


class EngineError(Exception):
    """The work could not be done, and the request is why: a bad file, a parameter out of range.

    The message is one sentence, shown to the student as it stands.
    """


class BadRequestError(EngineError):
    """A parameter is missing, of the wrong form or out of range."""


class BadModelError(EngineError):
    """The file is no GGUF, is truncated, or holds what llama.cpp cannot take."""


class OutOfMemoryError(EngineError):
    """The model or its context is bigger than the memory this run may use."""
