"""How long a caller waits for one explanation when nobody else asks."""

from __future__ import annotations

import statistics
import time

import pytest

from cxrshift_api.explain_pb2_grpc import ExplainerStub
from cxrshift_api.types import ExplainOptions
from tests.stack.stack_calls import explain_alone, phantom_file, request

MOST_SECONDS = 1.0
"""At the median, on two cores of a CPU."""


@pytest.mark.timeout(120)
def test_one_finding_in_eleven_frames_takes_a_second_at_most(explainer: ExplainerStub) -> None:
    options = ExplainOptions(("Cardiomegaly",), frames=11)
    requests = [request(phantom_file(200 + i), options) for i in range(11)]
    explain_alone(explainer, requests[0])
    seconds = []
    for one in requests:
        started = time.perf_counter()
        outcome = explain_alone(explainer, one)
        seconds.append(time.perf_counter() - started)
        assert outcome.explanations, outcome.code
    assert statistics.median(seconds) <= MOST_SECONDS
