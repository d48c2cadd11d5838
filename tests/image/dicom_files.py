"""Small DICOM files, made on the spot."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

PATIENT = "Doe^Jane"


def ramp(bits: int = 12, rows: int = 32, columns: int = 36) -> NDArray[np.uint16]:
    """(rows, columns) uint16 that rises along a row from 0 to the largest value of ``bits``."""
    line = np.linspace(0, (1 << bits) - 1, columns).round()
    return np.ascontiguousarray(np.broadcast_to(line, (rows, columns)).astype(np.uint16))


def data_set(pixels: NDArray[Any] | None, **attributes: Any) -> Dataset:
    """A CR data set that holds ``pixels``, ([frames,] rows, columns[, samples]); an attribute of None is left out."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.SOPInstanceUID = "1.2.3.4"
    ds.Modality = "CR"
    ds.PatientName = PATIENT
    if pixels is not None:
        _describe(ds, pixels)
    for keyword, value in attributes.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return ds


def _describe(ds: Dataset, pixels: NDArray[Any]) -> None:
    colour = pixels.ndim > 2 and pixels.shape[-1] == 3
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    extents = pixels.shape[:-1] if colour else pixels.shape
    if len(extents) == 3:
        ds.NumberOfFrames = extents[0]
    ds.Rows, ds.Columns = extents[-2:]
    ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"


def to_bytes(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A Part 10 file; compressed pixel data must be in ``ds`` as ``syntax`` wants it."""
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = UID(ds.get("SOPClassUID", "1.2.3"))
    ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    buffer = io.BytesIO()
    dcmwrite(
        buffer,
        ds,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return buffer.getvalue()


def dicom_file(pixels: NDArray[Any] | None, syntax: str = ExplicitVRLittleEndian, /, **attributes: Any) -> bytes:
    """A Part 10 file of ``data_set(pixels, **attributes)``."""
    return to_bytes(data_set(pixels, **attributes), syntax)


def compressed_file(frames: list[bytes], syntax: str, like: NDArray[Any], **attributes: Any) -> bytes:
    """A Part 10 file whose header describes ``like`` and whose pixel data are ``frames``, compressed already."""
    ds = data_set(like, **attributes)
    ds.PixelData = encapsulate(frames, has_bot="ExtendedOffsetTable" not in ds)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return to_bytes(ds, syntax)


def compress(ds: Dataset, syntax: str, **options: Any) -> bytes:
    """A Part 10 file of ``ds``, compressed by an encoder that does not end the process, as GDCM's does."""
    plugin = {RLELossless: "pydicom", JPEGLSLossless: "pyjpegls", JPEGLSNearLossless: "pyjpegls"}
    ds.compress(syntax, encoding_plugin=plugin.get(UID(syntax), "pylibjpeg"), generate_instance_uid=False, **options)
    return to_bytes(ds, syntax)


def table(first: int, bits: int, values: list[int]) -> Sequence:
    """The sequence of one look-up table."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), first, bits])
    item.add_new("LUTData", "US", values)
    return Sequence([item])
