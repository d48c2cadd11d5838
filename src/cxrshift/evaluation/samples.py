"""Radiographs with known findings, drawn or read one at a time: phantoms, or a folder with a manifest and masks."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cxrshift_api.types import Float32Array

from ..errors import CxrshiftError, RequestError
from ..image.decode import decode_radiograph
from ..image.radiograph import Radiograph
from ..phantom import generate
from ..training.splits import Split, split_of
from .localisation import Mask
from .phantom import FIRST_SEED, SEEDS_APART

MANIFEST = "manifest.csv"
IMAGES, MASKS = "cxr", "masks"
_MANIFEST_COLUMNS = ("file", "patient_group", "labels")
_MASK_COLUMNS = ("mask_file", "image_file", "label", "source")
_BOX_COLUMNS = ("image_file", "label", "source", "x", "y", "w", "h")


class SamplesError(CxrshiftError):
    """The folder's tables or images are missing or are not what they must be."""


@dataclass(frozen=True)
class Sample:
    """One radiograph and what is known of it.

    ``masks`` are (H, W) bool and ``changes`` (H, W) float32 in [0, 1], as the radiograph.
    """

    name: str
    """What reports call it."""
    group: str
    """The patient, or those who share a picture: they are split and resampled together."""
    radiograph: Radiograph
    """The radiograph."""
    findings: tuple[str, ...]
    """Those present."""
    masks: Mapping[str, Mask] = field(default_factory=dict)
    changes: Mapping[str, Float32Array] = field(default_factory=dict)
    """Of a phantom: |x − x'| in [0, 1], where x' is the same patient on the same film without the finding."""


@dataclass(frozen=True)
class Samples:
    """Samples, of which ``load(i)`` draws or reads one, i from 0; nothing is kept."""

    source: str
    """What they are, in words."""
    total: int
    """Number of samples."""
    load: Callable[[int], Sample]
    """Gives sample i."""

    def __len__(self) -> int:
        return self.total

    def __iter__(self) -> Iterator[Sample]:
        return map(self.load, range(self.total))


def phantom_samples(n: int, seed: int) -> Samples:
    """``n`` phantoms of seeds that belong to ``seed`` and that no model was trained on."""
    first = FIRST_SEED + seed * SEEDS_APART

    def draw(i: int) -> Sample:
        phantom = generate(first + i)
        changes = {}
        for finding in phantom.findings:
            twin = generate(first + i, findings=set(phantom.findings) - {finding})
            changes[finding] = np.abs(phantom.pixels - twin.pixels)
        name = f"phantom-{i}"
        return Sample(name, name, phantom.to_radiograph(), phantom.findings, dict(phantom.masks), changes)

    return Samples(f"{n} phantoms of seed {seed}", n, draw)


def masked_samples(
    folder: Path, findings: Sequence[str], *, sources: Sequence[str] = (), split: Split | None = None, seed: int = 0
) -> Samples:
    """The images of ``folder`` that have a mask or a box of one of ``findings``.

    Tables: cxr/manifest.csv, and masks/masks.csv or masks/boxes.csv or both; boxes count where their image, label and
    source have no mask file. ``sources`` and ``split`` choose among them; none = all. ``seed`` is that of the split.
    Raises SamplesError.
    """
    groups = {row["file"]: row["patient_group"] for row in _read(folder / IMAGES / MANIFEST, _MANIFEST_COLUMNS)}
    outlines = _read_outlines(folder / MASKS)
    wanted: dict[str, dict[str, list[_Outline]]] = {}
    for (image, label, source), marks in outlines.items():
        if image not in groups or label not in findings or (sources and source not in sources):
            continue
        if split in (None, split_of(groups[image], seed)):
            wanted.setdefault(image, {}).setdefault(label, []).extend(marks)
    images = sorted(wanted)
    if not images:
        raise SamplesError(
            f"No mask or box of {', '.join(findings)} is left; choose another split or source, or a model of other "
            f"findings. The sources are {', '.join(sorted({source for *_, source in outlines})) or 'none'}."
        )

    def read(i: int) -> Sample:
        radiograph = _read_image(folder / IMAGES / images[i])
        masks = {label: _draw(marks, radiograph, folder / MASKS) for label, marks in wanted[images[i]].items()}
        present = tuple(finding for finding in findings if finding in masks)
        return Sample(images[i], groups[images[i]], radiograph, present, masks)

    words = f"{len(images)} images with masks of {', '.join(sources) or 'every source'}, split {split or 'all'}"
    return Samples(words, len(images), read)


