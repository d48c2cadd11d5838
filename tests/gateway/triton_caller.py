"""A caller who knows nothing of this project: Triton's own clients, over HTTP and gRPC.

Run as a process of its own, ``python triton_caller.py HTTP GRPC MODEL FILE FINDING``, for tritonclient registers the
protocol's messages under the names under which the gateway registers its own. Prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http

import cxrshift  # a user of ours may have both in one process
import cxrshift_client


def explain(triton: Any, address: str, model: str, file: bytes, finding: str) -> dict[str, Any]:
    """What a client sees of the server, the model and one explanation."""
    client = triton.InferenceServerClient(address)
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([file], dtype=object))
    result = client.infer(model, [image], request_id="case 1", parameters={"finding": finding, "frames": 5})
    response = result.get_response()
    scored = client.infer(
        model, [image], outputs=[triton.InferRequestedOutput(n) for n in ("findings", "radiograph_scores")]
    )
    metadata = client.get_model_metadata(model)
    is_dict = isinstance(metadata, dict)
    outputs = metadata["outputs"] if is_dict else metadata.outputs
    names = [output["name"] if is_dict else output.name for output in outputs]
    arrays = {name: result.as_numpy(name) for name in names}
    return {
        "live": client.is_server_live(),
        "ready": [client.is_server_ready(), client.is_model_ready(model)],
        "unknown": client.is_model_ready("unknown") if triton is over_http else False,
        "id": response["id"] if isinstance(response, dict) else response.id,
        "shapes": {name: [str(array.dtype), *array.shape] for name, array in arrays.items()},
        "frames": hashlib.sha256(arrays["frames"].tobytes()).hexdigest(),
        "explanation": json.loads(arrays["explanation"][0]),
        "findings": [finding.decode() for finding in scored.as_numpy("findings")],
        "scores": scored.as_numpy("radiograph_scores").tolist(),
        "refused": refuse(triton, client, model, image),
    }


def refuse(triton: Any, client: Any, model: str, image: Any) -> list[str]:
    """What a client is told of a mistake: status and message."""
    try:
        client.infer(model, [image], parameters={"frames": 1000})
    except triton.InferenceServerException as error:
        return [str(error.status()), str(error.message())]
    return []


if __name__ == "__main__":
    http, grpc, model, file, finding = sys.argv[1:]
    told = {
        name: explain(triton, address, model, Path(file).read_bytes(), finding)
        for name, triton, address in (("http", over_http, http), ("grpc", over_grpc, grpc))
    }
    print(json.dumps({**told, "beside": [cxrshift.__name__, cxrshift_client.__name__]}))  # noqa: T201 - that is its answer
