"""Whether a map points at the finding: against a mask of the same size.

The threshold of ``overlap`` is that of arXiv 2102.09475, the pointing game that of Zhang et al. 2016 (arXiv
1608.00507), and ``auroc`` that of Hanley and McNeil, Radiology 143 (1982). The others are by definition.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from cxrshift_api.types import Float32Array

Mask = NDArray[np.bool_]

TOLERANCE = 0.05
"""How far beyond the mask a peak may lie, as a share of the picture's width."""


HALF = 0.5
"""Share of a map's own maximum above which a reader sees it as marked."""


def square_mask(mask: Mask, size: int) -> Mask:
    """``mask`` (H, W) of a radiograph as the model sees it: its central square, (size, size), as ``square_pixels``."""
    side = min(mask.shape)
    top, left = (mask.shape[0] - side) // 2, (mask.shape[1] - side) // 2
    return resize_mask(mask[top : top + side, left : left + side], size)


def resize_mask(mask: Mask, size: int) -> Mask:
    """``mask`` (S, S) to (size, size): a cell belongs to it if at least half of it does, or the cell most covered."""
    shares = functional.adaptive_avg_pool2d(torch.from_numpy(mask).float()[None, None], size)[0, 0].numpy()
    return np.asarray(shares >= min(0.5, float(shares.max())), dtype=np.bool_) & bool(mask.any())


def peak_is_inside(heatmap: Float32Array, mask: Mask, *, tolerance: float = TOLERANCE) -> bool:
    """The pointing game: whether the map's highest value lies in the mask, dilated by ``tolerance``.

    ``heatmap`` (S, S) ≥ 0 and ``mask`` (S, S); ``tolerance`` is a share of the width.
    """
    peak = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    distance = ndimage.distance_transform_edt(~mask)
    return bool(mask.any() and distance[peak] <= tolerance * mask.shape[1])


def overlap(heatmap: Float32Array, mask: Mask) -> float:
    """Intersection over union, in [0, 1], of the mask and the map's highest values, as many as the mask has pixels.

    ``heatmap`` (S, S) ≥ 0 and ``mask`` (S, S). The threshold is the one of arXiv 2102.09475: it leaves the area of the
    mask.
    """
    area = int(mask.sum())
    if area == 0:
        return 0.0
    highest = np.argpartition(heatmap, -area, axis=None)[-area:]
    common = int(mask.ravel()[highest].sum())
    return common / (2 * area - common)


def precision_and_recall(heatmap: Float32Array, mask: Mask, *, level: float = HALF) -> tuple[float, float]:
    """How much of what the map marks lies in the mask, and how much of the mask it marks; both in [0, 1].

    ``heatmap`` (S, S) ≥ 0 and ``mask`` (S, S). Marked is what reaches ``level``, a share of the map's maximum: a
    threshold that, unlike that of ``overlap``, knows nothing of the mask. There the marked area equals the mask's, so
    precision and recall are one number, 2 IoU / (1 + IoU).
    """
    marked = heatmap >= level * heatmap.max()
    common = float((marked & mask).sum())
    return common / max(float(marked.sum()), 1.0), common / max(float(mask.sum()), 1.0)


def auroc(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, by ranks (Mann-Whitney); ties count half. NaN where one class is absent.

    ``scores`` (n,) in any units, float32 or float64, and ``labels`` (n,).
    """
    positives, negatives = scores[labels], scores[~labels]
    if not len(positives) or not len(negatives):
        return float("nan")
    ordered = np.sort(negatives)
    below, upto = np.searchsorted(ordered, positives, "left"), np.searchsorted(ordered, positives, "right")
    return float((below + upto).mean() / 2 / len(negatives))
