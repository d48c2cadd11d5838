"""The one border to the image libraries: what they raise is translated, what they say of a file is not passed on."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..errors import CodedError, InvalidImage, TooLarge

_LIBRARIES = ("PIL", "highdicom", "jpeg_ls", "openjpeg", "pydicom", "pylibjpeg")

_reading: ContextVar[bool] = ContextVar("reading", default=False)
"""True in a thread (or task) that is inside a library; other threads keep their warnings and their log."""


class _OnlyWhileReading(type):
    def __subclasscheck__(cls, subclass: type) -> bool:
        return _reading.get()


class _SaidWhileReading(Warning, metaclass=_OnlyWhileReading):
    """Stands for every category of warning, but only in a thread that is reading a file.

    ``warnings.catch_warnings`` swaps the filters of the whole process and so cannot be used in threads. A filter
    for this class is permanent, and asks ``issubclass`` in the thread that warns.
    """


class _Gate(logging.Handler):
    """Passes a library's records on to the root logger's handlers, except those of a thread that is reading."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _reading.get():
            logging.getLogger().callHandlers(record)


def _close_gates() -> None:
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.addHandler(_Gate())
        library.propagate = False


_close_gates()


@contextmanager
def silence() -> Iterator[None]:
    """Run library calls without this thread's warnings and log records: they quote headers, which name patients."""
    if not warnings.filters or warnings.filters[0][2] is not _SaidWhileReading:
        warnings.simplefilter("ignore", _SaidWhileReading)
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def reading(form: str) -> Iterator[None]:
    """Run library calls on a file of ``form`` ("PNG", ...) so that neither a fault nor the file's text gets out.

    Silences them, and raises TooLarge for MemoryError and InvalidImage for any other exception: on malformed files
    these libraries raise nearly every built-in one.
    """
    with silence():
        try:
            yield
        except CodedError:
            raise
        except MemoryError as error:
            raise TooLarge(f"The {form} file needs more memory than there is; send a smaller image.") from error
        except Exception as error:
            raise InvalidImage(f"The {form} file is malformed or cut short; send a complete one.") from error
