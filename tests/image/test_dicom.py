"""DICOM radiographs in: which are taken, how each encoding is read, and what is refused with which words."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate_extended
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from cxrshift.errors import InvalidImage, InvalidRequest, TooLarge, UnsupportedImage
from cxrshift.image.decode import DecodeLimits, decode_radiograph
from cxrshift.image.dicom import stored_pixels
from tests.image.dicom_files import compress, compressed_file, data_set, dicom_file, ramp, table, to_bytes

TWELVE = {"BitsStored": 12, "HighBit": 11}
UNIT = ramp() / 4095


def decoded(data: bytes) -> NDArray[np.float32]:
    radiograph = decode_radiograph(data)
    assert radiograph.source == "dicom"
    assert radiograph.pixels.dtype == np.float32
    return radiograph.pixels


def assert_shows(data: bytes, expected: NDArray[Any], atol: float = 1e-6) -> None:
    np.testing.assert_allclose(decoded(data), expected, atol=atol)


# ---- which objects are radiographs ----


@pytest.mark.parametrize("modality", ["CR", "DX", "RG", "OT", "SC", "", None, "DX "])
def test_a_secondary_capture_is_taken_unless_its_modality_says_otherwise(modality: str | None) -> None:
    decoded(dicom_file(ramp(), SOPClassUID=SecondaryCaptureImageStorage, Modality=modality))


@pytest.mark.parametrize("sop_class", [DigitalXRayImageStorageForPresentation, None])
def test_dx_for_presentation_and_an_object_without_a_class_are_taken(sop_class: str | None) -> None:
    decoded(dicom_file(ramp(), SOPClassUID=sop_class, Modality="DX"))


@pytest.mark.parametrize(
    ("words", "attributes"),
    [
        ("modality CT", {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "CT"}),
        ("modality MG", {"SOPClassUID": DigitalMammographyXRayImageStorageForPresentation, "Modality": "MG"}),
        ("modality XA", {"Modality": "XA"}),
        ("class that is no", {"SOPClassUID": CTImageStorage, "Modality": "OT"}),
        ("does not state", {"SOPClassUID": None, "Modality": "OT"}),
        ("does not state", {"Modality": "DOE_JANE"}),
        ("For Processing", {"SOPClassUID": DigitalXRayImageStorageForProcessing, "Modality": "DX"}),
        ("For Processing", {"PresentationIntentType": "FOR PROCESSING"}),
        ("no pixel data", {"PixelData": None}),
        ("colour model", {"PhotometricInterpretation": "HSV"}),
        ("bits allocated", {"BitsAllocated": 24}),
    ],
)
def test_other_objects_are_refused_in_words(words: str, attributes: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedImage, match=words) as refused:
        decode_radiograph(dicom_file(ramp(), **attributes))
    assert "DOE_JANE" not in refused.value.message


def test_a_transfer_syntax_without_a_decoder_is_refused() -> None:
    with pytest.raises(UnsupportedImage, match="transfer syntax without a decoder"):
        decode_radiograph(compressed_file([b"\0\0\0\1"], MPEG2MPML, ramp()))


# ---- what a header must say ----


@pytest.mark.parametrize(
    "attributes",
    [
        *(
            {keyword: None}
            for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PhotometricInterpretation")
        ),
        {"SamplesPerPixel": 3},
        {"NumberOfFrames": 0},
        {"BitsStored": 17},
        {"NumberOfFrames": 2},
        {"ModalityLUTSequence": table(0, 16, [])},
    ],
    ids=lambda attributes: next(iter(attributes)),
)
def test_a_header_that_contradicts_its_pixels_is_invalid(attributes: dict[str, Any]) -> None:
    with pytest.raises(InvalidImage):
        stored_pixels(dicom_file(ramp(), **attributes)) if "NumberOfFrames" in attributes else decode_radiograph(
            dicom_file(ramp(), **attributes)
        )


def test_sizes_are_refused_ahead_of_decoding() -> None:
    with pytest.raises(TooLarge, match="too many pixels"):
        decode_radiograph(dicom_file(ramp(), Rows=60_000, Columns=60_000))
    with pytest.raises(TooLarge):
        decode_radiograph(dicom_file(ramp(), NumberOfFrames=200_000))
    with pytest.raises(UnsupportedImage, match="too small"):
        decode_radiograph(dicom_file(ramp(rows=15)))


def test_a_file_cut_short_is_invalid() -> None:
    data = dicom_file(ramp())
    with pytest.raises(InvalidImage, match="malformed or cut short"):
        decode_radiograph(data[:-200])


# ---- encodings ----


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_every_uncompressed_syntax_is_read(syntax: str) -> None:
    pixels = ramp()
    if syntax == ExplicitVRBigEndian:
        data = dicom_file(pixels.astype(">u2"), syntax, **TWELVE)
    else:
        data = dicom_file(pixels, syntax, **TWELVE)
    np.testing.assert_array_equal(stored_pixels(data), pixels)
    assert stored_pixels(data).dtype == np.uint16
    assert_shows(data, UNIT)


def test_a_file_without_preamble_is_read() -> None:
    assert_shows(dicom_file(ramp(), **TWELVE)[132:], UNIT)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_lossless_compression_keeps_every_value(syntax: str, dtype: str) -> None:
    pixels = np.random.default_rng(0).integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (33, 35), endpoint=True)
    stored = stored_pixels(compress(data_set(pixels.astype(dtype)), syntax))
    np.testing.assert_array_equal(stored, pixels)
    assert stored.dtype == dtype


@pytest.mark.parametrize(("syntax", "options"), [(JPEG2000, {"j2k_cr": [2]}), (JPEGLSNearLossless, {"jls_error": 2})])
def test_lossy_compression_comes_close(syntax: str, options: dict[str, Any]) -> None:
    data = compress(data_set(ramp(8).astype(np.uint8)), syntax, **options)
    assert_shows(data, ramp(8) / 255, atol=3 / 255)


def test_rle_of_colour_and_of_32_bits_is_read() -> None:
    colour = np.dstack([ramp(16), ramp(15), ramp(14)])
    np.testing.assert_array_equal(stored_pixels(compress(data_set(colour), RLELossless)), colour)
    wide = np.full((16, 16), 0x01020304, np.uint32)
    frame = rle_frame(*(bytes([0x81, byte]) * 2 for byte in (1, 2, 3, 4)))
    np.testing.assert_array_equal(stored_pixels(compressed_file([frame], RLELossless, wide)), wide)


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=98)
    return buffer.getvalue()


def test_jpeg_baseline_is_read_in_grey_and_in_colour() -> None:
    grey = ramp(8).astype(np.uint8)
    assert_shows(compressed_file([jpeg(grey)], JPEGBaseline8Bit, grey), grey / 255, atol=0.02)
    colour = np.dstack([grey, grey, grey])
    data = compressed_file([jpeg(colour)], JPEGBaseline8Bit, colour, PhotometricInterpretation="YBR_FULL_422")
    assert_shows(data, grey / 255, atol=0.02)


def test_signed_values_and_unused_bits_are_read_right() -> None:
    pixels = np.array([[-2048, -1, 0, 2047] * 4] * 16, np.int16)
    littered = (pixels & 0x0FFF | 0x5000).astype(np.uint16)
    data = dicom_file(littered, **TWELVE, PixelRepresentation=1)
    np.testing.assert_array_equal(stored_pixels(data), pixels)


def test_a_bit_per_pixel_is_read() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (16, 16), dtype=np.uint8)
    one = {
        "BitsAllocated": 1,
        "BitsStored": 1,
        "HighBit": 0,
        "PixelData": np.packbits(bits, bitorder="little").tobytes(),
    }
    assert_shows(dicom_file(bits, **one), bits)


def test_of_several_frames_the_first_is_shown() -> None:
    frames = np.stack([ramp(8), ramp(8)[:, ::-1]]).astype(np.uint8)
    assert_shows(dicom_file(frames), ramp(8) / 255)
    assert_shows(compressed_file([jpeg(f) for f in frames], JPEGBaseline8Bit, frames), ramp(8) / 255, atol=0.02)
    assert stored_pixels(dicom_file(frames)).shape == frames.shape


@pytest.mark.parametrize("compressed", [False, True])
def test_a_chosen_frame_is_shown_and_one_that_is_not_there_is_refused(compressed: bool) -> None:
    frames = np.stack([ramp(8), ramp(8)[:, ::-1], ramp(8) // 2]).astype(np.uint8)
    coded = [jpeg(frame) for frame in frames]
    data = compressed_file(coded, JPEGBaseline8Bit, frames) if compressed else dicom_file(frames)
    for number, frame in enumerate(frames, 1):
        shown = decode_radiograph(data, frame=number).pixels
        np.testing.assert_allclose(shown, decode_radiograph(dicom_file(frame)).pixels, atol=0.02 if compressed else 0)
    for number in (0, 4, -1):
        with pytest.raises(InvalidRequest, match=rf"source_frame is {number}; of this DICOM file it must be 1 to 3"):
            decode_radiograph(data, frame=number)


def test_a_picture_has_no_second_frame() -> None:
    with pytest.raises(InvalidRequest, match="only a DICOM file has several frames"):
        decode_radiograph(jpeg(ramp(8).astype(np.uint8)), frame=2)


def test_frames_with_an_extended_offset_table_are_read() -> None:
    frames = np.stack([ramp(8), ramp(8)[:, ::-1]]).astype(np.uint8)
    _, offsets, lengths = encapsulate_extended([jpeg(f) for f in frames])
    tables = {"ExtendedOffsetTable": offsets, "ExtendedOffsetTableLengths": lengths}
    data = compressed_file([jpeg(f) for f in frames], JPEGBaseline8Bit, frames, **tables)
    np.testing.assert_allclose(stored_pixels(data), frames, atol=4)


def test_colour_becomes_luminance_in_either_planar_configuration() -> None:
    grey = ramp(8).astype(np.uint8)
    colour = np.dstack([grey, np.zeros_like(grey), np.zeros_like(grey)])
    assert_shows(dicom_file(colour), 0.299 * grey / 255)
    planes = np.ascontiguousarray(np.moveaxis(colour, 2, 0))
    data = dicom_file(colour, PlanarConfiguration=1, PixelData=planes.tobytes())
    assert_shows(data, 0.299 * grey / 255)
    deep = np.dstack([ramp(16)] * 3)
    assert_shows(dicom_file(deep), ramp(16) / 65535)


def test_uncompressed_ybr_becomes_grey() -> None:
    grey = ramp(8).astype(np.uint8)
    data = dicom_file(
        np.dstack([grey, np.full_like(grey, 128), np.full_like(grey, 128)]), PhotometricInterpretation="YBR_FULL"
    )
    assert_shows(data, grey / 255, atol=0.01)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (16, 65535)])
def test_palette_indices_become_the_palettes_grey(bits: int, top: int) -> None:
    indices = np.tile(np.arange(16, dtype=np.uint8), (16, 1))
    entries: NDArray[Any] = np.linspace(top, 0, 16).round().astype(f"u{bits // 8}")
    palette: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [16, 0, bits]
        palette[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    assert_shows(dicom_file(indices, **palette), np.tile(entries / top, (16, 1)))


# ---- how a header says it is to be shown ----


def test_monochrome1_and_an_inverse_presentation_are_turned_once() -> None:
    for attributes in (
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ):
        assert_shows(dicom_file(ramp(), **TWELVE, **attributes), 1 - UNIT)


def test_the_first_usable_window_counts() -> None:
    windows = {"WindowCenter": [100, 2047.5, 9], "WindowWidth": [0, 2047.5, 9], "VOILUTFunction": "LINEAR_EXACT"}
    assert_shows(dicom_file(ramp(), **TWELVE, **windows), np.clip(2 * UNIT - 0.5, 0, 1))
    assert_shows(dicom_file(ramp(), **TWELVE, WindowCenter=2048, WindowWidth=4096, VOILUTFunction="NONSENSE"), UNIT)


def test_rescale_and_tables_are_read() -> None:
    assert_shows(dicom_file(ramp(), **TWELVE, RescaleSlope=-2, RescaleIntercept=9), 1 - UNIT)
    assert_shows(dicom_file(ramp(), **TWELVE, RescaleSlope=0, RescaleIntercept=9), UNIT)
    steps = np.clip(ramp().astype(np.int64) - 1000, 0, 2) / 2
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        assert_shows(dicom_file(ramp(), **TWELVE, **{keyword: table(1000, 16, [10, 20, 30])}), steps)
    both = {"VOILUTSequence": table(1000, 16, [10, 20, 30]), "WindowCenter": 9, "WindowWidth": 9}
    assert_shows(dicom_file(ramp(), **TWELVE, **both), steps)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_table_of_bytes_or_words_is_read_in_either_byte_order(syntax: str) -> None:
    pixels = ramp(8).astype(np.uint8)
    for bits, order in (8, "u1"), (16, ">u2" if syntax == ExplicitVRBigEndian else "<u2"):
        sequence = table(0, bits, [0])
        sequence[0].LUTDescriptor = [256, 0, bits]
        sequence[0].add_new("LUTData", "OW", np.arange(255, -1, -1).astype(order).tobytes())
        assert_shows(dicom_file(pixels, syntax, VOILUTSequence=sequence), 1 - ramp(8) / 255)


def test_a_tables_first_input_may_be_negative() -> None:
    pixels = np.tile(np.arange(-8, 8, dtype=np.int16), (16, 1))
    sequence = table(0, 8, [0])
    del sequence[0]["LUTDescriptor"]
    sequence[0].add_new("LUTDescriptor", "SS", [3, -2, 8])
    sequence[0].add_new("LUTData", "US", [0, 50, 100])
    assert_shows(dicom_file(pixels, VOILUTSequence=sequence), np.clip(pixels + 2, 0, 2) / 2)


def test_an_empty_table_sequence_counts_as_none() -> None:
    assert_shows(dicom_file(ramp(), **TWELVE, VOILUTSequence=Sequence([])), UNIT)


@pytest.mark.parametrize(("value", "limit"), [(4095, None), (4095, 4000), (4000, 65535)])
def test_padding_is_dark(value: int, limit: int | None) -> None:
    pixels = np.minimum(ramp(), 2000)
    pixels[:4] = 4095
    padding = {"PixelPaddingValue": value} | ({} if limit is None else {"PixelPaddingRangeLimit": limit})
    expected = 1 - pixels / 2000
    expected[:4] = 0
    assert_shows(dicom_file(pixels, **TWELVE, **padding, PhotometricInterpretation="MONOCHROME1"), expected)


def test_numbers_that_cannot_be_reckoned_with_count_as_not_stated() -> None:
    assert_shows(dicom_file(ramp(), **TWELVE, RescaleSlope="1e300", WindowCenter="1e300", WindowWidth="1"), UNIT)


# ---- bombs ----


def test_a_deflated_file_is_not_inflated_beyond_the_limit() -> None:
    ds = data_set(ramp(), **TWELVE)
    ds.add_new(0x00091001, "OB", bytes(4_000_000))
    ds.add_new(0x00090010, "LO", "cxrshift")
    data = to_bytes(ds, DeflatedExplicitVRLittleEndian)
    assert len(data) < 100_000
    assert_shows(data, UNIT)
    with pytest.raises(TooLarge, match="once inflated"):
        decode_radiograph(data, limits=DecodeLimits(max_bytes=1_000_000))


def test_a_deflated_file_cut_short_is_invalid() -> None:
    with pytest.raises(InvalidImage):
        decode_radiograph(dicom_file(ramp(), DeflatedExplicitVRLittleEndian)[:-100])


def test_the_text_of_the_deflated_syntax_in_another_file_means_nothing() -> None:
    assert_shows(dicom_file(ramp(), **TWELVE, StudyDescription=str(DeflatedExplicitVRLittleEndian)), UNIT)


def test_a_compressed_frame_larger_than_the_header_says_is_not_decoded() -> None:
    grey = ramp(8).astype(np.uint8)
    for syntax in JPEG2000Lossless, JPEGLSLossless:
        ds = data_set(grey)
        compress(ds, syntax)
        ds.Rows -= 1
        with pytest.raises(InvalidImage, match="another size"):
            decode_radiograph(to_bytes(ds, syntax))
    with pytest.raises(InvalidImage, match="another size"):
        decode_radiograph(compressed_file([jpeg(grey)], JPEGBaseline8Bit, grey, Columns=35))
    with pytest.raises(InvalidImage, match="not of the kind"):
        decode_radiograph(compressed_file([b"\xff\xd8\xff\xd9"], JPEGBaseline8Bit, grey))
    with pytest.raises(InvalidImage, match="not of the kind"):
        decode_radiograph(compressed_file([bytes(100)], JPEGLossless, grey))


def test_a_compressed_frame_deeper_than_the_header_says_is_not_decoded() -> None:
    ds = data_set(ramp(16))
    compress(ds, JPEGLSLossless)
    ds.BitsAllocated = ds.BitsStored = 8
    with pytest.raises(InvalidImage, match="more bits"):
        decode_radiograph(to_bytes(ds, JPEGLSLossless))


def rle_frame(*segments: bytes) -> bytes:
    offsets = [64 + sum(map(len, segments[:i])) for i in range(len(segments))]
    header = [len(segments), *offsets] + [0] * (15 - len(segments))
    return b"".join(number.to_bytes(4, "little") for number in header) + b"".join(segments)


def test_an_rle_frame_is_unpacked_to_its_size_and_no_further() -> None:
    grey = np.full((16, 16), 7, np.uint8)
    bomb = rle_frame(b"\x81\x07" * 500_000)
    np.testing.assert_array_equal(stored_pixels(compressed_file([bomb], RLELossless, grey)), grey)


@pytest.mark.parametrize(
    "frame",
    [
        b"\x01\x00",
        rle_frame(b"\x81\x07"),
        rle_frame(b"\x81\x07", b"\x81\x07"),
        rle_frame(b"\x81\x07" * 9).replace(b"\x40", b"\x90", 1),
    ],
    ids=["no header", "too few bytes", "too many segments", "an offset outside"],
)
def test_a_malformed_rle_frame_is_invalid(frame: bytes) -> None:
    with pytest.raises(InvalidImage):
        decode_radiograph(compressed_file([frame], RLELossless, np.zeros((16, 16), np.uint8)))
