"""The connections to TorchServe: one or, behind a name of several addresses, one to each, taken in turn."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import grpc

from cxrshift_api.torchserve_inference_pb2_grpc import InferenceAPIsServiceStub

_RENEW_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_PING_MS = 3_600_000
_UNACKNOWLEDGED_MS = 10_000
_LONGEST_CALL = 600.0
"""How long a call that was begun on the old channel may take: longer than any deadline."""


class WorkerChannel:
    """A gRPC channel to ``target``. Make it inside a running event loop; close it when done.

    gRPC asks for a name's addresses again only when a connection breaks, so that a pod which joined later would get no
    work. For a ``dns:`` target a new channel is therefore opened now and then, and asks. Connections that both have
    are shared between them, so nothing is connected anew; calls begun on the old one end on it.
    """

    def __init__(self, target: str, *, max_message_bytes: int, renew_seconds: float = _RENEW_SECONDS) -> None:
        self._target = target
        self._options: list[tuple[str, int | str]] = [
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2000),
            ("grpc.lb_policy_name", "round_robin"),
            # Where a machine dies, or a firewall forgets a connection, nobody says so: what was sent is never
            # acknowledged, and Linux alone would try for a quarter of an hour. gRPC sets TCP_USER_TIMEOUT to the
            # second where the first is set, which is longer than any call: TorchServe takes pings for an attack.
            ("grpc.keepalive_time_ms", _PING_MS),
            ("grpc.keepalive_timeout_ms", _UNACKNOWLEDGED_MS),
        ]
        self._use(self._open())
        self._retired: set[asyncio.Task[None]] = set()
        self._renewing = asyncio.create_task(self._renew(renew_seconds)) if target.startswith("dns:") else None

    async def close(self) -> None:
        """End the connections and every call on them."""
        for task in (self._renewing, *self._retired):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self._channel.close(None)

    def _open(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(self._target, options=self._options)

    def _use(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self.stub = InferenceAPIsServiceStub(channel)  # type: ignore[no-untyped-call]

    async def _renew(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            candidate = self._open()
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await candidate.channel_ready()
            except TimeoutError:  # the name cannot be looked up now: what is connected still serves
                await candidate.close(None)
                continue
            except asyncio.CancelledError:
                await candidate.close(None)
                raise
            retired = asyncio.create_task(_retire(self._channel))
            self._retired.add(retired)
            retired.add_done_callback(self._retired.discard)
            self._use(candidate)


async def _retire(channel: grpc.aio.Channel) -> None:
    """Close the channel once its calls have ended, or at once where that wait is cancelled."""
    try:
        await channel.close(_LONGEST_CALL)
    except asyncio.CancelledError:
        await channel.close(None)
        raise
