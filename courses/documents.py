"""Course files: YAML, or Markdown under YAML front matter, read so that every mistake has a line.

A document is read (`read_document`), then held against a schema (`validate`). Whatever is wrong is
a CourseFileError that says `file:line: what is wrong and how to mend it`, all mistakes at once.
"""

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

# Where something stands inside the data: ("questions", 0, "choices", 2, "text").
Location = tuple[str | int, ...]
Schema = TypeVar("Schema")
FENCE = "---"
# What to write instead of a value that pydantic refused, by the kind of its error.
REMEDIES = {
    "float_parsing": "write a number",
    "float_type": "write a number",
    "int_from_float": "write a whole number",
    "int_parsing": "write a whole number",
    "int_type": "write a whole number",
    "string_pattern_mismatch": "use lower-case letters, digits and single hyphens",
}


class CourseFileError(Exception):
    """A mistake in a course file; `more` holds the other mistakes found with it."""

    def __init__(
        self,
        path: Path,
        line: int,
        problem: str,
        remedy: str,
        more: "tuple[CourseFileError, ...]" = (),
    ) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        self.remedy = remedy
        self.more = more
        super().__init__(path, line, problem, remedy)

    def __str__(self) -> str:
        here = Path.cwd()
        path = self.path.relative_to(here) if self.path.is_relative_to(here) else self.path
        own = f"{path}:{self.line}: {self.problem}; {self.remedy}."
        return "\n".join([own, *map(str, self.more)])

    def __iter__(self) -> "Iterator[CourseFileError]":
        """This mistake, then the others."""
        yield CourseFileError(self.path, self.line, self.problem, self.remedy)
        for other in self.more:
            yield from other

    @classmethod
    def of(cls, mistakes: "Iterable[CourseFileError]") -> "CourseFileError":
        """One error that holds them all, in the order of files and lines."""
        flat = sorted(
            (single for mistake in mistakes for single in mistake),
            key=lambda mistake: (str(mistake.path), mistake.line),
        )
        first = flat[0]
        return cls(first.path, first.line, first.problem, first.remedy, tuple(flat[1:]))


class MistakeError(ValueError):
    """Raised by a schema's own checks: what is wrong, how to mend it and where below the model."""

    def __init__(self, problem: str, remedy: str, location: Location = ()) -> None:
        self.problem = problem
        self.remedy = remedy
        self.location = location
        super().__init__(f"{problem}; {remedy}")


