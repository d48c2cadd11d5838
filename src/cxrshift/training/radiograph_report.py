"""What is found on held-back patients, as figures and as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..models.compact import UNIT, CompactAutoencoder, CompactClassifier
from .compact import to_model_units
from .figures import draw_history, draw_reconstructions, draw_rocs
from .fit import History
from .measure import ReconstructionFigures, measure_findings, measure_reconstruction, reconstruct, score
from .pictures import PictureSet
from .radiograph_card import CardFacts, FindingRow
from .splits import Split

_SHEET = 10


def examine(
    network: CompactClassifier,
    autoencoder: CompactAutoencoder,
    parts: tuple[PictureSet, PictureSet, PictureSet],
    points: tuple[float, ...],
    history: History,
) -> tuple[CardFacts, dict[str, bytes]]:
    """What the card says, and the report's files. ``points`` are operating points in [0, 1]."""
    training, validation, test = parts
    labels = test.labels.cpu().numpy()
    scores = score(network, to_model_units(test.images))
    of_copies = score(network, reconstruct(autoencoder, test.images))
    measured = measure_findings(test.findings, labels, scores, of_copies)
    reconstruction = measure_reconstruction(autoencoder, test)
    rows = []
    for column, (figures, point) in enumerate(zip(measured, points, strict=True)):
        called = scores[:, column] >= point
        rows.append(
            FindingRow(
                figures,
                training.count(1)[column],
                validation.count(1)[column],
                point,
                sensitivity=_share(called[labels[:, column] == 1]),
                specificity=_share(~called[labels[:, column] == 0]),
            )
        )
    counts = tuple(
        (part, len(pictures), len(set(pictures.groups))) for part, pictures in zip(Split, parts, strict=True)
    )
    facts = CardFacts(counts, tuple(rows), reconstruction, history.best.step if history.best else 0)
    areas = [figures.auroc for figures in measured]
    report = {
        "history.png": draw_history(history, "Classifier"),
        "reconstructions.png": draw_sheet(autoencoder, test, reconstruction),
        "roc.png": draw_rocs(test.findings, labels, scores, areas, f"{len(test)} pictures of held-back patients"),
        "report.json": dump({"test": asdict(facts), "history": asdict(history)}),
    }
    return facts, report


def draw_sheet(autoencoder: CompactAutoencoder, test: PictureSet, figures: ReconstructionFigures) -> bytes:
    """Ten pictures from all over the test split, their reconstructions and what was lost, as a PNG."""
    some = test.images[:: max(1, len(test) // _SHEET)][:_SHEET]
    originals, copies = to_model_units(some)[:, 0].cpu().numpy(), reconstruct(autoencoder, some)[:, 0].cpu().numpy()
    title = f"Held-back patients: MAE {figures.mae:.1f} of {2 * UNIT:.0f}, SSIM {figures.ssim:.3f}"
    return draw_reconstructions(originals, copies, title)


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def write_report(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a report's files; those of these names are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def dump(members: Mapping[str, object]) -> bytes:
    """JSON, with what is not a number as null."""
    finite = json.loads(json.dumps(members), parse_constant=lambda constant: None)
    return (json.dumps(finite, indent=1) + "\n").encode()
