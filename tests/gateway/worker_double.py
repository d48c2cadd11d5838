"""A small TorchServe: a real gRPC server that speaks Predictions and fails in TorchServe's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.torchserve_inference_pb2 import PredictionResponse, PredictionsRequest
from cxrshift_api.torchserve_inference_pb2_grpc import (
    InferenceAPIsServiceServicer,
    add_InferenceAPIsServiceServicer_to_server,
)
from cxrshift_api.types import Problem
from tests.gateway.samples import CLASSIFIED, MODEL, REPORT, explain_reply


@dataclass(eq=False)
class Failure(Exception):
    """What TorchServe 0.12 was seen to answer."""

    status: grpc.StatusCode
    details: str


SERVER_ERROR = "\norg.pytorch.serve.http.InternalServerException"
DIED = Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "Worker died." + SERVER_ERROR)
DIED_OTHERWISE = Failure(grpc.StatusCode.INTERNAL, "Worker died." + SERVER_ERROR)
QUEUE_FULL = Failure(
    grpc.StatusCode.INTERNAL,
    'Model "phantom" has no worker to serve inference request. Please use scale workers API to add workers. If this is '
    "a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize\n"
    "InternalServerException.()",
)
NOT_FOUND = Failure(
    grpc.StatusCode.INTERNAL, "Model not found: phantom\norg.pytorch.serve.archive.model.ModelNotFoundException"
)
RAISED = Failure(grpc.StatusCode.UNAVAILABLE, "Prediction failed" + SERVER_ERROR)
REMOVED = Failure(grpc.StatusCode.CANCELLED, "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))")

Behaviour = Callable[[pb.WorkRequest, int], Awaitable[pb.WorkReply]]


async def answer(work: pb.WorkRequest, number: int) -> pb.WorkReply:
    """A good answer to whatever is asked; an explanation for each finding named."""
    report = codec.encode_report(REPORT)
    if work.HasField("describe"):
        return pb.WorkReply(describe=codec.encode_model_info(MODEL), report=report)
    if work.HasField("classify"):
        reply = codec.encode_classify_reply(CLASSIFIED)
        reply.request_id = work.classify.request_id
        return pb.WorkReply(classify=reply, report=report)
    asked = codec.decode_explain_request(work.explain)
    explained = explain_reply(*asked.options.findings, request_id=asked.request_id, saliency=asked.options.saliency)
    return pb.WorkReply(explain=codec.encode_explain_reply(explained, compress=True), report=report)


def refuse(problem: Problem) -> Behaviour:
    """Answer everything with this problem, in band."""

    async def refusing(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        return pb.WorkReply(problem=codec.encode_problem(problem), report=codec.encode_report(REPORT))

    return refusing


def fail(failure: Failure, *, times: int = 1_000_000) -> Behaviour:
    """Fail the first ``times`` calls, then answer."""

    async def failing(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        if number < times:
            raise failure
        return await answer(work, number)

    return failing


def sleep(seconds: float) -> Behaviour:
    """Answer late."""

    async def sleeping(work: pb.WorkRequest, number: int) -> pb.WorkReply:
        await asyncio.sleep(seconds)
        return await answer(work, number)

    return sleeping


class WorkerDouble(InferenceAPIsServiceServicer):
    """``behave`` may be changed at any time; ``works`` holds what was asked, in order."""

    def __init__(self) -> None:
        self.target = ""
        self.reset()

    def reset(self) -> None:
        """Good again, with an empty memory."""
        self.behave: Behaviour = answer
        self.works: list[pb.WorkRequest] = []
        self.models: list[str] = []
        self.traceparents: list[str] = []
        self.ended = 0

    async def Predictions(self, request: PredictionsRequest, context: Any) -> PredictionResponse:  # noqa: N802
        number = len(self.works)
        self.models.append(request.model_name)
        self.traceparents.append(request.input["traceparent"].decode() if "traceparent" in request.input else "")
        self.works.append(pb.WorkRequest.FromString(request.input["work"]))
        try:
            reply = await self.behave(self.works[-1], number)
        except Failure as failure:
            await context.abort(failure.status, failure.details)
            raise
        finally:
            self.ended += 1
        return PredictionResponse(prediction=codec.to_bytes(reply))


async def start_double(double: WorkerDouble) -> tuple[grpc.aio.Server, str]:
    """Serve ``double`` on a free port: the server and its ``host:port``."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    add_InferenceAPIsServiceServicer_to_server(double, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"
