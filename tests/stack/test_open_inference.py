"""Triton's own clients explain a radiograph through gateway, TorchServe and worker."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import httpx

from cxrshift.serving.stack import Stack
from cxrshift_api.json_codec import explain_reply_from_json
from tests.stack.stack_calls import phantom_file

CALLER = Path(__file__).parents[1] / "gateway/triton_caller.py"


def test_tritons_clients_get_what_rest_gives_byte_for_byte(stack: Stack, tmp_path: Path) -> None:
    image = tmp_path / "chest.png"
    image.write_bytes(phantom_file(3, ("Effusion",)))
    address = stack.rest_url.removeprefix("http://")
    caller = [sys.executable, "-W", "ignore", str(CALLER)]
    command = [*caller, address, stack.grpc_target, "phantom", str(image), "Effusion"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    query: dict[str, str | int] = {"finding": "Effusion", "frames": 5}
    answer = httpx.post(f"{stack.rest_url}/v1/explain", params=query, content=image.read_bytes(), timeout=60)
    [expected] = explain_reply_from_json(answer.json()).explanations
    for seen in (told["http"], told["grpc"]):
        assert seen["frames"] == hashlib.sha256(expected.frames.tobytes()).hexdigest()
        assert seen["shapes"]["heatmap"] == ["float32", *expected.heatmap.shape]
        assert seen["explanation"]["receipt"]["files"] == answer.json()["explanations"][0]["receipt"]["files"]
        assert seen["findings"] == list(expected.findings)
        assert seen["ready"] == [True, True]
