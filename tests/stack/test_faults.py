"""What goes wrong in a running service: a killed worker, a full queue, a stop in the middle of work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from cxrshift.serving.gateway import GatewayConfig, GatewayProcess
from cxrshift.serving.stack import Stack
from cxrshift.serving.torchserve import TorchServeProcess
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from cxrshift_api.types import ExplainOptions
from tests.stack.stack_calls import (
    QUICK,
    explain_alone,
    explain_together,
    open_channel,
    phantom_file,
    request,
    stub_for,
)

SLOW = ExplainOptions(("Cardiomegaly", "Effusion", "Mass"), frames=101)
"""Long enough that a signal arrives in its middle."""


def in_service(url: str) -> bool:
    return httpx.get(f"{url}/readyz", timeout=30).status_code == 200


@pytest.mark.timeout(120)
def test_a_worker_killed_in_mid_request_costs_no_caller_an_error(stack: Stack, explainer: ExplainerStub) -> None:
    requests = [request(phantom_file(seed), SLOW) for seed in range(10)]
    expected = [explain_alone(explainer, one) for one in requests[:2]]
    (worker,) = stack.worker_pids()
    calls = [explainer.Explain.future(one, timeout=100) for one in requests]
    time.sleep(0.3)
    assert not any(call.done() for call in calls[2:])
    os.kill(worker, signal.SIGKILL)
    outcomes = [len(call.result().explanations) for call in calls]
    assert outcomes == [3] * 10
    assert worker not in stack.worker_pids()
    assert [explain_alone(explainer, one) for one in requests[:2]] == expected


@pytest.mark.timeout(120)
def test_past_its_limit_the_gateway_answers_429_with_retry_after(stack: Stack) -> None:
    config = GatewayConfig(
        upstream=stack.torchserve.grpc_target,
        models=("phantom",),
        environment=(("CXRSHIFT_MAX_IN_FLIGHT", "1"), ("CXRSHIFT_QUEUE", "0")),
    )
    with GatewayProcess(config) as gateway:
        _assert_some_are_refused_politely(gateway)


@pytest.mark.timeout(120)
def test_a_full_queue_in_torchserve_is_429_too(stack: Stack) -> None:
    config = replace(stack.torchserve.config, job_queue_size=1)
    with TorchServeProcess(config) as torchserve:
        limits = (("CXRSHIFT_MAX_IN_FLIGHT", "100"),)  # the gateway itself refuses nobody
        facing = GatewayConfig(upstream=torchserve.grpc_target, models=("phantom",), environment=limits)
        with GatewayProcess(facing) as gateway:
            _assert_some_are_refused_politely(gateway, calls=24)


def _assert_some_are_refused_politely(gateway: GatewayProcess, *, calls: int = 8) -> None:
    image = phantom_file(3)
    with open_channel(gateway.grpc_target) as channel:
        stub = stub_for(channel)
        flood = [stub.Explain.future(request(image, SLOW), timeout=100) for _ in range(calls)]
        time.sleep(0.2)
        refused = httpx.post(
            f"{gateway.rest_url}/v1/explain",
            content=image,
            params={"finding": "Cardiomegaly"},
            headers={"content-type": "application/octet-stream"},
            timeout=60,
        )
        codes = [call.code() for call in flood]
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "OVERLOADED"
        assert float(refused.headers["retry-after"]) > 0
        assert explain_together(stub, [request(image, QUICK)])[0].explanations  # and after the flood, as ever


SERVE = """
import sys
from pathlib import Path
from cxrshift.serving.serve import serve
from cxrshift.serving.stack import StackConfig
sys.exit(serve(StackConfig(models=(Path(sys.argv[1]),))))
"""


@pytest.mark.timeout(120)
def test_serving_stays_up_until_sigterm_and_leaves_no_process(phantom_folder: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(phantom_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready: REST http://127.0.0.1:"), line
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 3  # java, its worker, the gateway
        url = line.split()[2].rstrip(",")
        assert in_service(url)
        with open_channel(line.split()[4].rstrip(",")) as channel:
            call = stub_for(channel).Explain.future(request(phantom_file(5), SLOW), timeout=60)
            time.sleep(0.1)
            process.terminate()
            assert len(call.result().explanations) == 3  # begun before the signal, finished after it
        assert process.wait(60) == 0
        assert process.stdout.read() == "stopped\n"
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


@pytest.mark.timeout(60)
def test_a_sigterm_while_starting_stops_it_cleanly(phantom_folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE, str(phantom_folder)], stdout=subprocess.PIPE) as process:
        itself = psutil.Process(process.pid)
        while not (family := itself.children(recursive=True)):
            time.sleep(0.05)
        process.terminate()
        assert process.wait(40) == 0
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


@pytest.mark.timeout(120)
def test_serving_ends_with_an_error_when_a_part_dies(phantom_folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(phantom_folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        family = psutil.Process(process.pid).children(recursive=True)
        (java,) = (child for child in family if child.name() == "java")
        java.kill()
        assert process.wait(60) == 1
        assert "TorchServe ended with code -9" in process.stdout.read()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
