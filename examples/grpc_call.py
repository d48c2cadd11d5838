"""One explanation over gRPC from the contract alone: explain.proto and gRPC's own tools, for whatever language.

    python examples/grpc_call.py chest.dcm --finding Effusion --out effusion.npz

``ExplainStream`` says first that it has begun, then sends the heatmap, then everything. Needs grpcio-tools and NumPy.
With ``protoc`` the same file makes a client in C#, C++, Go, Java and many others.

Exit codes: 0 explained, 1 refused or too late.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import uuid
import zlib
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from grpc_tools import protoc

PROTO = Path(__file__).resolve().parents[1] / "proto/cxrshift_api/explain.proto"
LARGE = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
"""An answer may be larger than the 4 MiB that gRPC takes unless it is told otherwise."""


def generate_code(proto: Path) -> tuple[Any, Any]:
    """The modules of messages and of the service, as protoc writes them."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["protoc", f"-I{proto.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}", proto.name]
        if protoc.main(arguments) != 0:
            raise SystemExit(f"{proto} could not be compiled")
        sys.path.insert(0, folder)
        try:
            name = proto.stem
            return importlib.import_module(f"{name}_pb2"), importlib.import_module(f"{name}_pb2_grpc")
        finally:
            sys.path.remove(folder)


def read_array(message: Any) -> np.ndarray[Any, Any]:
    """An Array of the contract as NumPy has it."""
    kinds = type(message)
    data = message.data if message.encoding == kinds.RAW else zlib.decompress(message.data)
    values = np.frombuffer(data, np.dtype(message.dtype).newbyteorder("<")).reshape(tuple(message.shape))
    if message.encoding == kinds.DELTA_ZLIB:  # each frame as what it adds to the one before it, modulo 256
        values = np.cumsum(values, axis=0, dtype=np.uint8)
    return values


def say_explanation(explanation: Any) -> str:
    """An explanation's numbers and warnings."""
    column = list(explanation.findings).index(explanation.finding)
    curve = " ".join(f"{score:.2f}" for score in read_array(explanation.scores)[:, column])
    lines = [
        f"{explanation.finding}: score {read_array(explanation.radiograph_scores)[column]:.2f}, "
        f"operating point {explanation.operating_point:.2f}",
        f"along the shift: {curve}",
        *(f"warning: {warning}" for warning in explanation.quality.warnings),
        explanation.notice,
    ]
    return "\n".join(lines)


def say_refusal(error: Any, messages: Any) -> str:
    """The Problem in the trailing metadata of a failed call; gRPC's own words where there is none."""
    for key, value in error.trailing_metadata() or ():
        if key == "cxrshift-problem-bin":
            problem = messages.Problem.FromString(value)
            again = f" Ask again in {problem.retry_after:g} s." if problem.HasField("retry_after") else ""
            return f"{problem.code}: {problem.message}{again}"
    return f"{error.code().name}: {error.details()}"


def main() -> int:
    """Ask and tell; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path, help="a DICOM, PNG, JPEG or NPY file")
    parser.add_argument("--target", default="127.0.0.1:8001", help="HOST:PORT")
    parser.add_argument("--finding", default="Effusion")
    parser.add_argument("--out", type=Path, default=Path("explanation.npz"), help="heatmap and frames, for NumPy")
    parser.add_argument("--token-file", type=Path, help="holds an API key or access token, where one is wanted")
    parser.add_argument("--deadline", type=float, default=60.0, metavar="SECONDS")
    given = parser.parse_args()
    messages, services = generate_code(PROTO)
    asked = messages.ExplainRequest(
        image=given.image.read_bytes(),
        options=messages.ExplainOptions(findings=[given.finding]),
        request_id=uuid.uuid4().hex,
    )
    token = given.token_file.read_text("utf-8").strip() if given.token_file else ""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(given.target, LARGE) as channel:
        events = services.ExplainerStub(channel).ExplainStream(asked, timeout=given.deadline, metadata=metadata)
        try:
            for event in events:
                if event.HasField("progress"):
                    print(f"{event.progress.stage}: {event.progress.fraction:.0%}")
                elif event.HasField("heatmap"):
                    print(f"heatmap of {event.heatmap.finding}")
                else:
                    found = event.explanation
                    np.savez(given.out, heatmap=read_array(found.heatmap), frames=read_array(found.frames))
                    print(say_explanation(found))
        except grpc.RpcError as error:
            print(say_refusal(error, messages), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
