"""Which form a caller gets for which Accept header."""

from __future__ import annotations

import pytest

from cxrshift.gateway.negotiation import choose_media_type

DICOM, MULTIPART = "application/dicom", 'multipart/related; type="application/dicom"'
OFFERED = ("application/json", "image/gif", "image/webp", "application/x-npz")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/gif", "image/gif"),
        ("image/*", "image/gif"),
        ("IMAGE/WEBP", "image/webp"),
        ("image/gif;q=0.4, image/webp;q=0.8", "image/webp"),
        ("image/gif, */*", "image/gif"),
        ("image/gif;q=0.5, */*", "application/json"),
        ("image/*, image/gif;q=0.1", "image/webp"),
        ("*/*, application/json;q=0", "image/gif"),
        ("text/html, application/x-npz;level=1; q=0.3", "application/x-npz"),
        ("video/mp4", None),
        ("image/gif;q=0", None),
        ("image/gif;q=nonsense", None),
        ("image/gif;q=7", None),
        ("nonsense", None),
    ],
)
def test_the_closest_range_decides_the_weight_and_the_highest_weight_the_form(header: str, chosen: str | None) -> None:
    assert choose_media_type(header, OFFERED) == chosen


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (MULTIPART, MULTIPART),
        ("multipart/related;type=application/dicom", MULTIPART),
        ("multipart/related", MULTIPART),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', MULTIPART),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1', MULTIPART),
        ('multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50', None),
        ('multipart/related; type="application/octet-stream"', None),
        ('multipart/related; type="application/octet-stream", application/dicom;q=0.5', DICOM),
        ("application/dicom", DICOM),
        ("*/*", "application/json"),
    ],
)
def test_dicom_is_asked_for_as_dicomweb_asks(header: str, chosen: str | None) -> None:
    assert choose_media_type(header, (*OFFERED, DICOM, MULTIPART)) == chosen
