"""Who is let in, who waits and who is refused: real coroutines, on a clock that the test turns where time matters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from cxrshift.errors import DeadlineExceeded, InvalidImage, Overloaded
from cxrshift.gateway.admission import Admission


async def test_those_who_wait_are_let_in_by_their_order_and_one_who_leaves_is_skipped() -> None:
    admission = Admission(places=1, queue=2, longest_wait=0.5)
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


@dataclass
class House:
    """An admission whose clock stands still until the test turns it, and the visitors inside."""

    now: float = 100.0
    places: int = 2
    queue: int = 10
    longest_wait: float = 0.5
    visitors: list[tuple[asyncio.Event, asyncio.Task[None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admission = Admission(
            places=self.places, queue=self.queue, longest_wait=self.longest_wait, clock=lambda: self.now
        )

    async def come(self, count: int = 1, *, fail: Exception | None = None) -> None:
        """Let so many in at this moment. Raises Overloaded."""
        for _ in range(count):
            self.admission.check_room()
            end = asyncio.Event()
            self.visitors.append((end, asyncio.create_task(self._visit(end, fail))))
            await asyncio.sleep(0)

    async def _visit(self, end: asyncio.Event, fail: Exception | None) -> None:
        async with self.admission.place():
            await end.wait()
            if fail:
                raise fail

    async def go(self, count: int = 1) -> None:
        """The first ``count`` end at this moment; those who waited take their places."""
        for _ in range(count):
            end, task = self.visitors.pop(0)
            end.set()
            await asyncio.gather(task, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)

    async def learn(self, seconds: float) -> None:
        """Have a visitor stay so long, so that the house knows how long visits are; then nobody comes for a while."""
        await self.come()
        self.now += seconds
        await self.go()
        self.now += 100.0

    @contextmanager
    def refuses(self) -> Iterator[list[float]]:
        """The body's visitor is refused; its Retry-After is put into the list."""
        told: list[float] = []
        with pytest.raises(Overloaded) as refused:
            yield told
        told.append(refused.value.retry_after or 0.0)


async def test_a_burst_may_wait_long_and_fills_the_queue() -> None:
    house = House()
    await house.learn(10.0)
    await house.come(2 + 10)  # the last of them will wait for a minute
    with house.refuses():
        await house.come()
    await house.go(12)


async def test_a_queue_that_lasts_lets_in_only_whom_it_serves_soon() -> None:
    house = House()
    await house.learn(0.4)  # two places: one falls free every 0.2 s
    await house.come(4)
    for _ in range(5):  # as many come as go, and two always wait
        house.now += 0.2
        await house.go()
        await house.come()
    house.now += 0.19
    with house.refuses():  # a third would wait 0.6 s
        await house.come()
    await house.go()
    await house.come()  # the second waits 0.4 s
    await house.go(4)


async def test_a_batch_that_empties_the_queue_for_a_moment_does_not_end_it() -> None:
    house = House(longest_wait=0.6)
    await house.learn(1.0)
    await house.come(3)
    for _ in range(2):
        house.now += 1.0
        await house.go(2)  # one is inside
        house.now += 0.3
        await house.come(2)  # and again one waits
    house.now += 0.1
    with house.refuses():  # the next would wait a second
        await house.come()
    await house.go(3)
    house.now += 5.0
    await house.come(12)  # a burst again, after some time of quiet
    await house.go(12)


async def test_the_advice_is_the_time_in_which_those_inside_are_answered() -> None:
    house = House(queue=4)
    await house.learn(3.0)
    await house.come(6)
    with house.refuses() as told:
        await house.come()
    assert told == [pytest.approx(9.0)]  # six, two at a time, three seconds each
    await house.go(6)


async def test_a_worker_that_is_stuck_is_noticed_and_the_advice_grows_with_its_silence() -> None:
    house = House()
    await house.learn(0.2)
    await house.come(3)
    house.now += 0.1
    await house.come()  # nothing is strange yet
    house.now += 20.0
    with house.refuses() as told:
        await house.come()
    assert told == [pytest.approx(20.5)]
    house.now += 300.0
    with house.refuses() as told:
        await house.come()
    assert told == [30.0]
    await house.go(4)
    await house.come()  # a free place is always given
    await house.go()


async def test_a_place_that_is_free_is_given_however_slow_the_service_was() -> None:
    house = House(queue=0)
    await house.learn(1000.0)
    await house.come(2)
    with house.refuses():
        await house.come()
    await house.go()
    await house.come()
    await house.go(2)


@pytest.mark.parametrize(("failure", "counts"), [(DeadlineExceeded("late"), False), (InvalidImage("bad"), True)])
async def test_the_time_of_those_who_were_given_up_is_not_learnt(failure: Exception, counts: bool) -> None:
    house = House(queue=0)
    await house.learn(2.0)
    await house.come(fail=failure)
    house.now += 12.0
    await house.go()
    await house.come(2)
    with house.refuses() as told:
        await house.come()
    assert told == [pytest.approx(3.0 if counts else 2.0)]
    await house.go(2)
