"""The gateway as a process: settings from the environment, ports in a file, a drain at the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from cxrshift.serving.gateway import GatewayConfig, GatewayProcess
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from tests.gateway.running import request
from tests.gateway.samples import npy_image
from tests.gateway.test_faults import until
from tests.gateway.worker_double import WorkerDouble, sleep

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def start_process(tmp_path: Path, **settings: str) -> asyncio.subprocess.Process:
    named = {"REST_PORT": "0", "GRPC_PORT": "0", "METRICS_PORT": "0", "PORTS_FILE": str(tmp_path / "ports.json")}
    environment = {f"CXRSHIFT_{name}": value for name, value in {**named, **settings}.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cxrshift.gateway", env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )


async def test_what_was_begun_before_sigterm_is_finished_after_it(tmp_path: Path, double: WorkerDouble) -> None:
    process = await start_process(tmp_path, UPSTREAM=double.target, MODELS='["phantom"]')
    await until((tmp_path / "ports.json").exists, 60)
    ports = json.loads((tmp_path / "ports.json").read_text())
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{ports['grpc']}") as channel,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports['rest']}", timeout=30) as rest,
    ):
        watch = HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="cxrshift.v1.Explainer"))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        double.reset()
        double.behave = sleep(1.0)
        over_grpc = ExplainerStub(channel).Explain(request())  # type: ignore[no-untyped-call]
        over_rest = asyncio.create_task(rest.post("/v1/explain", content=npy_image()))
        await until(lambda: len(double.works) == 2)
        process.send_signal(signal.SIGTERM)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not over_rest.done()
        assert len((await over_grpc).explanations) == 1
        assert (await over_rest).status_code == 200
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert process.stdout is not None
    events = [json.loads(line)["event"] for line in (await process.stdout.read()).splitlines()]
    assert events == ["listening", "draining", "call", "call", "stopped"]
    assert not (tmp_path / "ports.json").exists()


async def test_the_launcher_and_the_gateway_agree(double: WorkerDouble) -> None:
    config = GatewayConfig(upstream=double.target, models=("phantom", "other"), drain_grace=7.0)
    gateway = await asyncio.to_thread(lambda: GatewayProcess(config).__enter__())
    try:
        async with httpx.AsyncClient(base_url=gateway.rest_url) as rest:
            models = (await rest.get("/v1/models")).json()["models"]
        assert [(model["name"], model["default"]) for model in models] == [("phantom", True), ("other", False)]
    finally:
        code = await asyncio.to_thread(gateway.stop)
    assert code == 0
