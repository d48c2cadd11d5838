"""Which form a caller gets for which Accept header."""

from __future__ import annotations

import pytest

from cxrshift.gateway.negotiation import choose_media_type

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
