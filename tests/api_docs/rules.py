"""What must be said of a public name. Each rule yields what is missing, in words; nothing where all is said."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .names import Code, Function, Kind, Name, arrays_in, words_of
from .raising import DYNAMIC, ancestors, is_error, raised_by
from .wording import (
    DTYPE,
    ERROR_AFTER_RAISES,
    ERROR_BY_NAME,
    FORMULA,
    MEASURED,
    NAMED_UNIT,
    RANGE,
    SENTENCE_END,
    SHAPE,
    SHARED_ARRAY,
    SHARED_UNIT,
    SOURCE,
    UNITS,
)


@dataclass(frozen=True)
class Fault:
    """A public name and what its docstring lacks."""

    name: str
    lacks: str

    def __str__(self) -> str:
        return f"{self.name}: {self.lacks}"


def check_docstring(code: Code, name: Name) -> Iterator[str]:
    """Modules, classes, functions and methods have a docstring."""
    if name.kind in (Kind.MODULE, Kind.CLASS, Kind.FUNCTION) and not name.doc.strip():
        yield "no docstring"


def check_arrays(code: Code, name: Name) -> Iterator[str]:
    """Each array that goes in or comes out has a shape, a dtype and, where it is measured in something, a range."""
    if not isinstance(name.node, Function):
        return
    claimed: set[int] = set()
    doc, classes = _with_what_it_is_like(code, name), _with_classes(code, name)
    for parameter, annotation in _parameters(name.node):
        dtype = _dtype_of_annotation(code, name.module, annotation)
        if dtype is None:
            continue
        if not _said_of(parameter, doc) and SHAPE.search(said := _said_of(parameter, classes)):
            yield from _missing(parameter, said, dtype)
            continue
        shapes = [(where, shape) for where, said in _rests(parameter, doc) if (shape := SHAPE.search(said))]
        if not shapes:
            yield f"no shape of ``{parameter}``"
        claimed |= {where + shape.start() for where, shape in shapes}
        yield from _missing(parameter, _said_of(parameter, doc), dtype)
    dtype = _dtype_of_annotation(code, name.module, name.node.returns)
    if dtype is not None:
        free = [shape for shape in SHAPE.finditer(doc) if shape.start() not in claimed]
        if not free:
            yield "no shape of what it returns"
        yield from _missing(name.node.name, doc, dtype, "what it returns")


def check_numbers(code: Code, name: Name) -> Iterator[str]:
    """Each float that goes in or comes out has a range or units, or a name that says its unit."""
    if not isinstance(name.node, Function):
        return
    doc = _with_what_it_is_like(code, name)
    known = code.arrays[name.module]
    for parameter, annotation in _parameters(name.node):
        if "float" not in words_of(annotation) or arrays_in(annotation, known) or NAMED_UNIT.search(parameter):
            continue
        if not UNITS.search(_said_of(parameter, doc)):
            yield f"neither range nor units of ``{parameter}``"
    returned = name.node.returns
    if "float" in words_of(returned) and not arrays_in(returned, known) and not UNITS.search(doc):
        yield "neither range nor units of what it returns"


def check_members(code: Code, name: Name) -> Iterator[str]:
    """Each member of an enumeration has a meaning."""
    if name.kind is not Kind.FIELD or name.owner is None or not isinstance(name.owner.node, ast.ClassDef):
        return
    member = name.path.rpartition(".")[2]
    if ENUMERATIONS & ancestors(code, name.owner.node.name) and not (name.doc or _said_of(member, name.owner.doc)):
        yield "no meaning"


ENUMERATIONS = {"Enum", "StrEnum", "IntEnum", "Flag", "IntFlag"}


def check_fields(code: Code, name: Name) -> Iterator[str]:
    """Each field that is an array has a shape and dtype; one that is a number a meaning with a range or units.

    In the library each other one has a meaning too, which may stand with the class that it is inherited from.
    """
    if name.kind is not Kind.FIELD or name.owner is None or not isinstance(name.node, ast.AnnAssign | ast.Assign):
        return
    field = name.path.rpartition(".")[2]
    said = f"{name.doc} {_said_of(field, name.owner.doc)}".strip()
    annotation = name.node.annotation if isinstance(name.node, ast.AnnAssign) else None
    dtype = _dtype_of_annotation(code, name.module, annotation)
    if dtype is not None:
        said += " ".join(SHARED_ARRAY.findall(name.owner.doc)) if said else ""
        if not SHAPE.search(said):
            yield "no shape"
        yield from _missing(field, said, dtype, "it")
    elif words_of(annotation) & code.numbers:
        if not said:
            yield "no meaning"
        elif not UNITS.search(f"{said} {' '.join(NAMED_UNIT.findall(field))}") and not SHARED_UNIT.search(
            name.owner.doc.split("\n\n")[0]
        ):
            yield "neither range nor units"
    elif name.is_library and not said and not any(_said_of(field, doc) for doc in code.inherited(name.owner)):
        yield "no meaning"


def check_constants(code: Code, name: Name) -> Iterator[str]:
    """A constant number says what it is."""
    if name.kind is not Kind.CONSTANT or not isinstance(name.node, ast.Assign | ast.AnnAssign):
        return
    if _is_number(name.node.value) and not name.doc:
        yield "no meaning"


def check_errors(code: Code, name: Name) -> Iterator[str]:
    """Each error that a function raises is named, itself or by what it descends from."""
    if not isinstance(name.node, Function):
        return
    doc = _with_what_it_is_like(code, name) + (name.owner.doc if name.owner else "")
    named = set(re.findall(r"[A-Za-z_]\w*", doc))
    for error in sorted(raised_by(code, name)):
        if error == DYNAMIC:
            if not re.search(r"\b[Rr]aises?\b", doc):
                yield "raises an error that is not spoken of"
        elif not (ancestors(code, error) - {"Exception", "BaseException", "object"}) & named:
            yield f"raises {error} without saying so"


def check_named_errors(code: Code, name: Name) -> Iterator[str]:
    """Each error that is spoken of exists."""
    for error in sorted({*ERROR_AFTER_RAISES.findall(name.doc), *ERROR_BY_NAME.findall(name.doc)}):
        if not is_error(code, error) and error not in FOREIGN:
            yield f"speaks of {error}, which is no error"


FOREIGN = {"SSLError": "ssl", "SubprocessError": "subprocess", "ValidationError": "pydantic"}
"""Errors of other libraries that our docstrings speak of, and where each is found."""


def check_sources(code: Code, name: Name) -> Iterator[str]:
    """A formula has a source: in the same docstring, or in that of its class or module.

    A docstring that shows one is known by its signs; what is computed in a module of FORMULAS needs one in any case.
    """
    if name.kind not in (Kind.FUNCTION, Kind.CLASS):
        return
    if not SOURCE.search(f"{name.doc} {name.owner.doc if name.owner else ''} {module_doc(code, name)}"):
        if FORMULA.search(name.doc):
            yield "a formula without a source"
        elif name.module in FORMULAS:
            yield "no source, and its module computes what is published or defined somewhere"


FORMULAS = (
    "cxrshift.core.familiarity",
    "cxrshift.core.heatmap",
    "cxrshift.core.passes",
    "cxrshift.core.probe",
    "cxrshift.core.profiles",
    "cxrshift.core.quality",
    "cxrshift.core.runtime",
    "cxrshift.core.saliency",
    "cxrshift.core.shift",
    "cxrshift.evaluation.alignment",
    "cxrshift.evaluation.intervals",
    "cxrshift.evaluation.localisation",
    "cxrshift.evaluation.perturbation",
    "cxrshift.evaluation.reader_study",
    "cxrshift.evaluation.realism",
    "cxrshift.evaluation.sanity",
    "cxrshift.image.tones",
    "cxrshift.training.measure",
    "cxrshift.training.operating_points",
    "cxrshift.training.quality",
)
"""Modules of mathematics: each public name of theirs has a source, its own or its module's."""


