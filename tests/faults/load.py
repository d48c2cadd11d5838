"""Several callers who ask without a pause while something breaks, and what they heard, counted."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.faults.asks import DEADLINE, SLACK, Ask, Caller, Verdict

Calm = Mapping[tuple[str, str], bytes]
"""Protocol and question -> the right answer."""
_PAUSE = 0.05
_PAUSE_WHEN_TOLD = 0.5


@dataclass(frozen=True)
class Heard:
    """One call."""

    ask: str
    verdict: Verdict
    status: str
    seconds: float


@dataclass(frozen=True)
class Summary:
    """What all callers heard."""

    calls: int
    answered: int
    """Rightly."""
    told: dict[str, int]
    """Status -> calls that were told to come back."""
    lost: dict[str, int]
    wrong: int
    longest: float
    """Seconds of the longest call."""
    deadline: float

    def check(self, *, least_answered: int = 1) -> None:
        """Nothing wrong, nothing lost, no call past its deadline, and enough of them answered to say so."""
        assert self.wrong == 0, self
        assert self.lost == {}, self
        assert self.longest <= self.deadline + SLACK, self
        assert self.answered >= least_answered, self


class Load:
    """``with Load(callers, asks, calm) as load``: one thread for each caller asks until the end of the body."""

    def __init__(
        self, callers: Sequence[Caller], asks: Sequence[Ask], calm: Calm, *, deadline: float = DEADLINE
    ) -> None:
        self._callers = callers
        self._asks = asks
        self._calm = calm
        self._deadline = deadline
        self._ending = threading.Event()
        self._heard: list[Heard] = []
        self._threads = [
            threading.Thread(target=self._keep_asking, args=(caller, offset), name=f"caller {offset}")
            for offset, caller in enumerate(callers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._ending.set()
        with closing_all(self._callers):
            for thread in self._threads:
                thread.join()

    def count(self, verdict: Verdict = Verdict.RIGHT) -> int:
        """Calls so far that ended so."""
        return sum(heard.verdict is verdict for heard in tuple(self._heard))

    def wait_for_answers(self, more: int, seconds: float = 120.0) -> float:
        """Return when so many more calls were answered rightly; how long that took. Raises AssertionError."""
        wanted, began = self.count() + more, time.monotonic()
        wait_until(lambda: self.count() >= wanted, seconds, "the callers got no answers")
        return time.monotonic() - began

    def summary(self) -> Summary:
        """All so far; whole once the body has ended."""
        heard = tuple(self._heard)
        by_verdict = {v: [h for h in heard if h.verdict is v] for v in Verdict}
        return Summary(
            calls=len(heard),
            answered=len(by_verdict[Verdict.RIGHT]),
            told=dict(Counter(h.status for h in by_verdict[Verdict.TOLD])),
            lost=dict(Counter(h.status for h in by_verdict[Verdict.LOST])),
            wrong=len(by_verdict[Verdict.WRONG]),
            longest=max((h.seconds for h in heard), default=0.0),
            deadline=self._deadline,
        )

    def _keep_asking(self, caller: Caller, offset: int) -> None:
        for ask in itertools.islice(itertools.cycle(self._asks), offset, None):
            if self._ending.is_set():
                return
            heard = hear(caller, ask, self._calm, self._deadline)
            self._heard.append(heard)
            self._ending.wait(_PAUSE if heard.verdict is Verdict.RIGHT else _PAUSE_WHEN_TOLD)


def hear(caller: Caller, ask: Ask, calm: Calm, deadline: float) -> Heard:
    """Ask once and judge what came back."""
    began = time.monotonic()
    answer = caller.ask(ask, deadline)
    seconds = time.monotonic() - began
    if answer.ok:
        verdict = Verdict.RIGHT if answer.body == calm[caller.protocol, ask.name] else Verdict.WRONG
    else:
        verdict = Verdict.TOLD if answer.can_be_retried else Verdict.LOST
    return Heard(ask.name, verdict, answer.status, seconds)


def ask_calmly(callers: Sequence[Caller], asks: Sequence[Ask]) -> Calm:
    """The right answers: each question is asked twice over each protocol, with nobody else there."""
    right: dict[tuple[str, str], bytes] = {}
    with closing_all(callers):
        for caller, ask in itertools.product(callers, asks):
            first, second = (caller.ask(ask, 5 * DEADLINE) for _ in range(2))
            assert first.ok, first.status
            assert first.body == second.body
            right[caller.protocol, ask.name] = first.body
    return right


def seconds_until_normal(callers: Sequence[Caller], asks: Sequence[Ask], calm: Calm, *, patience: float) -> float:
    """How long it takes until every question is answered rightly over every protocol, in a row."""
    began = time.monotonic()
    with closing_all(callers):
        while time.monotonic() - began < patience:
            pairs = itertools.product(callers, asks)
            if all(hear(caller, ask, calm, DEADLINE).verdict is Verdict.RIGHT for caller, ask in pairs):
                return time.monotonic() - began
            time.sleep(0.2)
    raise AssertionError(f"the service was not back to normal after {patience:.0f} s")


@contextmanager
def closing_all(callers: Sequence[Caller]) -> Iterator[None]:
    """Their connections are given back after the body."""
    try:
        yield
    finally:
        for caller in callers:
            caller.close()


def wait_until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Return when ``condition`` holds. Raises AssertionError with ``otherwise`` after so many seconds."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"{otherwise} within {seconds:.0f} s"
        time.sleep(0.05)
