"""A TCP proxy that can be slow, stand still, or cut its connections.

It cannot lose packets: what it takes from one side the kernel has already acknowledged. See lossy.py for that.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_CHUNK = 16 << 10


@dataclass(frozen=True)
class Weather:
    """How the link is now."""

    delay: float = 0.0
    """Seconds that each piece takes, beside the others."""
    bytes_per_second: float = float("inf")
    stands_still: bool = False
    """Nothing passes; connections stay as they are."""
    cut: bool = False
    """Every connection is reset, and none is taken."""


class Link:
    """``with Link("127.0.0.1:7070") as link``: ``link.target`` leads there, through the weather."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._to = (host, int(port))
        self._weather = Weather()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link")

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.target = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def become(self, weather: Weather) -> None:
        """From now on it is like this."""
        self._loop.call_soon_threadsafe(self._become, weather)

    def _become(self, weather: Weather) -> None:
        self._weather = weather
        if weather.cut:
            for writer in self._open:
                writer.transport.abort()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _end(self) -> None:
        self._server.close()
        self._become(Weather(cut=True))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._weather.cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        for one_reader, one_writer in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(one_reader, one_writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                while self._weather.stands_still:
                    await asyncio.sleep(0.05)
                await asyncio.sleep(self._weather.delay + len(chunk) / self._weather.bytes_per_second)
                writer.write(chunk)
                await writer.drain()
        self._open.discard(writer)
        writer.transport.abort()
