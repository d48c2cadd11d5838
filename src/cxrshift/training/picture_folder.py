"""A folder of images with a label table, and a folder of masks beside it, as a PictureSet.

manifest.csv has the columns ``file``; ``labels``, joined with ``|``, where "No Finding" says that all are absent and an
empty cell that nothing is known; ``patient_group`` or ``patient``; and where several sources are mixed ``dataset``.
masks.csv has ``mask_file``, ``image_file`` and ``label``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RequestError
from ..image.decode import decode_radiograph
from ..parallel import map_in_processes
from .failures import PicturesError
from .pictures import Picture, PictureSet, assemble, keep, shrink

MANIFEST, MASKS = "manifest.csv", "masks.csv"
NO_FINDING = "No Finding"


@dataclass(frozen=True)
class Source:
    """Which pictures to read."""

    folder: Path
    """Holds manifest.csv and the images that it names."""
    side: int = 128
    """Pixels along each side that the pictures are brought to."""
    datasets: tuple[str, ...] = ()
    """Of the column ``dataset``; none = all."""
    masks: Path | None = None
    """Holds masks.csv and the masks that it names."""
    split_seed: int = 0
    """That of ``split_of``, from 0."""


@dataclass(frozen=True)
class _Row:
    number: int
    """Of the line in manifest.csv, for messages."""
    file: str
    group: str
    labels: tuple[str, ...]
    masks: tuple[tuple[str, str], ...] = ()
    """(finding, mask file)."""


def read_folder(
    source: Source, *, cache: Path, workers: int = 2, progress: Callable[[int, int], None] = lambda done, total: None
) -> PictureSet:
    """The pictures of a folder, decoded in ``workers`` processes (1 = in this one) and kept in ``cache``.

    Raises PicturesError. ``progress`` is told how many are done, and of how many.
    """
    rows = _read_rows(source)
    findings = sorted({label for row in rows for label in row.labels} - {NO_FINDING})

    def read() -> PictureSet:
        read_one = partial(_read_picture, folder=source.folder, masks=source.masks, side=source.side)
        some = map_in_processes(read_one, rows, workers=workers, chunk=8) if workers > 1 else map(read_one, rows)
        pictures = []
        for picture in some:
            pictures.append(picture)
            progress(len(pictures), len(rows))
        groups = [row.group for row in rows]
        return assemble(pictures, _label(rows, findings), findings, groups, source.split_seed)

    return keep(cache, _key(source, rows), source.side, source.split_seed, read)


def _read_rows(source: Source) -> list[_Row]:
    table = _read_table(source.folder / MANIFEST, ("file", "labels"))
    group = "patient_group" if "patient_group" in table[0] else "patient"
    if group not in table[0]:
        raise PicturesError(f"{MANIFEST} lacks the column patient_group or patient, by which the splits are made.")
    if source.datasets:
        present = {row.get("dataset", "") for row in table}
        if unknown := [name for name in source.datasets if name not in present]:
            raise PicturesError(f"{MANIFEST} has no dataset {', '.join(unknown)}; it has {', '.join(sorted(present))}.")
    masks = _read_masks(source.masks) if source.masks else {}
    rows = []
    for number, row in enumerate(table, 2):
        if source.datasets and row["dataset"] not in source.datasets:
            continue
        if not row["file"] or not row[group]:
            raise PicturesError(f"Line {number} of {MANIFEST} names no file or no {group}.")
        labels = tuple(label.strip() for label in (row["labels"] or "").split("|") if label.strip())
        rows.append(_Row(number, row["file"], row[group], labels, tuple(masks.get(row["file"], ()))))
    return rows


def _read_masks(folder: Path) -> Mapping[str, list[tuple[str, str]]]:
    masks: dict[str, list[tuple[str, str]]] = {}
    for row in _read_table(folder / MASKS, ("mask_file", "image_file", "label")):
        masks.setdefault(row["image_file"], []).append((row["label"], row["mask_file"]))
    return masks


def _label(rows: Sequence[_Row], findings: Sequence[str]) -> NDArray[np.float32]:
    """(N, F): 1 where a row names the finding, 0 where it names others or none, NaN where it says nothing."""
    labels = np.array([[finding in row.labels for finding in findings] for row in rows], dtype=np.float32)
    labels = labels.reshape(len(rows), len(findings))
    labels[[not row.labels for row in rows]] = np.nan
    return labels


def _read_picture(row: _Row, *, folder: Path, masks: Path | None, side: int) -> Picture:
    try:
        radiograph = decode_radiograph((folder / row.file).read_bytes())
        drawn: dict[str, NDArray[np.float32]] = {}
        for finding, file in row.masks if masks else ():
            mask = decode_radiograph((masks / file).read_bytes()).pixels if masks else radiograph.pixels
            if mask.shape != radiograph.pixels.shape:
                raise PicturesError(f"Line {row.number} of {MANIFEST}: a mask has another size than its image.")
            drawn[finding] = np.maximum(drawn[finding], mask) if finding in drawn else mask
    except OSError as error:
        raise PicturesError(f"Line {row.number} of {MANIFEST}: a file cannot be read: {error.strerror}.") from error
    except RequestError as error:
        raise PicturesError(f"Line {row.number} of {MANIFEST}: a file does not decode: {error.message}") from error
    return shrink(radiograph, drawn, side)


def _key(source: Source, rows: Sequence[_Row]) -> str:
    """Changes with the table, the choice and the images' own dates and sizes."""
    stamps = []
    for row in rows:
        try:
            stat = (source.folder / row.file).stat()
        except OSError as error:
            raise PicturesError(f"Line {row.number} of {MANIFEST}: its file is not there.") from error
        stamps.append((stat.st_mtime_ns, stat.st_size))
    return repr((source.side, [(row.file, row.group, row.labels, row.masks) for row in rows], stamps))


def _read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            table = csv.DictReader(stream)
            missing = [name for name in columns if name not in (table.fieldnames or ())]
            if missing:
                raise PicturesError(f"{path.name} lacks the column {' and '.join(missing)}.")
            rows = list(table)
    except OSError as error:
        raise PicturesError(f"{path.parent.name} holds no readable {path.name}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise PicturesError(f"{path.name} must be a UTF-8 table with commas.") from error
    if not rows:
        raise PicturesError(f"{path.name} has no rows.")
    return rows
