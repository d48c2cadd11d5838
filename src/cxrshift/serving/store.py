"""Build model folders into what TorchServe loads: each with its archive manifest and model-config.yaml beside it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cxrshift.errors import ManifestError, WeightsError
from cxrshift.models.manifest import Manifest, read_manifest

HANDLER = "explain_handler:handle"
"""An installed module, found by the worker on its path; the folder holds no code."""

_FINGERPRINT = "MAR-INF/FINGERPRINT"
_LAYOUT = 1
_CHUNK = 1 << 20


@dataclass(frozen=True)
class StoreSettings:
    """How TorchServe runs each model's workers; seconds unless named otherwise."""

    workers: int = 1
    """Number of workers of each model."""
    batch_size: int = 8
    """Most requests in one batch."""
    max_batch_delay_ms: int = 1
    """Milliseconds that a lone request waits for company. What queues up behind a batch in work becomes the next one
    without any wait. TorchServe takes 0 for its own default of 100."""
    response_timeout: int = 120
    """Seconds after which a silent worker is killed, with its batch."""
    startup_timeout: int = 180
    """Seconds that a worker may take to load its model."""
    max_retry_timeout: int = 86_400
    """After a worker's death, how long TorchServe tries to have one up again, at intervals that grow to 55 s. Later it
    never would, and still call itself healthy: so let it outlast whatever kills workers."""
    use_gpu: bool = False
    threads: int = 0
    """Number of torch's threads in each worker; 0 = torch's own choice."""
    runtime: str = ""
    """What runs the networks; empty = as each model's manifest says."""
    precision: str = ""
    """Of the networks' products; empty = as each model's manifest says."""
    max_reply_bytes: int = 16 << 20
    """Larger replies become TOO_LARGE. Keep it below the front end's own limit, which kills the worker, and small: the
    front end takes about 0.9 ms times the square of a batch's megabytes."""
    compress_above: int = 6 << 20
    """Bytes of a batch's images above which the worker compresses them; 0 = always."""
    reject_unsuitable: bool = False
    """Refuse, instead of warning of it: an image whose file says that it is a lateral view or no chest, and one that is
    unlike the model's training radiographs."""
    recent_encodings: int = 64
    """Radiographs whose latents and own scores a worker remembers, so that one asked about again costs less; 0 = none.
    No pixels are kept, and nothing of a request."""


def build_store(models: Sequence[str | Path], out: Path, *, settings: StoreSettings | None = None) -> Path:
    """Make ``out/<model>`` for each model folder and return ``out``.

    Weight files are checked against the manifest's SHA-256 while they are copied. A folder that is already there, was
    built of the same content and still holds it is kept; otherwise the new one replaces it at once, so that a reader
    never sees half a model. Raises ManifestError or WeightsError.
    """
    settings = settings or StoreSettings()
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    names: set[str] = set()
    for folder in map(Path, models):
        manifest = read_manifest(folder)
        if manifest.name in names:
            raise ManifestError(f"Two of the folders hold a model named {manifest.name}; serve one of them.")
        names.add(manifest.name)
        _build_model(folder, manifest, out / manifest.name, settings)
    return out


def fingerprint(folder: Path, manifest: Manifest, settings: StoreSettings) -> str:
    """SHA-256 of everything that decides a built folder's content: manifest, settings, layout, handler."""
    text = (folder / "manifest.toml").read_bytes()
    plan = json.dumps([_LAYOUT, HANDLER, asdict(settings), sorted(f.name for f in manifest.files)])
    return hashlib.sha256(text + b"\0" + plan.encode()).hexdigest()


def _build_model(folder: Path, manifest: Manifest, target: Path, settings: StoreSettings) -> None:
    print_of_content = fingerprint(folder, manifest, settings)
    if _is_built(target, manifest, print_of_content):
        return
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    try:
        building.chmod(0o755)
        for file in manifest.files:
            _copy_checked(folder / file.name, building / file.name, file.sha256)
        shutil.copyfile(folder / "manifest.toml", building / "manifest.toml")
        with suppress(FileNotFoundError):
            shutil.copyfile(folder / "README.md", building / "README.md")
        (building / "MAR-INF").mkdir()
        (building / "MAR-INF/MANIFEST.json").write_text(_archive_manifest(manifest), "utf-8")
        (building / "model-config.yaml").write_text(_model_config(settings), "utf-8")
        (building / _FINGERPRINT).write_text(print_of_content, "ascii")
        _replace_folder(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _is_built(target: Path, manifest: Manifest, print_of_content: str) -> bool:
    marker = target / _FINGERPRINT
    if not marker.is_file() or marker.read_text("ascii") != print_of_content:
        return False
    return all(_holds(target / file.name, file.sha256) for file in manifest.files)


def _holds(path: Path, sha256: str) -> bool:
    """Whether the file is there and whole: a disk may have lost it since, or part of it."""
    if not path.is_file():
        return False
    with path.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest() == sha256


def _copy_checked(source: Path, target: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(_CHUNK):
                digest.update(chunk)
                writer.write(chunk)
    except FileNotFoundError as error:
        raise WeightsError(f"The manifest names {source.name}, which is not in the model's folder.") from error
    if digest.hexdigest() != sha256:
        raise WeightsError(f"{source.name} is not the file that the manifest describes: its SHA-256 differs.")


def _replace_folder(new: Path, target: Path) -> None:
    """Put ``new`` in ``target``'s place; a folder cannot be renamed over a full one, so the old one steps aside."""
    old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
    try:
        with suppress(FileNotFoundError):
            target.rename(old / "model")
        new.rename(target)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _archive_manifest(manifest: Manifest) -> str:
    model = {
        "modelName": manifest.name,
        "modelVersion": "1.0",  # TorchServe's own counter; the model's real version travels in its receipt
        "handler": HANDLER,
        "configFile": "model-config.yaml",
    }
    archive = {"runtime": "python", "model": model, "archiverVersion": "0.12.0", "createdOn": ""}
    return json.dumps(archive, indent=2) + os.linesep


def _model_config(settings: StoreSettings) -> str:
    lines = [
        f"minWorkers: {settings.workers}",
        f"maxWorkers: {settings.workers}",
        f"batchSize: {settings.batch_size}",
        f"maxBatchDelay: {settings.max_batch_delay_ms}",
        f"responseTimeout: {settings.response_timeout}",
        f"startupTimeout: {settings.startup_timeout}",
        f"maxRetryTimeoutInSec: {settings.max_retry_timeout}",
        f"deviceType: {'gpu' if settings.use_gpu else 'cpu'}",
        "cxrshift:",
        f"  threads: {settings.threads}",
        f"  runtime: {json.dumps(settings.runtime)}",
        f"  precision: {json.dumps(settings.precision)}",
        f"  max_reply_bytes: {settings.max_reply_bytes}",
        f"  compress_above: {settings.compress_above}",
        f"  reject_unsuitable: {json.dumps(settings.reject_unsuitable)}",
        f"  recent_encodings: {settings.recent_encodings}",
    ]
    return "\n".join(lines) + "\n"