class Part(BaseModel):
    """The base of every schema: unknown fields are mistakes, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


@dataclass(frozen=True)
class Document:
    """A file as read: its data, its Markdown body and the line where each piece of data stands."""

    path: Path
    data: Any
    body: str
    lines: Mapping[Location, int]
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def line(self, location: Location = ()) -> int:
        """The line of the deepest piece of data on the way to this location, counted from 1."""
        found: Location = ()
        for part in location:
            # pydantic puts the names of union members into a location; the data knows none.
            if (*found, part) in self.lines:
                found = (*found, part)
        return self.lines.get(found, 1)

    def mistake(self, location: Location, problem: str, remedy: str) -> CourseFileError:
        return CourseFileError(self.path, self.line(location), problem, remedy)

    def mistake_near(self, excerpt: str, problem: str, remedy: str) -> CourseFileError:
        """A mistake at the first line that holds this excerpt of the text."""
        first = excerpt.strip().partition("\n")[0]
        before, found, _after = self.text.partition(first)
        return CourseFileError(self.path, before.count("\n") + 1 if found else 1, problem, remedy)


class CourseLoader(yaml.CSafeLoader):
    """YAML as people mean it: a date stays text, and only true and false are truth values."""


UNMEANT = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}
CourseLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in UNMEANT]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
for word in ("true", "false"):
    CourseLoader.yaml_implicit_resolvers.setdefault(word[0], []).append(
        ("tag:yaml.org,2002:bool", re.compile(f"^{word}$"))
    )


def read_document(path: Path) -> Document:
    """Read a `.yaml` file, or a `.md` file with YAML front matter between `---` lines."""
    raw = path.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CourseFileError(
            path, line, "this is not UTF-8 text", "save the file as UTF-8"
        ) from error
    return parse_document(path, text)


def parse_document(path: Path, text: str) -> Document:
    """As read_document, from text that is already at hand."""
    if path.suffix == ".yaml":
        return _document(path, text, yaml_text=text, body="", first_line=1)
    lines = text.split("\n")
    if lines[0].rstrip() != FENCE:
        raise CourseFileError(
            path, 1, "the front matter is missing", f"begin the file with a line `{FENCE}`"
        )
    ends = [number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == FENCE]
    if not ends:
        raise CourseFileError(
            path,
            1,
            "the front matter has no end",
            f"close it with a second line `{FENCE}` before the text",
        )
    return _document(
        path,
        text,
        yaml_text="\n".join(lines[1 : ends[0]]),
        body="\n".join(lines[ends[0] + 1 :]).strip(),
        first_line=2,
    )


def _document(path: Path, text: str, *, yaml_text: str, body: str, first_line: int) -> Document:
    lines: dict[Location, int] = {}
    loader = CourseLoader(yaml_text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise CourseFileError(
                path, first_line, "there is nothing here", "write the fields the schema asks for"
            )
        for location, mark in _places(path, node, (), first_line):
            lines[location] = mark
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise _yaml_mistake(path, error, first_line) from error
    finally:
        loader.dispose()
    return Document(path=path, data=data, body=body, lines=lines, text=text)


def _places(
    path: Path, node: yaml.Node, location: Location, first_line: int
) -> Iterator[tuple[Location, int]]:
    yield location, node.start_mark.line + first_line
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            line = key.start_mark.line + first_line
            if name in seen:
                raise CourseFileError(
                    path, line, f"`{name}` stands here a second time", "keep one of the two"
                )
            seen.add(name)
            yield from _places(path, value, (*location, name), first_line)
            # The line of the field's name, also where its value begins on the next line.
            yield (*location, name), line
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _places(path, item, (*location, index), first_line)


def _yaml_mistake(path: Path, error: yaml.MarkedYAMLError, first_line: int) -> CourseFileError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "it cannot be read"
    if "mapping values" in problem:
        remedy = "put the text in quotes: it holds a colon followed by a space"
    elif "character that cannot start any token" in problem or "\\t" in problem:
        remedy = "indent with spaces, and put text that begins with a sign in quotes"
    else:
        remedy = "look at the indentation and at quotes and brackets that were left open"
    line = (mark.line if mark else 0) + first_line
    return CourseFileError(path, line, f"this is not YAML: {problem}", remedy)


def validate(document: Document, schema: type[Schema], *, data: Any = None) -> Schema:
    """The document's data as an instance of `schema`, a pydantic model or `list[Model]`.

    Raises CourseFileError with every mistake.
    """
    try:
        return TypeAdapter(schema).validate_python(document.data if data is None else data)
    except ValidationError as error:
        raise CourseFileError.of(
            document.mistake(*explain(detail, schema)) for detail in error.errors()
        ) from error


def explain(detail: ErrorDetails, schema: Any) -> tuple[Location, str, str]:
    """What pydantic found, in words for an author: where, what is wrong, how to mend it."""
    location: Location = detail["loc"]
    context = detail.get("ctx", {})
    name = next((part for part in reversed(location) if isinstance(part, str)), "the file")
    given = repr(detail["input"])
    given = given if len(given) <= 60 else f"{given[:57]}..."
    cause = context.get("error")
    if isinstance(cause, MistakeError):
        return (*location, *cause.location), cause.problem, cause.remedy
    match detail["type"]:
        case "missing":
            location = location[:-1]
            problem, remedy = f"`{name}` is missing", f"add a line `{name}: ...`"
        case "extra_forbidden":
            # It may be a field elsewhere; here it is none.
            elsewhere = [field for field in field_names(schema) if field != name]
            close = difflib.get_close_matches(name, elsewhere, n=1)
            problem = f"there is no field `{name}` here"
            remedy = f"write `{close[0]}`, if that was meant" if close else "take it out"
        case "string_type":
            problem, remedy = f"`{name}` must be text, not {given}", "put it in quotes"
        case "string_too_short" | "too_short":
            problem, remedy = f"`{name}` is empty or too short", _told(detail)
        case "literal_error" | "enum":
            problem, remedy = f"`{name}` cannot be {given}", f"use {context['expected']}"
        case "union_tag_invalid":
            location = (*location, "type")
            problem = f"there is no question type {context['tag']!r}"
            remedy = f"use {context['expected_tags']}"
        case "union_tag_not_found":
            problem = "`type` is missing"
            remedy = "add a line `type: ...` that names the type of the question"
        case "model_type" | "dict_type" | "model_attributes_type":
            problem, remedy = f"`{name}` must have fields, not be {given}", "write `field: value`"
        case "list_type" | "tuple_type":
            problem, remedy = f"`{name}` must be a list", "begin each item with `- `"
        case _:
            problem = f"`{name}` cannot be {given}"
            remedy = REMEDIES.get(detail["type"]) or _told(detail)
    return location, problem, remedy


def _told(detail: ErrorDetails) -> str:
    """pydantic's own sentence, as the remedy: "Input should be less than 3"."""
    message = detail["msg"].rstrip(".").replace(" after validation", "")
    return message.replace("Input should be", "it should be").replace("List should", "it should")


def field_names(schema: Any) -> set[str]:
    """The names of all fields of a model, of those it is made of, and so on."""
    names: set[str] = set()
    for inner in get_args(schema):
        names |= field_names(inner)
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        for name, field in schema.model_fields.items():
            names |= {name} | field_names(field.annotation)
            for extra in field.metadata:
                names |= field_names(extra)
    return names
