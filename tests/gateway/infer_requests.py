"""Questions in the Open Inference Protocol, spelt out."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from cxrshift_api import codec
from cxrshift_api import open_inference_pb2 as pb
from cxrshift_api.open_inference_pb2_grpc import GRPCInferenceServiceStub
from tests.gateway.running import Running
from tests.gateway.samples import npy_image
from tests.gateway.worker_double import WorkerDouble

INFER = "/v2/models/phantom/infer"
RAMP = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)


def file_input(file: bytes = b"", **more: Any) -> dict[str, Any]:
    data = [base64.b64encode(file or npy_image()).decode()]
    return {"name": "image", "datatype": "BYTES", "shape": [1], "data": data, **more}


def pixel_input(**more: Any) -> dict[str, Any]:
    return {"name": "pixels", "datatype": "FP32", "shape": [3, 4], "data": RAMP.ravel().tolist(), **more}


def binary(document: dict[str, Any], *raw: bytes) -> dict[str, Any]:
    """A body with binary tensors behind its JSON, as httpx takes it."""
    text = json.dumps(document).encode()
    return {
        "content": b"".join([text, *raw]),
        "headers": {"Inference-Header-Content-Length": str(len(text))},
    }


def rpc(**more: Any) -> pb.ModelInferRequest:
    image = pb.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[1])
    raw = len(npy_image()).to_bytes(4, "little") + npy_image()
    return pb.ModelInferRequest(**{"model_name": "phantom", "inputs": [image], "raw_input_contents": [raw], **more})


def stub_of(running: Running) -> Any:
    return GRPCInferenceServiceStub(running.channel)  # type: ignore[no-untyped-call]


def asked_of(double: WorkerDouble) -> Any:
    return codec.decode_explain_request(double.works[-1].explain)
