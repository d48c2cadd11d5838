"""Fetching one large file over HTTP, within limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ..errors import ModelError

Progress = Callable[[str, int, int | None], None]
"""Told of a file's name, the bytes that have come, and how many will in all (None = the server does not say)."""

MAX_BYTES = 1 << 30
"""Largest file that is fetched, in bytes."""
_TIMEOUT = httpx.Timeout(60.0, connect=15.0)
_CHUNK = 1 << 20


def download(url: str, target: Path, *, limit: int = MAX_BYTES, progress: Progress | None = None) -> Path:
    """Fetch ``url`` into the new file ``target``, which is absent again if that fails. Raises ModelError.

    At most ``limit`` bytes are taken, whatever the server announces; 60 s of silence end the attempt.
    """
    try:
        with _translated(url), target.open("wb") as writer, _answer(url) as response:
            total = int(response.headers["content-length"]) if "content-length" in response.headers else None
            done = 0
            for chunk in response.iter_raw(_CHUNK):
                done += len(chunk)
                if done > limit or (total or 0) > limit:
                    raise ModelError(f"{url} is over {limit} bytes, which no released file is.")
                writer.write(chunk)
                if progress is not None:
                    progress(target.name, done, total)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


@contextmanager
def _answer(url: str) -> Iterator[httpx.Response]:
    headers = {"accept-encoding": "identity"}
    with httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT, headers=headers) as response:
        response.raise_for_status()
        yield response


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPStatusError as error:
        raise ModelError(
            f"{url} answered with status {error.response.status_code}; it was expected to be a file."
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ModelError(
            f"{url} could not be fetched ({type(error).__name__}). Where there is no network, fetch the file elsewhere "
            "and run: cxrshift models import NAME --classifier FILE --autoencoder FILE"
        ) from error
