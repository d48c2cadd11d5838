"""manifest.toml: what a model folder says of itself. Needs no torch.

name = "phantom"
version = "1.0"
summary = "A small autoencoder and classifier, trained on synthetic radiographs."
kind = "compact"
input_size = 224
input_range = [-1024.0, 1024.0]
precision = "float32"
runtime = "auto"

[[findings]]
name = "Effusion"
operating_point = 0.5
trained = true

[[files]]
name = "classifier.safetensors"
sha256 = "<64 hexadecimal digits>"

[quality]
reference = "familiarity.safetensors"
max_distance = 1.4
min_ssim = 0.7

[networks.classifier]
width = 32
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cxrshift_api.types import FileDigest

from ..core.limits import QualityLimits
from ..errors import ManifestError
from .toml_fields import Table

FILE_NAME = "manifest.toml"
CARD_NAME = "README.md"
NAME_PATTERN = r"[a-z0-9][a-z0-9._-]{0,63}"
MAX_BYTES = 1 << 20
"""Largest manifest that is read, in bytes."""

NetworkArgument = int | float | str | bool | tuple[float, ...]
Networks = Mapping[str, Mapping[str, NetworkArgument]]

_TOKEN = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"  # noqa: S105 - a pattern, no secret
_TOKEN_RULE = "1 to 64 letters, digits, dots, underscores, hyphens or plus signs, a letter or digit first"  # noqa: S105
_NAME_RULE = "1 to 64 lower-case letters, digits, dots, underscores or hyphens, a letter or digit first"
_FILE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_WORDS = r"(?! )[^\x00-\x1f\x7f]{1,64}(?<! )"
_WORDS_RULE = "1 to 64 printable characters with no blank at either end"
_PRECISION = "float32|tfloat32|bfloat16|float16"
_RUNTIME = "auto|torch|torch-graph|onnxruntime|tensorrt|openvino"
_TAKEN_NAMES = frozenset({FILE_NAME, CARD_NAME, "model-config.yaml", "MAR-INF"})
"""Names that a model folder, or what TorchServe loads of it, already gives to other files."""


_LIMITS: Final = MappingProxyType(
    {
        "max_distance": (1e-6, 1e6),
        "min_detail": (0.0, 1.0),
        "min_ssim": (-1.0, 1.0),
        "max_score_gap": (0.0, 1.0),
        "min_movement": (0.0, 1.0),
        "min_monotonicity": (0.0, 1.0),
    }
)
"""The range of each field of QualityLimits."""


@dataclass(frozen=True)
class ManifestFinding:
    """One output of the classifier, in order: core.model.FindingSpec without torch."""

    name: str
    """As the classifier's authors call it."""
    operating_point: float = 0.5
    """Score in [0, 1] at which the finding counts as present."""
    trained: bool = True
    """False where its weights were never trained on it."""


@dataclass(frozen=True)
class ManifestQuality:
    """Where quality cards warn, learnt for this model. A limit that the table leaves out is not held."""

    limits: QualityLimits
    """Where each measure begins to warn."""
    reference: str | None = None
    """With ``max_distance``: which of the files tells how far a latent is from those of the training radiographs."""


@dataclass(frozen=True)
class Manifest:
    """A model folder's manifest, checked field by field when it is read and when it is written."""

    name: str
    """1 to 64 lower-case letters, digits, dots, underscores or hyphens; the folder's name too."""
    version: str
    """Told with every explanation."""
    summary: str
    """One line of at most 500 characters."""
    kind: str
    """Which code builds the networks; cxrshift.models.loader lists the kinds."""
    input_size: int
    """Pixels along each side of the square input, 16 to 4096: the quality card's SSIM needs 11."""
    input_range: tuple[float, float]
    """Model units of the darkest and the brightest pixel."""
    findings: tuple[ManifestFinding, ...]
    """One for each output of the classifier, in order."""
    files: tuple[FileDigest, ...]
    """The weight files."""
    precision: str = "float32"
    """Of the networks' products: float32, tfloat32, bfloat16 or float16."""
    runtime: str = "auto"
    """What runs the networks; auto = the fastest that was measured on the machine."""
    networks: Networks = field(default_factory=dict, hash=False)
    """Constructor arguments of each network, by the network's name."""
    quality: ManifestQuality | None = None
    """None = the limits of a model that states none."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder. Raises ManifestError, which names the field and what would be right."""
    try:
        content = (folder / FILE_NAME).read_bytes()
    except FileNotFoundError as error:
        raise ManifestError(f"{folder.name} is no model folder: it holds no {FILE_NAME}.") from error
    except OSError as error:
        raise ManifestError(f"{FILE_NAME} of {folder.name} cannot be read: {error.strerror}.") from error
    return parse_manifest(content)


