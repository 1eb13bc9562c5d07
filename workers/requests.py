"""Requests from JSON: the fields and types of a dataclass are its schema."""

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from workers.errors import BadRequestError

WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def from_json(request: type[Any], data: dict[str, Any]) -> Any:
    """Build the request dataclass from a JSON object; BadRequestError says what is wrong."""
    names = {field.name for field in fields(request)}
    for name in data:
        if name not in names:
            raise BadRequestError(f"There is no parameter called {name}.")
    hints = get_type_hints(request)
    values = {}
    for field in fields(request):
        if field.name in data:
            values[field.name] = _convert(data[field.name], hints[field.name], field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise BadRequestError(f"The parameter {field.name} is missing.")
    return request(**values)


def _convert(value: Any, hint: Any, name: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        (hint,) = (option for option in get_args(hint) if option is not type(None))
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise BadRequestError(f"{name} must be a list.")
        return tuple(_convert(item, get_args(hint)[0], name) for item in value)
    if is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, dict):
            raise BadRequestError(f"{name} must be an object.")
        return from_json(hint, value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise BadRequestError(f"{name} must be {WORDS[hint]}.")
    return value
