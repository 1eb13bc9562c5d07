"""Which names of a syntax tree are the module's own, rather than a function's or a class's."""

import ast
from collections.abc import Iterable, Iterator

# The nodes that bind or read a name. All but the first write it without saying in which column.
Mention = (
    ast.Name
    | ast.FunctionDef
    | ast.AsyncFunctionDef
    | ast.ClassDef
    | ast.Global
    | ast.alias
    | ast.ExceptHandler
    | ast.MatchAs
    | ast.MatchStar
    | ast.MatchMapping
)
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Names = frozenset[str]
NONE: Names = frozenset()


def bound(nodes: Iterable[ast.AST]) -> Names:
    """The names that these nodes bind in their own scope, not in the scopes within them."""
    names: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(ctx=ast.Store() | ast.Del()):
                names.add(node.id)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
                continue
            case ast.Lambda():
                continue
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                # A walrus is the one thing that binds a name outside of its comprehension.
                names |= {inner.target.id for inner in _walruses(node)}
                continue
            case ast.alias():
                names.add(bound_by(node).split(".")[0])
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar() | ast.MatchMapping():
                names |= set(names_of(node))
        names |= bound(ast.iter_child_nodes(node))
    return frozenset(names)


def mentions(node: ast.AST, hidden: Names = NONE, outer: Names = NONE) -> Iterator[Mention]:
    """The nodes within `node` that bind or read a name of the module.

    `hidden` are the names that are something else here, `outer` those that are something else in
    the functions within: what a class binds is seen in its body but not in its methods.
    """
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            yield from _in_function(node, hidden, outer)
        case ast.ClassDef():
            if node.name not in hidden:
                yield node
            for child in (*node.decorator_list, *node.bases, *node.keywords):
                yield from mentions(child, hidden, outer)
            yield from _in_class(node, outer)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from _in_comprehension(node, hidden, outer)
        case ast.Global():
            yield node
        case _:
            if isinstance(node, Mention) and any(name not in hidden for name in names_of(node)):
                yield node
            for child in ast.iter_child_nodes(node):
                yield from mentions(child, hidden, outer)


def _in_class(node: ast.ClassDef, outer: Names) -> Iterator[Mention]:
    own, before = bound(node.body), NONE
    for child in node.body:
        yield from mentions(child, outer | own, outer)
        # Until a class has bound a name it reads the module's: `eps: float = eps`.
        if isinstance(child, ast.Assign | ast.AnnAssign) and child.value is not None:
            yield from mentions(child.value, outer | before, outer)
        before |= bound([child])


def _in_function(node: Function | ast.Lambda, hidden: Names, outer: Names) -> Iterator[Mention]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [one for one in (arguments.vararg, arguments.kwarg) if one is not None]
    around: list[ast.AST | None] = [*arguments.defaults, *arguments.kw_defaults]
    around += [argument.annotation for argument in every]
    if not isinstance(node, ast.Lambda):
        if node.name not in hidden:
            yield node
        around += [*node.decorator_list, node.returns]
    for child in around:
        if child is not None:
            yield from mentions(child, hidden, outer)
    body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
    local = outer | bound(body) | {argument.arg for argument in every}
    local -= _declared_global(body)
    for child in body:
        yield from mentions(child, local, local)


def _in_comprehension(node: Comprehension, hidden: Names, outer: Names) -> Iterator[Mention]:
    first, *others = node.generators
    yield from mentions(first.iter, hidden, outer)
    # The rest is a function of its own, which sees no names of a class around it.
    local = outer | bound(generator.target for generator in node.generators)
    made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    for child in (first.target, *first.ifs, *others, *made):
        yield from mentions(child, local, local)


def _walruses(node: ast.AST) -> Iterator[ast.NamedExpr]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr))


def _declared_global(body: Iterable[ast.AST]) -> Names:
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.Global):
            names |= set(node.names)
        elif not isinstance(node, Definition | ast.Lambda):
            names |= _declared_global(ast.iter_child_nodes(node))
    return frozenset(names)


def names_of(node: Mention) -> list[str]:
    """The names that the node itself writes."""
    match node:
        case ast.Name():
            return [node.id]
        case ast.Global():
            return node.names
        case ast.alias():
            return [bound_by(node)]
        case ast.MatchMapping():
            return [node.rest] if node.rest else []
    return [node.name] if node.name else []


def change(node: Mention, old: str, new: str) -> None:
    """Write another name into the node."""
    match node:
        case ast.Name():
            node.id = new
        case ast.Global():
            node.names = [new if name == old else name for name in node.names]
        case ast.alias():
            node.asname = new
        case ast.MatchMapping():
            node.rest = new
        case _:
            node.name = new


def bound_by(alias: ast.alias) -> str:
    """The name that an import binds; "os.path" where it binds os, for the sake of os.path."""
    return alias.asname or alias.name
