"""The public names of the project and what is written of each, read from the syntax: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("proto", "client", "src", "handlers")
APPLICATIONS = ("cxrshift.cli",)
"""Packages that nobody imports from: the docstrings of their functions are help texts for a terminal."""

SPOKEN_OF = ("__init__", "__call__")
"""The special methods that a caller must know the arguments of."""

ROOTS = ("Tensor", "NDArray", "ndarray")
"""What arrays are called where they have no alias."""

HELD = ("cxrshift", "cxrshift_api", "cxrshift_client", "explain_handler", "explain_rows")
"""What is held to the rules: the packages of the wheel."""

LIBRARY = (
    *("cxrshift_api", "cxrshift_client", "cxrshift.core", "cxrshift.image", "cxrshift.models", "cxrshift.phantom"),
    *("cxrshift.errors", "cxrshift.evaluation", "cxrshift.runtime.choice"),
)
"""What programs of other people import: here each field has a meaning, whatever its type."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Kind(StrEnum):
    MODULE = "module"
    CLASS = "class"
    FUNCTION = "function"
    FIELD = "field"
    CONSTANT = "constant"


@dataclass(frozen=True, eq=False)
class Name:
    """A public name: where it stands, its syntax, and its docstring, "" where there is none."""

    module: str
    path: str
    kind: Kind
    node: ast.AST
    doc: str
    owner: Name | None = None
    """The class that it belongs to."""

    def __str__(self) -> str:
        return f"{self.module}.{self.path}" if self.path else self.module

    @property
    def is_library(self) -> bool:
        return is_within(self.module, LIBRARY)

    @property
    def is_private(self) -> bool:
        return any(part.startswith("_") and part not in SPOKEN_OF for part in self.path.split("."))


@dataclass(frozen=True, eq=False)
class Code:
    """The syntax of every module, by dotted name."""

    modules: dict[str, ast.Module]

    @cached_property
    def every(self) -> list[Name]:
        return [name for module, tree in self.modules.items() for name in _names_of(module, tree)]

    @cached_property
    def public(self) -> list[Name]:
        """Each name without a leading underscore of each module without one, but those of the applications."""
        return [name for name in self.every if not name.is_private and _is_public_module(name.module)]

    @cached_property
    def alike(self) -> dict[str, list[Name]]:
        """Every function and method by the last part of its name."""
        found: dict[str, list[Name]] = {}
        for name in self.every:
            if name.kind is Kind.FUNCTION:
                found.setdefault(name.path.rpartition(".")[2], []).append(name)
        return found

    @cached_property
    def functions(self) -> dict[str, dict[str, Name]]:
        """Module -> path -> each function and method, private ones too."""
        found: dict[str, dict[str, Name]] = {module: {} for module in self.modules}
        for name in self.every:
            if name.kind is Kind.FUNCTION:
                found[name.module][name.path] = name
        return found

    @cached_property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Every class's short name and those of its bases."""
        nodes = [name.node for name in self.every if isinstance(name.node, ast.ClassDef)]
        return {node.name: tuple(ast.unparse(base).split(".")[-1] for base in node.bases) for node in nodes}

    def inherited(self, owner: Name) -> Iterator[str]:
        """What the classes of its module that a class descends from say."""
        known = {name.path: name for name in self.every if name.kind is Kind.CLASS and name.module == owner.module}
        waiting = [owner.path]
        while waiting:
            for base in self.classes.get(waiting.pop(), ()):
                if base in known:
                    waiting.append(base)
                    yield known[base].doc

    @cached_property
    def numbers(self) -> set[str]:
        """What numbers are called, within bounds of their own too: ``Seconds = Annotated[float, ...]``."""
        found = {"int", "float"}
        for tree in self.modules.values():
            for statement in tree.body:
                match statement:
                    case ast.Assign(
                        targets=[ast.Name(id=alias)], value=ast.Subscript(value=ast.Name(id="Annotated")) as value
                    ):
                        found |= {alias} if words_of(value) & {"int", "float"} else set()
        return found

    @cached_property
    def arrays(self) -> dict[str, dict[str, str]]:
        """For each module the names that stand there for an array or tensor, and what each stands for."""
        imports = {module: list(_imports(module, tree)) for module, tree in self.modules.items()}
        found: dict[str, dict[str, str]] = {}
        for module, tree in self.modules.items():
            ours = {statement.name for statement in tree.body if isinstance(statement, ast.ClassDef)}
            ours |= {own for origin, _, own in imports[module] if origin in self.modules}
            found[module] = dict.fromkeys(set(ROOTS) - ours, "")
        grown = True
        while grown:
            grown = False
            for module, tree in self.modules.items():
                brought = [
                    (own, found[origin][name]) for origin, name, own in imports[module] if name in found.get(origin, {})
                ]
                for name, means in [*_aliases(tree, found[module]), *brought]:
                    grown = grown or name not in found[module]
                    found[module].setdefault(name, means)
        return found


