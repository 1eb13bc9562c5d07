"""Putting a student's earlier answers into the starter of the capstone, as one file.

It works on texts and their syntax trees; nothing of it is ever run. Imports go to the top, each
answer becomes a section of its own, and where two answers mean different things by one name, the
later one's is renamed within its section. Comments and layout stay as they were written.
"""

import ast
import builtins
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping

from workers.exercises.scopes import (
    Definition,
    Mention,
    bound,
    bound_by,
    change,
    mentions,
    names_of,
)

Import = ast.Import | ast.ImportFrom
LINE = 100  # characters
REST = "# What this rung asks for"
# They find a name by a text, which is not renamed with it.
LOOK_UPS = frozenset(("eval", "exec", "globals"))


def assemble(
    parts: Mapping[str, str], starter: str, owners: Mapping[str, str] | None = None
) -> str:
    """The starter with earlier answers, source texts by the key of their rung, in place of stubs.

    A stub is a function that does nothing but raise NotImplementedError. `owners` says which rung
    answers for which of them, as `dict(exercise.parts)` does; without it a stub is filled by the
    first answer with a function of that name and as many parameters. Stubs without an answer stay.
    Raises ValueError, naming the rung, where a source is no Python or where nobody can tell what
    its names stand for.
    """
    sections = [Section(key, source) for key, source in parts.items()]
    if not sections:
        return starter
    frame = Section("the starter", starter)
    stubs = [node for node in frame.tree.body if isinstance(node, ast.FunctionDef)]
    stubs = [node for node in stubs if _is_stub(node)]
    filled: dict[str, Section] = {}
    for stub in stubs:
        if owners is None:
            able = [section for section in sections if section.fills(stub)]
        else:
            # It has passed there, so that what bears the name can be called, be it a lambda.
            able = [section for section in sections if section.key == owners.get(stub.name)]
            able = [section for section in able if stub.name in section.meanings()]
        if able:
            filled[stub.name] = able[0]
            frame.dropped.add(stub)

    # In the order of the stubs that they fill, whatever the order of the answers.
    sections.sort(key=lambda section: [filled.get(stub.name) is not section for stub in stubs])
    taken = dict.fromkeys(dir(builtins), "Python's") | frame.meanings()
    imports, texts = frame.imports(), []
    for section in sections:
        # What another answer stands for is not this one's to define.
        others = {name: "another's" for name, owner in filled.items() if owner is not section}
        try:
            section.settle(others | taken)
            texts.append(f"# From {section.key}\n\n\n{section.text()}")
        except RecursionError as error:
            raise ValueError(f"The code of {section.key} is nested too deep.") from error
        taken |= section.meanings()
        imports += section.imports()
    head = "\n\n".join(text for text in (frame.docstring, merged(imports)) if text)
    rest = f"{REST}\n\n\n{frame.text()}" if frame.text() else ""
    return "\n\n\n".join(block for block in (head, *texts, rest) if block) + "\n"


