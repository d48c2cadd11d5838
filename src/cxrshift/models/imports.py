"""torchxrayvision's released files to model folders: read once, kept as safetensors with a manifest and a card."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from cxrshift_api.types import NOTICE, FileDigest

from .check import check_model
from .download import Progress, download
from .loader import load_model
from .manifest import CARD_NAME, Manifest, write_manifest
from .released_file import read_released
from .releases import AUTOENCODER, PREFIX, Release, find_release
from .staging import place_of, staged_folder
from .xrv import AUTOENCODER_FILE, CLASSIFIER_FILE, THRESHOLDS

_INPUT_SIZE = 224
_INPUT_RANGE = (-1024.0, 1024.0)


def import_xrv(name: str, *, classifier: Path, autoencoder: Path, out: Path | None = None) -> Path:
    """Make the model folder ``out``/``name`` from the two released files, and return it.

    ``name`` is one of releases.release_names(), ``out`` by default the user's models folder, where ``load_model``
    finds it. A model of that name that is already there is replaced, once the new one has been loaded and probed. No
    code in either file is run. Raises ModelError, of which WeightsError for a file that is not the released one.
    """
    return import_release(find_release(name), classifier=classifier, autoencoder=autoencoder, out=out)


def pull_xrv(name: str, *, out: Path | None = None, progress: Progress | None = None) -> Path:
    """Fetch the released files of ``name`` and import them as ``import_xrv`` does. Raises ModelError."""
    return pull_release(find_release(name), out=out, progress=progress)


def pull_release(release: Release, *, out: Path | None = None, progress: Progress | None = None) -> Path:
    """``pull_xrv`` for a release that need not be one of the library's. Raises ModelError."""
    with tempfile.TemporaryDirectory(prefix="cxrshift-pull-") as folder:
        classifier = download(release.classifier_url, Path(folder) / "classifier.pt", progress=progress)
        autoencoder = download(release.autoencoder_url, Path(folder) / "autoencoder.pt", progress=progress)
        return import_release(release, classifier=classifier, autoencoder=autoencoder, out=out)


def import_release(release: Release, *, classifier: Path, autoencoder: Path, out: Path | None = None) -> Path:
    """``import_xrv`` for a release that need not be one of the library's. Raises ModelError."""
    scores = read_released(classifier) | {THRESHOLDS: torch.tensor(release.thresholds, dtype=torch.float32)}
    pictures = read_released(autoencoder)
    with staged_folder(release.name, out) as folder:
        files = (_write(folder / CLASSIFIER_FILE, scores), _write(folder / AUTOENCODER_FILE, pictures))
        write_manifest(_manifest(release, files), folder)
        (folder / CARD_NAME).write_text(
            _card(release, classifier=_sha256(classifier), autoencoder=_sha256(autoencoder)), "utf-8"
        )
        check_model(load_model(folder))
    return place_of(release.name, out)


def _write(path: Path, tensors: Mapping[str, Tensor]) -> FileDigest:
    content = safetensors.torch.save(dict(tensors))
    path.write_bytes(content)
    return FileDigest(path.name, hashlib.sha256(content).hexdigest())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(release: Release, files: tuple[FileDigest, ...]) -> Manifest:
    return Manifest(
        name=release.name,
        version=release.version,
        summary=f"torchxrayvision's {release.name.removeprefix(PREFIX)} with its {AUTOENCODER} autoencoder.",
        kind="xrv",
        input_size=_INPUT_SIZE,
        input_range=_INPUT_RANGE,
        findings=release.findings,
        files=files,
        networks={
            "classifier": {"architecture": release.architecture, "input_size": release.classifier_size},
            "autoencoder": {"architecture": "resnet101"},
        },
    )


def _card(release: Release, *, classifier: str, autoencoder: str) -> str:
    trained = ", ".join(finding.name for finding in release.findings if finding.trained)
    untrained = ", ".join(finding.name for finding in release.findings if not finding.trained) or "none"
    resized = (
        f"The classifier was trained at {release.classifier_size} pixels; it sees images enlarged from {_INPUT_SIZE},\n"
        "the autoencoder's size, and so less detail than it could use.\n\n"
        if release.classifier_size != _INPUT_SIZE
        else ""
    )
    return f"""# {release.name}

The {release.architecture} classifier `{release.name.removeprefix(PREFIX)}` of torchxrayvision (Cohen et al.,
"TorchXRayVision: A library of chest X-ray datasets and models", MIDL 2022, arXiv 2111.00595) with its autoencoder
`{AUTOENCODER}` (Cohen et al., "Gifsplanation via Latent Shift", MIDL 2021, arXiv 2102.09475). Weights as released,
converted to safetensors by cxrshift; scores are calibrated so that 0.5 is each finding's operating point.

- Findings: {trained}.
- Outputs that these weights were not trained on, and that are refused: {untrained}.
- Input: {_INPUT_SIZE} x {_INPUT_SIZE} pixels, grey, [{_INPUT_RANGE[0]:g}, {_INPUT_RANGE[1]:g}].

| released file | SHA-256 |
|---|---|
| {release.classifier_url.rpartition("/")[2]} | {classifier} |
| {release.autoencoder_url.rpartition("/")[2]} | {autoencoder} |

{resized}The autoencoder limits what an explanation can show; each one carries a quality card that says how far.
The data sets that these weights were trained on have their own terms of use. {NOTICE}
"""
