"""What the readiness probe asks with."""

from __future__ import annotations

from cxrshift.gateway.readiness import RAMP
from cxrshift.image.decode import decode_radiograph


def test_the_image_behind_readiness_is_one_that_the_worker_reads() -> None:
    pixels = decode_radiograph(RAMP).pixels
    assert pixels.shape == (64, 64)
    assert pixels.min() < pixels.max()
