"""DICOM objects of explanations on disk: a folder for each file, in it one for each finding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .files import name_of_finding

if TYPE_CHECKING:
    from cxrshift_api.types import Explanation


class ObjectWriter:
    """Writes stack.dcm, overlay.dcm and report.dcm, and with ``segmentation`` also segmentation.dcm."""

    def __init__(self, folder: Path, *, segmentation: bool) -> None:
        self._folder = folder
        self._segmentation = segmentation

    def check(self, file: Path) -> None:
        """Raise UnsupportedImage for a file that is no DICOM file, before it is explained, and OSError."""
        from ..pacs.results import require_dicom

        require_dicom(file.read_bytes())

    def write(self, file: Path, name: str, explanations: Sequence[Explanation]) -> tuple[Path, ...]:
        """The objects of ``file`` in FOLDER/``name``/FINDING; files of their names there are replaced.

        Raises UnsupportedImage, InvalidImage and TooLarge for what is in ``file``, and OSError.
        """
        from ..pacs.results import DEFAULT_KINDS, ObjectKind, make_objects

        kinds = (*DEFAULT_KINDS, *([ObjectKind.SEGMENTATION] if self._segmentation else []))
        written = []
        for made in make_objects(file.read_bytes(), explanations, kinds=kinds):
            path = self._folder / name / name_of_finding(made.finding) / f"{made.kind}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(made.content)
            written.append(path)
        return tuple(written)