def parse_manifest(content: bytes) -> Manifest:
    """The manifest that these bytes of TOML are. Raises ManifestError."""
    if len(content) > MAX_BYTES:
        raise ManifestError(f"{FILE_NAME} is over {MAX_BYTES} bytes; it must be a short text.")
    try:
        document = Table(tomllib.loads(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{FILE_NAME} must be UTF-8.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError(f"{FILE_NAME} is no valid TOML: {error}.") from error
    manifest = Manifest(
        name=document.text("name", NAME_PATTERN, _NAME_RULE),
        version=document.text("version", _TOKEN, _TOKEN_RULE),
        summary=document.text("summary", r"[^\x00-\x1f\x7f]{0,500}", "one line of at most 500 characters"),
        kind=document.text("kind", _TOKEN, _TOKEN_RULE),
        input_size=document.integer("input_size", 16, 4096),
        input_range=document.interval("input_range"),
        findings=_findings(document),
        files=_files(document),
        precision=document.text("precision", _PRECISION, _either(_PRECISION), default="float32"),
        runtime=document.text("runtime", _RUNTIME, _either(_RUNTIME), default="auto"),
        quality=_quality(document),
        networks=MappingProxyType({k: MappingProxyType(t.arguments()) for k, t in document.tables("networks").items()}),
    )
    document.close()
    reference = manifest.quality.reference if manifest.quality else None
    if reference is not None and reference not in [file.name for file in manifest.files]:
        raise ManifestError(f"{FILE_NAME}: quality.reference must be one of files.")
    return manifest


def write_manifest(manifest: Manifest, folder: Path) -> Path:
    """Write ``folder``/manifest.toml and return its path. Raises ManifestError for what could not be read back."""
    text = "\n".join(_lines(manifest)) + "\n"
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ManifestError(f"{FILE_NAME} must be UTF-8; a name or text holds a lone surrogate.") from error
    if parse_manifest(content) != manifest:
        raise ManifestError("A number of the manifest has another type than its field; it would be read differently.")
    path = folder / FILE_NAME
    path.write_bytes(content)
    return path


def _findings(document: Table) -> tuple[ManifestFinding, ...]:
    findings = []
    for row in document.rows("findings"):
        name = row.text("name", _WORDS, _WORDS_RULE)
        findings.append(ManifestFinding(name, row.fraction("operating_point", 0.5), row.flag("trained", True)))
        row.close()
    _check_distinct(document, "findings", [finding.name for finding in findings])
    return tuple(findings)


def _files(document: Table) -> tuple[FileDigest, ...]:
    files = []
    for row in document.rows("files"):
        name = row.text("name", _FILE, "a plain file name: letters, digits, dots, underscores, hyphens; no folder")
        if name in _TAKEN_NAMES:
            raise row.refuse("name", "must be another name: that file has its own use in a model folder")
        files.append(FileDigest(name, row.text("sha256", r"[0-9a-f]{64}", "64 lower-case hexadecimal digits")))
        row.close()
    _check_distinct(document, "files", [file.name.lower() for file in files])  # some file systems ignore case
    return tuple(files)


def _quality(document: Table) -> ManifestQuality | None:
    table = document.table("quality")
    if table is None:
        return None
    limits = QualityLimits(**{name: table.optional(name, *span) for name, span in _LIMITS.items()})
    reference = table.text("reference", _FILE, "the name of a file") if limits.max_distance is not None else None
    table.close()
    return ManifestQuality(limits, reference)


def _either(pattern: str) -> str:
    return f"one of {', '.join(pattern.split('|'))}"


def _check_distinct(document: Table, field_name: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise document.refuse(field_name, "must have different names")


def _lines(manifest: Manifest) -> Iterator[str]:
    for name in ("name", "version", "summary", "kind", "input_size", "input_range", "precision", "runtime"):
        yield f"{name} = {_value(getattr(manifest, name))}"
    for finding in manifest.findings:
        yield "\n[[findings]]"
        yield f"name = {_value(finding.name)}"
        yield f"operating_point = {_value(finding.operating_point)}"
        yield f"trained = {_value(finding.trained)}"
    for file in manifest.files:
        yield "\n[[files]]"
        yield f"name = {_value(file.name)}"
        yield f"sha256 = {_value(file.sha256)}"
    if manifest.quality is not None:
        yield "\n[quality]"
        if manifest.quality.reference is not None:
            yield f"reference = {_value(manifest.quality.reference)}"
        for name in _LIMITS:
            if (limit := getattr(manifest.quality.limits, name)) is not None:
                yield f"{name} = {_value(limit)}"
    for network, arguments in manifest.networks.items():
        yield f"\n[networks.{_key(network)}]"
        for argument, value in arguments.items():
            yield f"{_key(argument)} = {_value(value)}"


def _value(value: NetworkArgument) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(repr, value))}]"
    return repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, but TOML also wants DEL escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