RULES: tuple[Callable[[Code, Name], Iterator[str]], ...] = (
    check_docstring,
    check_arrays,
    check_numbers,
    check_fields,
    check_members,
    check_constants,
    check_errors,
    check_named_errors,
    check_sources,
)


def faults_of(code: Code, name: Name) -> list[Fault]:
    """All that the rules find wrong with one name."""
    return [Fault(str(name), lacks) for rule in RULES for lacks in rule(code, name)]


def module_doc(code: Code, name: Name) -> str:
    """The docstring of the module that ``name`` stands in."""
    return ast.get_docstring(code.modules[name.module]) or ""


def _with_what_it_is_like(code: Code, name: Name) -> str:
    """Its docstring; of one that says "as ``X``" that of X too, a public name or another method of its class."""
    return "\n\n".join(one.doc for one in _alike(code, name, frozenset()))


def _with_classes(code: Code, name: Name) -> str:
    """The docstrings of the classes of all that a docstring leads to: they may speak for their methods' parameters."""
    return "\n\n".join(one.owner.doc for one in _alike(code, name, frozenset()) if one.owner)


def _alike(code: Code, name: Name, seen: frozenset[Name]) -> Iterator[Name]:
    yield name
    for alike in re.findall(r"\b[Aa]s ``([\w.]+)``", name.doc):
        for other in code.alike.get(alike.rpartition(".")[2], ()):
            if other not in seen and _answers_to(alike, name, other):
                yield from _alike(code, other, seen | {name})


