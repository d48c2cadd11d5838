"""Does what the pages ask of grpcurl, for machines that have none: a call by server reflection, as JSON.

    grpcurl -plaintext [-d JSON|@] HOST:PORT list [SERVICE] | describe NAME | SERVICE/METHOD

It knows nothing of the contract but what the server tells, so that a line which works here names what is really there.
"""

from __future__ import annotations

import sys
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main(arguments: list[str]) -> None:
    """Do one line; print what came back."""
    data, words = "", []
    rest = iter(arguments)
    for word in rest:
        if word == "-d":
            data = next(rest)
        elif word != "-plaintext":
            words.append(word)
    host, what, *name = words
    with grpc.insecure_channel(host) as channel:
        known = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(known)
        if what == "list" and not name:
            print("\n".join(sorted(known.get_services())))  # noqa: T201
        elif what == "list":
            print("\n".join(method.full_name for method in pool.FindServiceByName(name[0]).methods))  # noqa: T201
        elif what == "describe":
            print(known.FindFileContainingSymbol(name[0]))  # noqa: T201
        else:
            _call(channel, pool, what, sys.stdin.read() if data == "@" else data or "{}")


def _call(channel: grpc.Channel, pool: DescriptorPool, path: str, data: str) -> None:
    service, _, name = path.partition("/")
    method = pool.FindServiceByName(service).FindMethodByName(name)
    answer = GetMessageClass(method.output_type)
    request = Parse(data, GetMessageClass(method.input_type)())
    open_call = channel.unary_stream if method.server_streaming else channel.unary_unary
    reply: Any = open_call(f"/{path}", lambda message: message.SerializeToString(), answer.FromString)(
        request, timeout=60
    )
    for message in reply if method.server_streaming else [reply]:
        print(MessageToJson(message))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
