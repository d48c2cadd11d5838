"""What a network for real radiographs is worth, on pictures it was not trained on.

AUROC: Hanley and McNeil, Radiology 143 (1982). SSIM: Wang et al., IEEE TIP 13 (2004). The others are by definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.quality import structural_similarity
from ..evaluation.localisation import auroc
from ..models.compact import UNIT, CompactAutoencoder, CompactClassifier
from .compact import to_model_units
from .fit import Measured
from .pictures import PictureSet
from .radiographs import reconstruction_loss

ROWS = 64
"""Pictures in one pass."""
FEWEST = 5
"""A finding with fewer present or absent in validation takes no part in the choice of the best weights."""
GAP_SHARE = 0.25
"""How much a score gap counts beside an AUROC in that choice."""

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class FindingFigures:
    """One finding on one split; NaN where there is nothing to measure."""

    finding: str
    present: int
    """Number of pictures on which it is present."""
    absent: int
    """Number of pictures on which it is absent."""
    auroc: float
    """Of the pictures' scores, in [0, 1]."""
    auroc_of_reconstructions: float
    """Of the reconstructions' scores, in [0, 1]."""
    gap: float
    """Median |f(x) - f(D(E(x)))|, in [0, 1], over the pictures on which it is present."""


@dataclass(frozen=True)
class ReconstructionFigures:
    """How well a split's pictures are reproduced."""

    pictures: int
    """Number of pictures."""
    mae: float
    """Mean absolute error in model units, whose range is 2048."""
    ssim: float
    """Mean structural similarity, in [-1, 1]."""


@torch.no_grad()
def reconstruct(autoencoder: CompactAutoencoder, images: Tensor) -> Tensor:
    """``images`` (N, S, S) uint8 to the reconstructions (N, 1, S, S), float32 in [-1024, 1024], on the same device."""
    return torch.cat([autoencoder(to_model_units(rows)) for rows in torch.split(images, ROWS)])


@torch.no_grad()
def score(classifier: CompactClassifier, images: Tensor) -> Scores:
    """``images`` (N, 1, S, S) float32 in model units to scores (N, F)."""
    rows: list[Tensor] = [classifier(some) for some in torch.split(images, ROWS)]
    return torch.cat(rows).float().cpu().numpy()


def measure_reconstruction(autoencoder: CompactAutoencoder, pictures: PictureSet) -> ReconstructionFigures:
    """MAE and SSIM (Wang et al. 2004), means over the pictures."""
    return _compare(to_model_units(pictures.images), reconstruct(autoencoder, pictures.images))


def measure_findings(
    findings: tuple[str, ...], labels: NDArray[np.float32], scores: Scores, of_reconstructions: Scores
) -> tuple[FindingFigures, ...]:
    """Figures of every finding.

    ``labels`` (N, F) are 1, 0, or NaN for unknown, ``scores`` (N, F) of the pictures and ``of_reconstructions`` (N, F)
    are in [0, 1].
    """
    return tuple(
        _measure_finding(name, labels[:, column], scores[:, column], of_reconstructions[:, column])
        for column, name in enumerate(findings)
    )


def _measure_finding(name: str, labels: Scores, scores: Scores, copies: Scores) -> FindingFigures:
    known = ~np.isnan(labels)
    present = labels[known] > 0.5
    gaps = np.abs(scores - copies)[known][present]
    return FindingFigures(
        finding=name,
        present=int(present.sum()),
        absent=int((~present).sum()),
        auroc=auroc(scores[known], present),
        auroc_of_reconstructions=auroc(copies[known], present),
        gap=float(np.median(gaps)) if len(gaps) else float("nan"),
    )


def autoencoder_measure(pictures: PictureSet, ssim_weight: float) -> Callable[[CompactAutoencoder], Measured]:
    """To validate by: the training's loss without noise or augmentation; MAE and SSIM for people.

    ``ssim_weight`` is the weight ≥ 0 of 1 - SSIM in that loss.
    """
    originals = to_model_units(pictures.images)

    def measure(network: CompactAutoencoder) -> Measured:
        copies = reconstruct(network, pictures.images)
        figures = _compare(originals, copies)
        return Measured(
            float(reconstruction_loss(copies, originals, ssim_weight)), {"MAE": figures.mae, "SSIM": figures.ssim}
        )

    return measure


def classifier_measure(
    pictures: PictureSet, autoencoder: CompactAutoencoder
) -> Callable[[CompactClassifier], Measured]:
    """To validate by: 1 - mean AUROC, of pictures and of reconstructions, plus a share of the mean score gap.

    The means are over findings with at least 5 present and 5 absent. Where there is none, only the gap of all scores
    is left to choose by.
    """
    originals, copies = to_model_units(pictures.images), reconstruct(autoencoder, pictures.images)
    labels = pictures.labels.cpu().numpy()

    def measure(network: CompactClassifier) -> Measured:
        scores, of_copies = score(network, originals), score(network, copies)
        figures = measure_findings(pictures.findings, labels, scores, of_copies)
        counted = [one for one in figures if min(one.present, one.absent) >= FEWEST]
        if not counted:
            gap = float(np.abs(scores - of_copies).mean())
            return Measured(gap, {"gap": gap})
        area, area_of_copies, gap = (
            float(np.mean([getattr(one, name) for one in counted]))
            for name in ("auroc", "auroc_of_reconstructions", "gap")
        )
        named = {"AUROC": area, "AUROC of reconstructions": area_of_copies, "gap": gap}
        return Measured(1.0 - (area + area_of_copies) / 2.0 + GAP_SHARE * gap, named)

    return measure


def _compare(originals: Tensor, copies: Tensor) -> ReconstructionFigures:
    ssim = [structural_similarity(a[0], b[0], data_range=2 * UNIT) for a, b in zip(originals, copies, strict=True)]
    return ReconstructionFigures(len(originals), float((originals - copies).abs().mean()), float(np.mean(ssim)))