def _answers_to(alike: str, name: Name, other: Name) -> bool:
    if "." not in alike:
        return (other.module, other.path) in (
            (name.module, alike),
            (name.module, f"{name.path.rpartition('.')[0]}.{alike}"),
        )
    return str(other) == alike or str(other).endswith(f".{alike}")


def _parameters(node: Function) -> Iterator[tuple[str, ast.expr | None]]:
    arguments = node.args
    for one in [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs]:
        if one is not None and not one.arg.startswith("_"):
            yield one.arg, one.annotation


def _dtype_of_annotation(code: Code, module: str, annotation: ast.expr | None) -> str | None:
    """None where it holds no array; "" where the annotation leaves the dtype open; else all that it stands for."""
    known = code.arrays[module]
    arrays = arrays_in(annotation, known)
    if not arrays or annotation is None:
        return None
    spelled = " ".join([ast.unparse(annotation), *(known[alias] for alias in arrays)])
    return spelled if DTYPE.search(spelled.replace("bool_", "bool")) else ""


def _rests(word: str, doc: str) -> Iterator[tuple[int, str]]:
    """The rest of each sentence that ``word`` stands in, between double backticks or before a colon; and its place."""
    flat = re.sub(r"(?<!\n)\n(?!\s*\n)", " ", doc)  # as long as it was
    for mention in re.finditer(rf"``{word}``|^\s*(?:\w+, )*{word}(?:, \w+)*:", doc, re.MULTILINE):
        end = SENTENCE_END.search(flat, mention.end())
        yield mention.end(), flat[mention.end() : end.start() if end else len(flat)]


def _said_of(word: str, doc: str) -> str:
    return " ".join(said for _, said in _rests(word, doc))


def _missing(word: str, said: str, annotated: str, what: str = "") -> Iterator[str]:
    what = what or f"``{word}``"
    if not annotated and not DTYPE.search(said):
        yield f"no dtype of {what}"
    if MEASURED.search(word) and not RANGE.search(said) and "uint8" not in annotated and "bool" not in annotated:
        yield f"no range or units of {what}"


def _is_number(value: ast.expr | None) -> bool:
    return value is not None and not any(
        not isinstance(part, ast.Constant | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop)
        or (isinstance(part, ast.Constant) and not isinstance(part.value, int | float))
        or (isinstance(part, ast.Constant) and isinstance(part.value, bool))
        for part in ast.walk(value)
    )
