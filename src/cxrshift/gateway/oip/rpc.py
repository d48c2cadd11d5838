"""The protocol over gRPC: inference.GRPCInferenceService."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from cxrshift import tracing
from cxrshift.gateway.calls import Call, Deadline
from cxrshift.gateway.metrics import Operation
from cxrshift.gateway.oip.inference import SERVER, OpenInference
from cxrshift.gateway.oip.messages import decode_infer, encode_infer, encode_model_metadata, encode_server_metadata
from cxrshift.gateway.timing import SERVER_TIMING, server_timing
from cxrshift_api import open_inference_pb2 as pb
from cxrshift_api.open_inference_pb2_grpc import GRPCInferenceServiceServicer


class Begun(Protocol):
    """A call that was let through the door."""

    @property
    def request_id(self) -> str:
        """Its id in log and answer."""
        ...

    @property
    def deadline(self) -> Deadline:
        """When its caller no longer waits."""
        ...

    @property
    def call(self) -> Call:
        """What is told of it."""
        ...


class Begin(Protocol):
    """The door that every gRPC call goes through."""

    def __call__(self, context: Any, operation: Operation, named: str) -> AbstractAsyncContextManager[Begun]:
        """Let one call in and watch it."""
        ...


class InferenceService(GRPCInferenceServiceServicer):
    """The six calls of the protocol."""

    def __init__(self, inference: OpenInference, begin: Begin) -> None:
        self._inference = inference
        self._begin = begin

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Any) -> pb.ServerLiveResponse:  # noqa: N802
        """Whether the process lives."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Any) -> pb.ServerReadyResponse:  # noqa: N802
        """Whether every model answers."""
        return pb.ServerReadyResponse(ready=await self._inference.is_ready())

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Any) -> pb.ModelReadyResponse:  # noqa: N802
        """Whether one model answers."""
        async with self._begin(context, "model_ready", "") as begun:
            ready = await self._inference.is_model_ready(request.name, request.version, begun.deadline)
            return pb.ModelReadyResponse(ready=ready)

    async def ServerMetadata(  # noqa: N802
        self, request: pb.ServerMetadataRequest, context: Any
    ) -> pb.ServerMetadataResponse:
        """What this server is."""
        async with self._begin(context, "server_metadata", ""):
            return encode_server_metadata(SERVER)

    async def ModelMetadata(  # noqa: N802
        self, request: pb.ModelMetadataRequest, context: Any
    ) -> pb.ModelMetadataResponse:
        """A model's tensors."""
        async with self._begin(context, "model_metadata", "") as begun:
            return encode_model_metadata(await self._inference.describe(request.name, request.version, begun.deadline))

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Any) -> pb.ModelInferResponse:  # noqa: N802
        """Tensors in, tensors out."""
        async with self._begin(context, "infer", "") as begun:
            asked = await asyncio.to_thread(decode_infer, request)
            made = await self._inference.infer(asked, begun.call, begun.request_id, begun.deadline)
            context.set_trailing_metadata(((SERVER_TIMING, server_timing(made.report)),))
            is_raw = bool(request.raw_input_contents)
            with tracing.span("render"):
                return await asyncio.to_thread(encode_infer, made.reply, raw=is_raw)
