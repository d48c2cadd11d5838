"""Which errors a function raises by itself: in its own body, or in a private helper of its module that it calls."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from .names import Code, Function, Name, words_of

DYNAMIC = "?"
"""An error that the syntax does not name."""
CANNOT_HAPPEN = {"AssertionError", "StopIteration", "StopAsyncIteration"}
"""What no caller meets: a state that cannot be, and the end of an iterator, which is no error."""


def raised_by(code: Code, name: Name) -> set[str]:
    """Names of the errors that leave ``name``, a function of ``code``; DYNAMIC for one that has no name."""
    assert isinstance(name.node, Function)
    return _raised(code, name.module, name.path, frozenset()) - CANNOT_HAPPEN


def ancestors(code: Code, error: str) -> set[str]:
    """An error's own name and those of all it descends from."""
    found, open_names = set(), [error]
    while open_names:
        one = open_names.pop()
        if one not in found:
            found.add(one)
            open_names.extend(code.classes.get(one, ()))
            known = getattr(builtins, one, None)
            if isinstance(known, type) and issubclass(known, BaseException):
                open_names.extend(parent.__name__ for parent in known.__mro__[1:-1])
    return found


def is_error(code: Code, name: str) -> bool:
    """Whether there is an exception of that name, in Python or among ours."""
    return "BaseException" in ancestors(code, name)


def _raised(code: Code, module: str, path: str, seen: frozenset[str]) -> set[str]:
    function = code.functions[module].get(path)
    if function is None or path in seen:
        return set()
    found: set[str] = set()
    for node, caught, bound in _walk(code, module, function.node, [], {}):
        match node:
            case ast.Raise(exc=ast.expr() as error):
                thrown = _named(code, module, error, bound)
            case ast.Call(func=ast.Name(id=called)) if called.startswith("_"):
                thrown = _raised(code, module, called, seen | {path})
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=called)) if called.startswith("_"):
                thrown = _raised(code, module, f"{path.rpartition('.')[0]}.{called}", seen | {path})
            case _:
                continue
        found |= {one for one in thrown if not ancestors(code, one) & caught}
    return found


def _walk(
    code: Code, module: str, node: ast.AST, caught: list[set[str]], bound: dict[str, set[str]]
) -> Iterator[tuple[ast.AST, set[str], dict[str, set[str]]]]:
    """Every node below ``node`` with the errors that are caught around it, and those bound by an ``except``."""
    yield node, set().union(*caught), bound
    if not isinstance(node, ast.Try):
        for inner in ast.iter_child_nodes(node):
            yield from _walk(code, module, inner, caught, bound)
        return
    handled = set().union(*(_handled(code, module, handler) for handler in node.handlers))
    for child in node.body:
        yield from _walk(code, module, child, [*caught, handled], bound)
    for handler in node.handlers:
        names = {**bound, handler.name: _handled(code, module, handler)} if handler.name else bound
        for child in handler.body:
            yield from _walk(code, module, child, caught, names)
    for child in [*node.orelse, *node.finalbody]:
        yield from _walk(code, module, child, caught, bound)


def _handled(code: Code, module: str, handler: ast.ExceptHandler) -> set[str]:
    """What a handler catches; a constant of the module, such as ``_FAULTS``, stands for its members."""
    words = words_of(handler.type) or {"BaseException"}
    for statement in code.modules[module].body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in words:
                words = words | words_of(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if name in words:
                words = words | words_of(value)
    return words


def _named(code: Code, module: str, error: ast.expr, bound: dict[str, set[str]]) -> set[str]:
    """What ``raise error`` raises."""
    match error:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            if name[:1].isupper():
                return {name}
            maker = code.functions[module].get(name)
            made = words_of(maker.node.returns) if maker and isinstance(maker.node, Function) else set()
            return made or {DYNAMIC}
        case ast.Name(id=name):
            return {name} if name[:1].isupper() else bound.get(name, {DYNAMIC})
        case ast.Attribute(attr=name) if name[:1].isupper():
            return {name}
    return {DYNAMIC}
