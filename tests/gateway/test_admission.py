"""The parts of the gateway that need no server."""

from __future__ import annotations

import asyncio

import pytest

from cxrshift.errors import Overloaded
from cxrshift.gateway.admission import Admission
from cxrshift.gateway.readiness import RAMP
from cxrshift.image.decode import decode_radiograph


def test_the_image_behind_readiness_is_one_that_the_worker_reads() -> None:
    pixels = decode_radiograph(RAMP).pixels
    assert pixels.shape == (64, 64)
    assert pixels.min() < pixels.max()


async def test_those_who_wait_are_let_in_by_their_order_and_one_who_leaves_is_skipped() -> None:
    admission = Admission(places=1, queue=2)
    entered: list[str] = []

    async def visit(name: str) -> None:
        async with admission.place():
            entered.append(name)
            await asyncio.sleep(0.01)

    visits = [asyncio.create_task(visit(name)) for name in ("first", "leaver", "third")]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        admission.check_room()
    assert 1.0 <= (refused.value.retry_after or 0.0) <= 30.0
    visits[1].cancel()
    await asyncio.gather(*visits, return_exceptions=True)
    assert entered == ["first", "third"]
    admission.check_room()
