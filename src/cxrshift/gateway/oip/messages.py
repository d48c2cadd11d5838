"""The protocol's values to protobuf and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrshift.errors import InvalidRequest
from cxrshift.gateway.oip.questions import check_name
from cxrshift.gateway.oip.tensors import BYTES, read_numbers, read_raw, read_strings, write_raw
from cxrshift.gateway.oip.values import (
    InferReply,
    InferRequest,
    ModelMetadata,
    Parameter,
    ServerMetadata,
    Tensor,
    TensorInfo,
)
from cxrshift_api import open_inference_pb2 as pb

_CONTENTS = {"UINT8": "uint_contents", "UINT16": "uint_contents", "FP32": "fp32_contents", BYTES: "bytes_contents"}


def decode_infer(message: pb.ModelInferRequest) -> InferRequest:
    """The request that a message tells. Raises InvalidRequest."""
    if any("classification" in output.parameters for output in message.outputs):
        raise InvalidRequest("The extension classification is not offered; findings has the names of the classes.")
    return InferRequest(
        inputs=_decode_inputs(message),
        outputs=tuple(output.name for output in message.outputs),
        parameters=_decode_parameters(message.parameters),
        model=message.model_name,
        version=message.model_version,
        id=message.id,
    )


def encode_infer(reply: InferReply, *, raw: bool) -> pb.ModelInferResponse:
    """The answer, as raw bytes or typed, as its question came."""
    message = pb.ModelInferResponse(model_name=reply.model, model_version=reply.version, id=reply.id)
    for name, value in reply.parameters.items():
        message.parameters[name].CopyFrom(_encode_parameter(value))
    for tensor in reply.outputs:
        told = message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.values.shape)
        if raw:
            message.raw_output_contents.append(write_raw(tensor))
        else:
            getattr(told.contents, _CONTENTS[tensor.datatype]).extend(tensor.values.ravel().tolist())
    return message


def encode_model_metadata(metadata: ModelMetadata) -> pb.ModelMetadataResponse:
    """A model's metadata."""
    return pb.ModelMetadataResponse(
        name=metadata.name,
        versions=metadata.versions,
        platform=metadata.platform,
        inputs=map(_encode_info, metadata.inputs),
        outputs=map(_encode_info, metadata.outputs),
    )


def encode_server_metadata(metadata: ServerMetadata) -> pb.ServerMetadataResponse:
    """The server's metadata."""
    return pb.ServerMetadataResponse(name=metadata.name, version=metadata.version, extensions=metadata.extensions)


def _decode_inputs(message: pb.ModelInferRequest) -> tuple[Tensor, ...]:
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise InvalidRequest("raw_input_contents must have one element for each input.")
    tensors = []
    for number, one in enumerate(message.inputs):
        name = check_name(one.name)
        if raw and one.HasField("contents"):
            raise InvalidRequest(f"The input {name} must have contents or raw_input_contents, not both.")
        tensors.append(read_raw(name, one.datatype, one.shape, raw[number]) if raw else _decode_contents(name, one))
    return tuple(tensors)


def _decode_contents(name: str, one: pb.ModelInferRequest.InferInputTensor) -> Tensor:
    own = _CONTENTS.get(one.datatype)
    others = [field.name for field, _ in one.contents.ListFields() if field.name != own]
    if own is None or others:
        raise InvalidRequest(
            f"The input {name} must have its values in raw_input_contents, or in the contents of its datatype, "
            f"which must be one of: {', '.join(_CONTENTS)}. Shared memory is not offered."
        )
    if one.datatype == BYTES:
        return read_strings(name, one.shape, one.contents.bytes_contents)
    return read_numbers(name, one.datatype, one.shape, list(getattr(one.contents, own)))


def _decode_parameters(parameters: Mapping[str, Any]) -> dict[str, Parameter]:
    chosen = {name: (value, value.WhichOneof("parameter_choice")) for name, value in parameters.items()}
    return {name: getattr(value, kind) for name, (value, kind) in chosen.items() if kind}


def _encode_parameter(value: Parameter) -> pb.InferParameter:
    match value:
        case bool():
            return pb.InferParameter(bool_param=value)
        case int():
            return pb.InferParameter(int64_param=value)
        case float():
            return pb.InferParameter(double_param=value)
        case str():
            return pb.InferParameter(string_param=value)


def _encode_info(info: TensorInfo) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(name=info.name, datatype=info.datatype, shape=info.shape)