def labelled_samples(
    folder: Path,
    findings: Sequence[str],
    *,
    dataset: str = "",
    split: Split | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Samples:
    """The images of ``folder``'s manifest.csv; of their labels, joined with ``|``, those among ``findings`` count.

    ``dataset`` and ``split`` choose among them; none = all. ``limit`` takes the first so many in an order that the seed
    shuffles. Raises SamplesError.
    """
    rows = _read(folder / MANIFEST, (*_MANIFEST_COLUMNS, *(("dataset",) if dataset else ())))
    rows = [row for row in rows if not dataset or row["dataset"] == dataset]
    kept = [row for row in rows if split in (None, split_of(row["patient_group"], seed))]
    if not kept:
        raise SamplesError(f"{MANIFEST} names no image of that split and dataset; choose another.")
    order = np.random.default_rng(seed).permutation(len(kept))[:limit]

    def read(i: int) -> Sample:
        row = kept[int(order[i])]
        labels = row["labels"].split("|")
        present = tuple(finding for finding in findings if finding in labels)
        return Sample(row["file"], row["patient_group"], _read_image(folder / row["file"]), present)

    return Samples(f"{len(order)} images of {MANIFEST}, split {split or 'all'}", len(order), read)


@dataclass(frozen=True)
class _Outline:
    """A mask's file, or a box (x, y, w, h) in pixels of the image."""

    file: str = ""
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


def _read_outlines(folder: Path) -> dict[tuple[str, str, str], list[_Outline]]:
    """By image, label and source."""
    outlines: dict[tuple[str, str, str], list[_Outline]] = {}
    boxes: dict[tuple[str, str, str], list[_Outline]] = {}
    masks_table, boxes_table = folder / "masks.csv", folder / "boxes.csv"
    if not (masks_table.is_file() or boxes_table.is_file()):
        raise SamplesError(f"{folder.name} holds neither masks.csv nor boxes.csv.")
    for row in _read(masks_table, _MASK_COLUMNS) if masks_table.is_file() else ():
        outlines.setdefault(_key(row), []).append(_Outline(row["mask_file"]))
    for row in _read(boxes_table, _BOX_COLUMNS) if boxes_table.is_file() else ():
        try:
            box = (float(row["x"]), float(row["y"]), float(row["w"]), float(row["h"]))
        except ValueError as error:
            raise SamplesError("boxes.csv: x, y, w and h must be numbers.") from error
        boxes.setdefault(_key(row), []).append(_Outline(box=box))
    return boxes | outlines


def _key(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["image_file"], row["label"], row["source"]


def _draw(outlines: Sequence[_Outline], radiograph: Radiograph, folder: Path) -> Mask:
    """The union of the outlines: (H, W) as the radiograph. A pixel is in a box where its centre is."""
    union = np.zeros((radiograph.height, radiograph.width), dtype=np.bool_)
    rows, columns = np.arange(radiograph.height) + 0.5, np.arange(radiograph.width) + 0.5
    for outline in outlines:
        if outline.file:
            mask = _read_image(folder / outline.file).pixels >= 0.5
            if mask.shape != union.shape:
                raise SamplesError("A mask must have as many rows and columns as its image.")
            union |= mask
        else:
            x, y, w, h = outline.box
            union |= ((rows >= y) & (rows < y + h))[:, None] & ((columns >= x) & (columns < x + w))
    return union


def _read_image(path: Path) -> Radiograph:
    try:
        return decode_radiograph(path.read_bytes())
    except OSError as error:
        raise SamplesError(f"An image that the tables name cannot be read: {error.strerror}.") from error
    except RequestError as error:
        raise SamplesError(f"An image that the tables name does not decode: {error.message}") from error


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as table:
            rows = csv.DictReader(table)
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise SamplesError(f"{path.name} lacks the columns {', '.join(missing)}.")
            return list(rows)
    except OSError as error:
        raise SamplesError(f"{path.parent.name} holds no readable {path.name}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SamplesError(f"{path.name} must be a UTF-8 table with commas.") from error
