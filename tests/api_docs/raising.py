"""Which errors a function raises by itself: in its own body, or in a private helper of its module that it calls."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from functools import cache

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
    if path not in code.functions[module] or path in seen:
        return set()
    found: set[str] = set()
    for thrown, helper, caught in _steps(code, module, path):
        errors = _raised(code, module, helper, seen | {path}) if helper else thrown
        found |= {one for one in errors if not ancestors(code, one) & caught}
    return found


_Step = tuple[set[str], str, set[str]]
"""The errors of a ``raise``, or the path of a private helper that is called; and the errors that are caught there."""


@cache
def _steps(code: Code, module: str, path: str) -> list[_Step]:
    """Where a function may raise something."""
    steps: list[_Step] = []
    function = code.functions[module][path].node
    for node, caught, bound in _walk(code, module, function, [], _annotated(function)):
        match node:
            case ast.Raise(exc=ast.expr() as error):
                steps.append((_named(code, module, error, bound), "", caught))
            case ast.Call(func=ast.Name(id=called)) if called.startswith("_"):
                steps.append((set(), called, caught))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self" | "cls"), attr=called)) if called.startswith("_"):
                steps.append((set(), f"{path.rpartition('.')[0]}.{called}", caught))
    return steps


def _walk(
    code: Code, module: str, node: ast.AST, caught: list[set[str]], bound: dict[str, set[str]]
) -> Iterator[tuple[ast.AST, set[str], dict[str, set[str]]]]:
    """Every node below ``node`` with the errors that are caught around it, and those bound by an ``except``."""
    yield node, set().union(*caught), bound
    if not isinstance(node, ast.Try):
        called = _called_in(node) if isinstance(node, Function) else set()
        for inner in ast.iter_child_nodes(node):
            if not isinstance(inner, Function) or inner.name in called:  # one that is handed on raises elsewhere
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


def _called_in(function: Function) -> set[str]:
    """The names that are called in a function."""
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {called.id for called in calls if isinstance(called, ast.Name)}


def _annotated(function: ast.AST) -> dict[str, set[str]]:
    """The variables that a function says the type of."""
    found = {}
    for node in ast.walk(function):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = {word for word in words_of(node.annotation) if _is_class(word)}
    return {name: types for name, types in found.items() if types}


def _is_class(name: str) -> bool:
    return name.lstrip("_")[:1].isupper()


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
            if _is_class(name):
                return {name}
            maker = code.functions[module].get(name)
            made = words_of(maker.node.returns) if maker and isinstance(maker.node, Function) else set()
            return made or {DYNAMIC}
        case ast.Name(id=name):
            return {name} if _is_class(name) else bound.get(name, {DYNAMIC})
        case ast.Attribute(attr=name) if _is_class(name):
            return {name}
    return {DYNAMIC}
