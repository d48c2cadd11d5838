"""Read the image out of a REST request: the raw body, or the one file of a form.

Never more than the limit, and never to disk, where a radiograph would outlive its request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from cxrshift.errors import Cancelled, InvalidRequest
from cxrshift.gateway.service import too_large

_FORM_SLACK = 64 << 10
"""Bytes that a form may need around its file."""
_T = TypeVar("_T")


class SlowUpload(InvalidRequest):
    """The caller takes too long to send its image."""


async def read_image(request: Request, limit: int, *, seconds: float) -> bytes:
    """The image file in ``request``, raw or in a form, which must have come in ``seconds``.

    Raises TooLarge, InvalidRequest, SlowUpload or Cancelled.
    """
    is_form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    if not is_form:
        return await read_raw(request, limit, limit, seconds=seconds)
    async with _upload(seconds):
        return await _read_form(request, _limited(request, limit, limit + _FORM_SLACK), limit)


async def read_raw(request: Request, limit: int, most: int, *, seconds: float) -> bytes:
    """A body of at most ``most`` bytes, for an image of at most ``limit``. Raises TooLarge, SlowUpload or Cancelled."""
    async with _upload(seconds):
        return b"".join([chunk async for chunk in _limited(request, limit, most)])


@asynccontextmanager
async def _upload(seconds: float) -> AsyncIterator[None]:
    """Give the body ``seconds`` to come."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise SlowUpload(
            f"The image did not come within {seconds:g} seconds; send it faster, or a smaller one."
        ) from error
    except ClientDisconnect as error:
        raise Cancelled("The caller went away while sending.") from error


async def _limited(request: Request, limit: int, most: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks, at most ``most`` bytes of them; what says beforehand that it is longer is not read at all."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise too_large(limit)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > most:
            raise too_large(limit)
        yield chunk


async def _read_form(request: Request, body: AsyncGenerator[bytes, None], limit: int) -> bytes:
    parser = MultiPartParser(request.headers, body, max_files=1, max_fields=0)
    parser.spool_max_size = limit + _FORM_SLACK  # more than can come: it stays in memory
    advice = "A form must have one part, a file named file; options are query parameters."
    try:
        form = await parser.parse()
    except MultiPartException as error:  # its text may quote the form
        raise InvalidRequest(advice) from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidRequest(advice)
        return await file.read()
    finally:
        await form.close()


async def unless_disconnected(request: Request, work: Coroutine[None, None, _T]) -> _T:
    """The result of ``work``, which is cancelled when the caller goes away. Call it after the body was read.

    Raises Cancelled then. ASGI servers do not cancel a handler by themselves.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnection(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Cancelled("The caller went away.")
        return working.result()
    finally:
        leaving.cancel()
        working.cancel()
        await asyncio.gather(leaving, working, return_exceptions=True)


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
