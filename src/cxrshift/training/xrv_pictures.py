"""torchxrayvision's dataset classes as a PictureSet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..image.radiograph import Radiograph
from ..models.compact import UNIT
from ..models.releases import library
from .failures import PicturesError
from .pictures import Picture, PictureSet, assemble, keep, shrink


class XrvDataset(Protocol):
    """What every dataset of torchxrayvision has."""

    pathologies: Sequence[str]
    labels: NDArray[np.floating]
    """(N, F) float32 or float64: 1, 0, or NaN where nothing is known."""
    csv: Any
    """A pandas table, one row a picture; the patient is its column ``patientid``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        """``img`` is (1, H, W) in [-1024, 1024]; ``pathology_masks``, if there, maps a column to its (1, H, W)."""
        ...


def open_xrv(name: str, images: Path, table: Path | None) -> XrvDataset:
    """The dataset class of that name over a folder of images; its table is the one it brings, or ``table``.

    All views, all pictures of a patient, with masks where the class has them. Raises PicturesError for an unknown name
    or arguments that the class refuses.
    """
    datasets = library("datasets")
    kind = getattr(datasets, name, None)
    if not isinstance(kind, type) or not issubclass(kind, datasets.Dataset):
        known = sorted(n for n in vars(datasets) if n.endswith("_Dataset"))
        raise PicturesError(f"torchxrayvision has no such dataset; it has {', '.join(known)}.")
    wanted = {"views": ["*"], "unique_patients": False, "pathology_masks": True, "csvpath": table and str(table)}
    taken = kind.__init__.__code__.co_varnames  # type: ignore[misc]
    arguments = {key: value for key, value in wanted.items() if value is not None and key in taken}
    try:
        dataset: XrvDataset = kind(imgpath=str(images), **arguments)
    except Exception as error:  # the library raises bare Exception
        raise PicturesError(f"{name} cannot be opened with these paths: {type(error).__name__}.") from error
    return dataset


def from_xrv(
    dataset: XrvDataset,
    *,
    side: int,
    cache: Path,
    split_seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PictureSet:
    """The pictures of a dataset, read once and kept in ``cache``. Raises PicturesError."""
    if not len(dataset):
        raise PicturesError("The dataset holds no picture.")
    if "patientid" not in dataset.csv:
        raise PicturesError("The dataset names no patients (patientid), by which the splits are made.")
    groups = [f"{type(dataset).__name__}:{patient}" for patient in dataset.csv["patientid"]]
    labels = np.asarray(dataset.labels, dtype=np.float32)

    def read() -> PictureSet:
        pictures = []
        for index in range(len(dataset)):
            pictures.append(_read(dataset, index, side))
            progress(index + 1, len(dataset))
        return assemble(pictures, labels, dataset.pathologies, groups, split_seed)

    key = repr((side, tuple(dataset.pathologies), groups, labels.tobytes(), getattr(dataset, "imgpath", "")))
    return keep(cache, key, side, split_seed, read)


def _read(dataset: XrvDataset, index: int, side: int) -> Picture:
    try:
        sample = dataset[index]
    except (OSError, ValueError) as error:
        raise PicturesError(f"Picture {index + 1} of the dataset cannot be read: {type(error).__name__}.") from error
    pixels = np.clip(np.asarray(sample["img"], dtype=np.float32)[0] / (2 * UNIT) + 0.5, 0.0, 1.0)
    masks = {
        dataset.pathologies[column]: np.asarray(mask, dtype=np.float32).reshape(pixels.shape)
        for column, mask in sample.get("pathology_masks", {}).items()
    }
    return shrink(Radiograph(pixels), masks, side)
