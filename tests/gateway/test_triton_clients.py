"""Triton's own clients, unchanged, and the messages that they and the gateway must agree on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cxrshift_api import open_inference_pb2 as pb
from tests.gateway.running import Running
from tests.gateway.samples import SIDE, explain_reply, npy_image

CALLER = Path(__file__).with_name("triton_caller.py")
_FIELDS = """
import json
from tritonclient.grpc import service_pb2 as pb
def fields(message):
    own = {f.name: [f.number, f.type, f.message_type.full_name if f.message_type else ""] for f in message.fields}
    return {message.full_name: own} | {k: v for m in message.nested_types for k, v in fields(m).items()}
print(json.dumps({k: v for m in pb.DESCRIPTOR.message_types_by_name.values() for k, v in fields(m).items()}))
"""


@pytest.mark.asyncio(loop_scope="module")
async def test_tritons_clients_explain_an_image_over_both_protocols(running: Running, tmp_path: Path) -> None:
    image = tmp_path / "chest.npy"
    image.write_bytes(npy_image())
    ports = running.gateway.ports
    addresses = [f"127.0.0.1:{ports.rest}", f"127.0.0.1:{ports.grpc}"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", str(CALLER), *addresses, "phantom", str(image), "Effusion",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    told = json.loads(out)
    [expected] = explain_reply("Effusion").explanations
    for protocol in ("http", "grpc"):
        seen = told[protocol]
        assert (seen["live"], seen["ready"], seen["unknown"], seen["id"]) == (True, [True, True], False, "case 1")
        assert seen["shapes"] == {
            "frames": ["uint8", 3, SIDE, SIDE], "lambdas": ["float32", 3], "scores": ["float32", 3, 2],
            "heatmap": ["float32", SIDE, SIDE], "radiograph": ["uint8", SIDE, SIDE],
            "radiograph_scores": ["float32", 2], "saliency": ["float32", 0, SIDE, SIDE], "findings": ["object", 2],
            "explanation": ["object", 1],
        }  # fmt: skip
        assert seen["frames"] == hashlib.sha256(expected.frames.tobytes()).hexdigest()
        assert seen["explanation"]["finding"] == "Effusion"
        assert seen["explanation"]["quality"]["ssim"] == 0.9
        assert seen["explanation"]["receipt"]["model_version"] == "1.2.0"
        assert seen["findings"] == ["Cardiomegaly", "Effusion"]
        assert seen["scores"] == pytest.approx([0.7, 0.2])
        assert "The parameter frames is wrong" in seen["refused"][1]
    assert [told["http"]["refused"][0], told["grpc"]["refused"][0]] == ["400", "StatusCode.INVALID_ARGUMENT"]


def fields(message: Any) -> dict[str, Any]:
    own = {f.name: [f.number, f.type, f.message_type.full_name if f.message_type else ""] for f in message.fields}
    return {message.full_name: own} | {k: v for m in message.nested_types for k, v in fields(m).items()}


def test_our_messages_have_the_names_numbers_and_types_that_tritons_have() -> None:
    """Triton's may have more: extensions of its own."""
    command = [sys.executable, "-W", "ignore", "-c", _FIELDS]
    theirs = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ours = {k: v for m in pb.DESCRIPTOR.message_types_by_name.values() for k, v in fields(m).items()}
    assert len(ours) > 15
    for name, own in ours.items():
        assert own.items() <= theirs[name].items(), name