def read_code() -> Code:
    """All of ours, generated code left out."""
    modules = {}
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            parts = path.relative_to(ROOT / source).with_suffix("").parts
            if not parts[-1].endswith(("_pb2", "_pb2_grpc")):
                dotted = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                modules[dotted] = ast.parse(path.read_text("utf-8"))
    return Code(modules)


def words_of(node: ast.AST | None) -> set[str]:
    """The names in an annotation, those in quotes too; of a callable's parameters and result none."""
    if node is None:
        return set()
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Callable"):
        return {"Callable"}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return words_of(ast.parse(node.value, mode="eval").body)
        except SyntaxError:
            return set()
    own = {node.id} if isinstance(node, ast.Name) else {node.attr} if isinstance(node, ast.Attribute) else set()
    return own.union(*(words_of(child) for child in ast.iter_child_nodes(node)))


def arrays_in(annotation: ast.AST | None, known: Mapping[str, str]) -> set[str]:
    """The names in an annotation that ``known`` has for arrays; ``pb.Array`` is another's."""
    others = {node.attr for node in ast.walk(annotation) if isinstance(node, ast.Attribute)} if annotation else set()
    return {word for word in words_of(annotation) & set(known) if word not in others or word in ROOTS}


def offered(tree: ast.Module) -> Iterator[str]:
    """The names in a package's ``__all__``."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names)):
                yield from (ast.literal_eval(name) for name in names)


def _is_public_module(module: str) -> bool:
    private = any(part.startswith("_") for part in module.split("."))
    return is_within(module, HELD) and not is_within(module, APPLICATIONS) and not private


def is_within(module: str, packages: tuple[str, ...]) -> bool:
    """Whether a module is one of the packages or in one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def _names_of(module: str, tree: ast.Module) -> Iterator[Name]:
    yield Name(module, "", Kind.MODULE, tree, ast.get_docstring(tree) or "")
    yield from _members(module, "", tree.body, None)


def _members(module: str, prefix: str, body: list[ast.stmt], owner: Name | None) -> Iterator[Name]:
    for statement, after in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                doc = ast.get_docstring(statement) or ""
                if statement.name == "__init__" and owner:  # told by its class
                    doc = f"{owner.doc} {doc}"
                if not _is_dunder(statement.name) or statement.name in SPOKEN_OF:
                    yield Name(module, prefix + statement.name, Kind.FUNCTION, statement, doc, owner)
            case ast.ClassDef():
                doc = ast.get_docstring(statement) or ""
                one = Name(module, prefix + statement.name, Kind.CLASS, statement, doc, owner)
                yield one
                yield from _members(module, f"{prefix}{statement.name}.", statement.body, one)
            case ast.AnnAssign(target=ast.Name(id=target)) | ast.Assign(targets=[ast.Name(id=target)]):
                kind = Kind.FIELD if owner else Kind.CONSTANT
                if not _is_dunder(target):
                    yield Name(module, prefix + target, kind, statement, _string(after) or _described(statement), owner)


def _string(statement: ast.stmt | None) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return text
    return ""


def _described(statement: ast.stmt) -> str:
    """What a pydantic field says of itself."""
    for node in ast.walk(statement):
        match node:
            case ast.keyword(arg="description", value=ast.Constant(value=str(text))):
                return text
    return ""


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _aliases(tree: ast.Module, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What a module calls an array, by what is ``known`` there."""
    for statement in tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=alias)], value=value)
                | ast.AnnAssign(target=ast.Name(id=alias), value=ast.expr() as value)
            ) if arrays_in(value, known) and not _is_called(value):
                yield alias, ast.unparse(value)


def _imports(module: str, tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Each name that comes from another module: that module, its name there and here."""
    guarded = (inner for statement in tree.body if isinstance(statement, ast.If) for inner in statement.body)
    for node in (*tree.body, *guarded):
        if isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((origin, name.name, name.asname or name.name) for name in node.names)


def _is_called(node: ast.AST) -> bool:
    return any(isinstance(part, ast.Call | ast.Constant) for part in ast.walk(node))