class Section:
    """One source text: what it means by its names, what is left out of it, and what it renames."""

    def __init__(self, key: str, source: str) -> None:
        self.key = key
        self.source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        try:
            self.tree = _parse(self.source)
        except SyntaxError as error:
            place = f"line {error.lineno}: " if error.lineno else ""
            raise ValueError(f"The code of {key} is no Python: {place}{error.msg}.") from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise ValueError(f"The code of {key} is no Python: {error}.") from error
        self.docstring = ""
        self.dropped: set[ast.stmt] = {
            node for node in self.tree.body if isinstance(node, Import) or _is_main(node)
        }
        if ast.get_docstring(self.tree, clean=False) is not None:
            self.docstring = ast.get_source_segment(self.source, self.tree.body[0]) or ""
            self.dropped.add(self.tree.body[0])
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                raise ValueError(
                    f"The code of {key} says `{ast.unparse(node)}` (line {node.lineno}): nobody "
                    "can tell what that would change in the other answers. Import by name what it "
                    "uses, and hand it in again."
                )
        # Line, from 0, and column, in characters, of a name in the text; the name; the new one.
        self.edits: set[tuple[int, int, str, str]] = set()

    def fills(self, stub: ast.FunctionDef) -> bool:
        """Whether it has a function that can stand in the stub's place."""
        return any(
            isinstance(node, ast.FunctionDef)
            and node.name == stub.name
            and len(node.args.args) == len(stub.args.args)
            for node in self.tree.body
        )

    def meanings(self) -> dict[str, str]:
        """Its global names, each with what it stands for: equal texts stand for the same.

        State equals nothing else: two lists are two lists, even if they look alike.
        """
        found: dict[str, str] = {}
        for node in self.tree.body:
            if isinstance(node, Import):
                module = _module(node)
                found |= {bound_by(alias): f"import {module} {alias.name}" for alias in node.names}
            elif node not in self.dropped:
                for name in bound([node]):
                    found[name] = found.get(name, "") + self._meaning(node)
        for inner in ast.walk(self.tree):
            if isinstance(inner, ast.Global):
                found |= dict.fromkeys(inner.names, f"state of {self.key}")
        # A star binds nobody knows what, and os.path binds os for whoever else wants it.
        several = {bound_by(inner) for inner in ast.walk(self.tree) if isinstance(inner, ast.alias)}
        for name in several:
            if not name.isidentifier():
                found.pop(name, None)
                found.pop(name.split(".")[0], None)
        return found

    def _meaning(self, node: ast.stmt) -> str:
        if isinstance(node, Definition):
            return _without_docstring(node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_literal(node.value):
            return ast.dump(node)
        return f"state of {self.key}"

    def imports(self) -> list[tuple[str, str, str]]:
        """What it imports: module, name or "", and as what or "". The last of one name counts."""
        found = {
            bound_by(alias): (_module(node), alias.name, alias.asname or "")
            if isinstance(node, ast.ImportFrom)
            else (alias.name, "", alias.asname or "")
            for node in self.tree.body
            if isinstance(node, Import)
            for alias in node.names
        }
        return list(found.values())

    def settle(self, taken: Mapping[str, str]) -> None:
        """Leave out what others define in the same words, and rename what they define otherwise."""
        own = self.meanings()
        shared = {name for name in own if own[name] == taken.get(name)}
        clashing = {name for name in own if name in taken} - shared
        # The same words about something that has to be renamed mean something else.
        uses = {name: self._uses(name) for name in shared}
        while differ := {name for name in shared if uses[name] & clashing}:
            clashing |= differ
            shared -= differ
        for node in self.tree.body:
            names = bound([node])
            if names and names <= shared:
                self.dropped.add(node)
        left = [node for node in self.tree.body if node not in self.dropped]
        used = {name for node in left for name in _names(node)}
        if clashing and (ways := LOOK_UPS & used - own.keys()):
            raise ValueError(
                f"The code of {self.key} finds names with {min(ways)}(), and {min(clashing)} needs "
                "another one beside the other answers. Rename it there, and hand it in again."
            )
        self._rename({name: self._free(name, taken) for name in clashing})

    def _uses(self, name: str) -> set[str]:
        """The global names that the definition of a name mentions."""
        return {used for node in self.tree.body if name in bound([node]) for used in _names(node)}

    def _free(self, name: str, taken: Mapping[str, str]) -> str:
        """A name like this one that nobody has, such as softmax_gqa."""
        new = f"{name}_{re.sub(r'[^0-9A-Za-z]', '_', self.key.removeprefix('exercise-'))}"
        new = re.sub("^__+", "_", new)  # two would make it private in a class
        while new in taken or re.search(rf"\b{new}\b", self.source):
            new += "_"
        return new

    def _rename(self, new: Mapping[str, str]) -> None:
        """Change names in the tree, and note where the text has them."""
        lines = self.source.split("\n")
        for node in self.tree.body:
            if isinstance(node, Import):
                for alias in node.names:
                    alias.asname = new.get(bound_by(alias), alias.asname)
                continue
            for mention in list(mentions(node)):
                for name in [name for name in names_of(mention) if name in new]:
                    if (place := _place(mention, name, lines)) is not None:
                        self.edits.add((*place, name, new[name]))
                    change(mention, name, new[name])

    def text(self) -> str:
        """What is left of it, renamed, without blank lines around it."""
        left = [node for node in self.tree.body if node not in self.dropped]
        wanted = ast.Module(left, type_ignores=[])
        text = self._edited().strip("\n")
        try:
            if ast.dump(_parse(text)) == ast.dump(wanted):
                return text
        except SyntaxError:
            pass
        # A name stood where its node does not say, or two statements in one line: right, if plain.
        return ast.unparse(ast.fix_missing_locations(wanted))

    def _edited(self) -> str:
        """The text with its edits, without the lines of what is dropped."""
        lines = self.source.split("\n")
        for line, column, old, new in sorted(self.edits, reverse=True):
            before, after = lines[line][:column], lines[line][column + len(old) :]
            lines[line] = f"{before}{new}{after}"
        kept, end = [], 0
        for node in self.tree.body:
            first, last = _lines(node)
            leading = lines[end:first]
            if node not in self.dropped:
                kept += leading + lines[max(first, end) : last]
            elif isinstance(node, Import | ast.Expr):
                # A comment above the imports is about more than them.
                kept += leading if any(line.strip() for line in leading) else []
            else:
                kept += _above(leading)
            end = max(end, last)
        return "\n".join(kept + lines[end:])


def merged(imports: Iterable[tuple[str, str, str]]) -> str:
    """Import statements without doubles: the future, the standard library, and the rest."""
    groups: tuple[dict[str, set[str]], ...] = ({}, {}, {})
    for module, name, alias in imports:
        what = name or module
        root = module.split(".")[0]
        group = 0 if root == "__future__" else 1 if root in sys.stdlib_module_names else 2
        groups[group].setdefault(module if name else "", set()).add(
            what if alias in ("", what) else f"{what} as {alias}"
        )
    return "\n\n".join("\n".join(_statements(group)) for group in groups if group)


def _statements(group: Mapping[str, set[str]]) -> Iterator[str]:
    for what in sorted(group.get("", ())):
        yield f"import {what}"
    for module in sorted(group.keys() - {""}):
        names = sorted(group[module])
        line = f"from {module} import {', '.join(names)}"
        if len(line) > LINE:
            line = "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])
        yield line


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about "\d" in a string, say: that is for its author
        return ast.parse(source)


def _place(node: Mention, name: str, lines: list[str]) -> tuple[int, int] | None:
    """Line and column at which the text has the name, where that can be told."""
    if not isinstance(node, ast.Name | ast.Global | Definition):
        return None
    line = lines[node.lineno - 1]
    start = len(line.encode()[: node.col_offset].decode(errors="ignore"))
    if isinstance(node, ast.Name):
        return (node.lineno - 1, start) if line.startswith(name, start) else None
    # It stands behind a word: def, class, global.
    found = re.compile(rf"\b{re.escape(name)}\b").search(line, start)
    return (node.lineno - 1, found.start()) if found else None


def _names(node: ast.stmt) -> Iterator[str]:
    """The module's names that a statement mentions."""
    return (name for mention in mentions(node) for name in names_of(mention))


def _module(node: Import) -> str:
    return "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else ""


def _is_stub(node: ast.FunctionDef) -> bool:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    match body:
        case [ast.Raise(exc=ast.Call(func=ast.Name("NotImplementedError")))]:
            return True
        case [ast.Raise(exc=ast.Name("NotImplementedError"))]:
            return True
    return False


def _is_main(node: ast.stmt) -> bool:
    """Whether it is what runs only where the file is the program."""
    return (
        isinstance(node, ast.If)
        and not node.orelse
        and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")
    )


def _is_literal(node: ast.expr | None) -> bool:
    """Whether it is a number or a text, which is nobody's state."""
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant)


def _without_docstring(node: Definition) -> str:
    """The definition as a text that is the same for the same code."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    fields = dict(ast.iter_fields(node)) | {"body": body}
    return ast.dump(type(node)(**fields))


def _lines(node: ast.stmt) -> tuple[int, int]:
    """The lines of a statement, from 0, and the one behind it; decorators are lines of it."""
    decorators = node.decorator_list if isinstance(node, Definition) else []
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return first - 1, node.end_lineno or first


def _above(leading: list[str]) -> list[str]:
    """Lines before a definition that goes, without the comment that belongs to it."""
    end = len(leading)
    while end and leading[end - 1].strip():
        end -= 1
    left = leading[:end]
    return left if any(line.strip() for line in left) else []
