"""Make the phantoms that the viewer offers to try: ``python tools/samples.py``. The same files each time."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from cxrshift.phantom import Phantom, generate

FOLDER = Path(__file__).parents[1] / "src/cxrshift/web/samples"
SAMPLES = {
    "1-large-heart-and-effusion": (18, ("Cardiomegaly", "Effusion")),
    "2-effusion": (7, ("Effusion",)),
    "3-pneumothorax": (41, ("Pneumothorax",)),
    "4-mass": (23, ("Mass",)),
    "5-nothing-found": (5, ()),
}
DICOM = "1-large-heart-and-effusion"


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, (seed, findings) in SAMPLES.items():
        phantom = generate(seed, findings=findings)
        (FOLDER / f"{name}.png").write_bytes(to_png(phantom))
        if name == DICOM:
            (FOLDER / f"{name}.dcm").write_bytes(to_dicom(phantom, name))


def to_png(phantom: Phantom) -> bytes:
    """The phantom as an 8-bit grey PNG."""
    file = io.BytesIO()
    Image.fromarray(np.round(phantom.pixels * 255.0).astype(np.uint8)).save(file, "PNG", optimize=True)
    return file.getvalue()


def to_dicom(phantom: Phantom, name: str) -> bytes:
    """The phantom as a DX image of 12 bits."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name, "instance"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = io.BytesIO()
    dataset = FileDataset(file, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[name, "study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[name, "series"])
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate, dataset.PatientSex = "PHANTOM", "PHANTOM", "", "O"
    dataset.StudyDate = dataset.ContentDate = "20260101"
    dataset.StudyTime = dataset.ContentTime = "120000"
    dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "DX", 1, 1
    dataset.BodyPartExamined, dataset.ViewPosition, dataset.PatientOrientation = "CHEST", "PA", ["L", "F"]
    dataset.PresentationIntentType, dataset.PixelIntensityRelationship = "FOR PRESENTATION", "LIN"
    dataset.Rows, dataset.Columns = phantom.pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = np.round(phantom.pixels * 4095.0).astype("<u2").tobytes()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


if __name__ == "__main__":
    main()
