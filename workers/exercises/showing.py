"""Values as a learner reads them: short, in Python's own notation, with the digits that matter."""

from itertools import islice
from typing import Any

import numpy as np

SHORT = 300  # characters


def show(value: Any, *, like: Any = None) -> str:
    """The value as Python, cut to 300 characters.

    A number has 6 significant digits, or as many as tell it from `like`.
    """
    text = _shown(_beginning(value), like)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def shown_call(function: str, arguments: tuple[Any, ...]) -> str:
    """A call as Python, with its arguments in full."""
    return f"{function}({', '.join(_shown(argument, None) for argument in arguments)})"


def describe(value: Any) -> str:
    """What kind of value it is: "an array of shape (2, 3), float64", "a list of 4"."""
    match value:
        case None:
            return "nothing (None)"
        case np.ndarray() | np.generic():
            return f"an array of shape {np.shape(value)}, {np.asarray(value).dtype}"
        case list() | tuple() | dict():
            return f"a {type(value).__name__} of {len(value)}"
        case str() | bytes() | bool():
            return f"{type(value).__name__} {show(value)}"
    return show(value)


def _beginning(value: Any) -> Any:
    """Enough of a value to be shown, for its whole may be more than there is memory for as text.

    An array of shape (10**9, 0) has no bytes, and a billion rows. What is left out lies beyond the
    300th character: every element takes two at least.
    """
    match value:
        case np.ndarray():
            budget, index = SHORT, []
            for side in reversed(value.shape):
                index.append(slice(max(1, min(side, budget))))
                budget = max(1, budget // max(1, side))
            return value[(..., *reversed(index))]
        case list() | tuple():
            return type(value)([_beginning(item) for item in value[:SHORT]])
        case dict():
            return {key: _beginning(item) for key, item in islice(value.items(), SHORT)}
        case str() | bytes():
            return value[:SHORT]
    return value


def _shown(value: Any, like: Any) -> str:  # noqa: PLR0911  # one for each kind of value
    match value:
        case np.ndarray():
            return _array(value)
        case np.generic():
            return _shown(value.item(), like)
        case float():
            return _number(value, like)
        case list():
            return f"[{', '.join(_shown(item, None) for item in value)}]"
        case tuple():
            inner = ", ".join(_shown(item, None) for item in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        case dict():
            pairs = (f"{key!r}: {_shown(item, None)}" for key, item in value.items())
            return f"{{{', '.join(pairs)}}}"
    return repr(value)


def _number(value: float, like: Any) -> str:
    short = f"{value:.6g}"
    if isinstance(like, float | np.floating) and f"{float(like):.6g}" == short:
        short = repr(float(value))
    looks_whole = short.lstrip("-").isdigit()
    return f"{short}.0" if looks_whole else short


def _array(value: "np.ndarray[Any, Any]") -> str:
    if value.ndim == 0:
        return _shown(value.item(), None)
    numbers = _shown(value.tolist(), None)
    plain = value.dtype in (np.dtype(np.float64), np.dtype(np.int64), np.dtype(bool))
    return f"np.array({numbers})" if plain else f"np.array({numbers}, dtype=np.{value.dtype.name})"
