"""The radiographs in a folder, as a study comes on a disk or out of an archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import CodedError, InvalidImage
from .decode import is_image
from .dicom import check_radiograph, is_dicom, read_header
from .libraries import reading

DICOMDIR = "DICOMDIR"


@dataclass(frozen=True)
class Found:
    """What a search of folders came to."""

    files: tuple[Path, ...]
    """Radiographs, and whatever was named by itself."""
    passed_over: int
    """Number of files in folders that are no radiographs: reports, scans, results of this service, anything else."""


def find_radiographs(paths: Sequence[Path]) -> Found:
    """Every path that is a file; of each folder, and of a DICOMDIR, the radiographs in it, in the order of their names.

    Each is given once, however often it was named.

    A folder with a DICOMDIR holds what that names; any other holds every file below it. Raises InvalidImage where a
    DICOMDIR cannot be read or names a file that is not there, or where a folder has no radiograph, and OSError.
    """
    files: list[Path] = []
    passed_over = 0
    for path in paths:
        if not path.is_dir() and path.name.upper() != DICOMDIR:
            files.append(path)
            continue
        candidates = list(_list_files(path))
        radiographs = [each for each in candidates if _is_radiograph(each)]
        if not radiographs:
            raise InvalidImage(f"{path}: there is no radiograph among its {len(candidates)} files.")
        files += radiographs
        passed_over += len(candidates) - len(radiographs)
    return Found(tuple(dict.fromkeys(files)), passed_over)


def _list_files(path: Path) -> Iterator[Path]:
    directory = path if path.is_file() else path / DICOMDIR
    if directory.is_file():
        yield from _list_directory(directory)
    else:
        hidden = (
            each for each in path.rglob("*") if any(part.startswith(".") for part in each.relative_to(path).parts)
        )
        yield from sorted(set(filter(Path.is_file, path.rglob("*"))) - set(hidden))


def _list_directory(directory: Path) -> list[Path]:
    """The files of a DICOMDIR's image records (PS3.3 F.4)."""
    with reading(DICOMDIR):
        header = read_header(directory.read_bytes(), ["DirectoryRecordSequence"])
        records = [r for r in header.DirectoryRecordSequence if r.get("DirectoryRecordType") == "IMAGE"]
        names = [
            [r.ReferencedFileID] if isinstance(r.ReferencedFileID, str) else list(r.ReferencedFileID) for r in records
        ]
    files = [directory.parent.joinpath(*name) for name in names]
    for file in files:
        if ".." in file.relative_to(directory.parent).parts or not file.is_file():
            raise InvalidImage(f"{directory}: it names files that are not there; copy the whole medium.")
    return files


def _is_radiograph(file: Path) -> bool:
    """Whether it is worth trying to decode: of DICOM files those of the right kind, of others the known forms."""
    content = file.read_bytes()
    if not is_dicom(content):
        return is_image(content)
    try:
        check_radiograph(content)
    except CodedError:
        return False
    return True
