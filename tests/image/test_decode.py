"""What holds for every form of file: told by content, limited, quiet, and safe in threads."""

from __future__ import annotations

import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from cxrshift.errors import CodedError, InvalidImage, TooLarge, UnsupportedImage
from cxrshift.image.decode import DecodeLimits, decode_radiograph
from cxrshift.image.libraries import reading
from tests.image.dicom_files import PATIENT, data_set, dicom_file, ramp, to_bytes


def png(side: int = 16) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (side, side), 128).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"\x89PNG", b"<html>", b"GIF89a" + bytes(200), b"PK\x03\x04" + bytes(200), b"BM" + bytes(200), bytes(200)],
    ids=["nothing", "half a signature", "HTML", "GIF", "NPZ", "BMP", "zeros"],
)
def test_other_bytes_are_refused_with_the_forms_that_are_right(data: bytes) -> None:
    with pytest.raises(InvalidImage, match="DICOM, PNG, JPEG or NPY"):
        decode_radiograph(data)


def test_a_preamble_that_looks_like_another_form_is_still_dicom() -> None:
    data = dicom_file(ramp())
    assert decode_radiograph(png()[:16] + data[16:]).source == "dicom"


def test_the_file_itself_is_limited() -> None:
    data = png()
    decode_radiograph(data, limits=DecodeLimits(max_bytes=len(data)))
    with pytest.raises(TooLarge, match="bytes"):
        decode_radiograph(data, limits=DecodeLimits(max_bytes=len(data) - 1))


def test_less_than_sixteen_pixels_are_no_radiograph() -> None:
    decode_radiograph(png(16))
    with pytest.raises(UnsupportedImage, match="too small"):
        decode_radiograph(png(15))


def odd_dicom_file() -> bytes:
    """A file that pydicom warns about, quoting it: a value that its representation forbids, and pixels too many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = data_set(ramp(), WindowCenter="1234.567890123456789", WindowWidth="4000")
        ds.PixelData += bytes(1000)
        return to_bytes(ds)


ODD = odd_dicom_file()


def in_threads(work: Callable[[], object], count: int = 4) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def root_log() -> Iterator[list[str]]:
    """What reaches the root logger's handlers, as a program sets them up; caplog listens elsewhere too."""
    messages: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    root, listener = logging.getLogger(), Listener()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    yield messages
    root.setLevel(level)
    root.removeHandler(listener)


def test_nothing_that_a_library_says_of_a_file_gets_out(root_log: list[str]) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        in_threads(lambda: [decode_radiograph(ODD) for _ in range(20)])
    assert said == []
    assert root_log == []


def test_what_a_library_says_elsewhere_is_heard_while_another_thread_reads(root_log: list[str]) -> None:
    inside, done = threading.Event(), threading.Event()

    def read() -> None:
        with reading("DICOM"):
            logging.getLogger("pydicom.somewhere").error(PATIENT)
            warnings.warn(PATIENT, stacklevel=1)
            inside.set()
            done.wait(10)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        thread = threading.Thread(target=read)
        thread.start()
        inside.wait(10)
        logging.getLogger("pydicom.somewhere").error("heard")
        warnings.warn("heard", stacklevel=1)
        done.set()
        thread.join()
    assert root_log == ["heard"]
    assert [str(w.message) for w in said] == ["heard"]


@pytest.mark.parametrize("fault", [OSError, KeyError, RecursionError, AttributeError, NotImplementedError])
def test_whatever_a_library_raises_is_translated_once(fault: type[Exception]) -> None:
    with pytest.raises(InvalidImage, match="PNG file is malformed") as caught, reading("PNG"):
        raise fault(PATIENT)
    assert isinstance(caught.value.__cause__, fault)
    assert PATIENT not in caught.value.message


def test_want_of_memory_is_the_images_size_and_our_own_errors_pass() -> None:
    with pytest.raises(TooLarge), reading("PNG"):
        raise MemoryError
    with pytest.raises(CodedError, match=r"^mine$"), reading("PNG"):
        raise UnsupportedImage("mine")


def test_threads_decode_to_the_same_pixels() -> None:
    alone, found = decode_radiograph(ODD), []
    in_threads(lambda: found.append(decode_radiograph(ODD)), 8)
    assert len(found) == 8
    assert all(np.array_equal(r.pixels, alone.pixels) for r in found)
