"""The client, blocking and awaited: two thin drivers of the same parts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import TracebackType
from typing import Self, TypeVar, Unpack

from cxrshift_api.types import ClassifyReply, ExplainEvent, ExplainReply, ModelInfo

from .attempts import Patience
from .errors import BusyError
from .methods import CLASSIFY, EXPLAIN, LIST_MODELS, ListModels, Method
from .request import Choices, ImageLike, classify_request, explain_request, new_request_id
from .settings import Retry, Timeout, Tls
from .transports import (
    AsyncTransport,
    Connection,
    Transport,
    open_async_transport,
    open_transport,
    parse_address,
)

DEFAULT_ADDRESS = "grpc://127.0.0.1:8001"
Q = TypeVar("Q")
R = TypeVar("R")


class _Settings:
    """What both clients are made of, but the transport."""

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: Timeout | None = None,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | Callable[[], str] | None = None,
        tls: Tls | None = None,
    ) -> None:
        timeout = timeout or Timeout()
        self._patience = Patience(timeout, retry or Retry())
        self._connection = Connection(
            parse_address(address),
            tuple((name.lower(), value) for name, value in (headers or {}).items()),
            (lambda: token) if isinstance(token, str) else token,
            tls or Tls(),
            timeout,
        )

    def _total(self, choices: Choices) -> float | None:
        return choices.get("timeout", self._patience.timeout.total)


class Client(_Settings):
    """A blocking client; safe to share between threads.

        with Client("grpc://explainer.example:8001") as client:
            reply = client.explain("chest.dcm", findings="Effusion")
            print(reply.explanations[0].score)

    ``address`` chooses the transport: ``grpc://``, ``grpcs://``, ``http://`` or ``https://``. ``headers`` go with every
    call, and so does ``token``, an API key or an OIDC access token; give a function where it changes with time. Every
    method raises the errors of ``cxrshift_client.errors``. An ``image`` is a file's bytes, its path, or an (H, W) array
    of uint8, uint16, or float in [0, 1], 0 being black; a file that cannot be read raises the OSError that it is.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: Timeout | None = None,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | Callable[[], str] | None = None,
        tls: Tls | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(address, timeout=timeout, retry=retry, headers=headers, token=token, tls=tls)
        self._transport = transport or open_transport(self._connection)

    def explain(self, image: ImageLike, **choices: Unpack[Choices]) -> ExplainReply:
        """An explanation of each finding.

        ``image`` is a file's bytes, its path, or an (H, W) array of uint8, uint16, or float in [0, 1].
        """
        request = explain_request(image, choices)
        return self._call(EXPLAIN, request, request.request_id, self._total(choices))

    def explain_stream(self, image: ImageLike, **choices: Unpack[Choices]) -> Iterator[ExplainEvent]:
        """The same as it becomes ready: progress, then each finding's heatmap, then its frames. Never tried again."""
        return self._transport.stream(explain_request(image, choices), self._total(choices))

    def classify(self, image: ImageLike, *, model: str = "", request_id: str = "") -> ClassifyReply:
        """Every finding's score, without an explanation."""
        request = classify_request(image, model, request_id)
        return self._call(CLASSIFY, request, request.request_id, self._total({}))

    def list_models(self) -> tuple[ModelInfo, ...]:
        """The models that the service can ask."""
        request = ListModels(new_request_id())
        return self._call(LIST_MODELS, request, request.request_id, self._total({}))

    def is_ready(self, timeout: float = 5.0) -> bool:
        """Whether the service can answer now, within ``timeout`` seconds; False as well where nothing answers.

        Raises ExplainerError where something else goes wrong: the service is too slow, say, refuses the caller, or is
        another program.
        """
        try:
            return self._transport.is_ready(timeout)
        except BusyError:
            return False

    def close(self) -> None:
        """Give the connections back."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _call(self, method: Method[Q, R], request: Q, request_id: str, total: float | None) -> R:
        attempts = self._patience.begin(total)
        while True:
            try:
                return self._transport.send(method, request, request_id, attempts.seconds_left())
            except BusyError as error:
                pause = attempts.pause_after(error)
            time.sleep(pause)


class AsyncClient(_Settings):
    """The same client for asyncio: ``async with AsyncClient(...) as client: await client.explain(...)``.

    It belongs to one event loop.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: Timeout | None = None,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | Callable[[], str] | None = None,
        tls: Tls | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        super().__init__(address, timeout=timeout, retry=retry, headers=headers, token=token, tls=tls)
        self._transport = transport or open_async_transport(self._connection)

    async def explain(self, image: ImageLike, **choices: Unpack[Choices]) -> ExplainReply:
        """As ``Client.explain``."""
        request = explain_request(image, choices)
        return await self._call(EXPLAIN, request, request.request_id, self._total(choices))

    def explain_stream(self, image: ImageLike, **choices: Unpack[Choices]) -> AsyncIterator[ExplainEvent]:
        """As ``Client.explain_stream``."""
        return self._transport.astream(explain_request(image, choices), self._total(choices))

    async def classify(self, image: ImageLike, *, model: str = "", request_id: str = "") -> ClassifyReply:
        """As ``Client.classify``."""
        request = classify_request(image, model, request_id)
        return await self._call(CLASSIFY, request, request.request_id, self._total({}))

    async def list_models(self) -> tuple[ModelInfo, ...]:
        """As ``Client.list_models``."""
        request = ListModels(new_request_id())
        return await self._call(LIST_MODELS, request, request.request_id, self._total({}))

    async def is_ready(self, timeout: float = 5.0) -> bool:
        """As ``Client.is_ready``."""
        try:
            return await self._transport.ais_ready(timeout)
        except BusyError:
            return False

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _call(self, method: Method[Q, R], request: Q, request_id: str, total: float | None) -> R:
        attempts = self._patience.begin(total)
        while True:
            try:
                return await self._transport.asend(method, request, request_id, attempts.seconds_left())
            except BusyError as error:
                pause = attempts.pause_after(error)
            await asyncio.sleep(pause)
