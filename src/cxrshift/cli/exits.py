"""What the command's exit codes mean, and the one place where an error becomes a line and a code."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

import typer

from .console import Screen

if TYPE_CHECKING:
    from cxrshift_client.errors import ExplainerError


class ExitCode(IntEnum):
    """What a script can tell from ``$?``."""

    DONE = 0
    """Everything that was asked for was done."""
    SOME_FAILED = 1
    """At least one file failed; the others were done. Or a service did not start or died."""
    USAGE = 2
    """An option or a model is wrong; nothing was done."""
    UNREACHABLE = 3
    """No service answers at the address."""


_EVERYTHING = "pip install 'cxrshift[bridge,onnx,server,train,xrv]'"
_NO_SERVICE = "To work without a service, add --local."
EXIT_CODES = "Exit codes: 0 all done, 1 some failed, 2 wrong option or model, 3 no service answers."


class Trouble(StrEnum):
    """The codes of ``--json`` problems that are none of the service's (cxrshift_api.types.ProblemCode)."""

    USAGE = "USAGE"
    """An option or argument is wrong."""
    MODEL = "MODEL"
    """A model is not there, or must not be served."""
    SETTINGS = "SETTINGS"
    """A file of settings or of keys, or something else that was named, is wrong."""
    MISSING_PACKAGE = "MISSING_PACKAGE"
    """An extra is not installed."""
    FILE = "FILE"
    """A file or folder cannot be read or written."""
    NOT_STORED = "NOT_STORED"
    """An archive did not take a file."""
    NOT_STARTED = "NOT_STARTED"
    """A service did not start, or a part of it died."""
    INTERRUPTED = "INTERRUPTED"
    """Ctrl-C."""


@contextmanager
def errors_told(screen: Screen, *, no_service: str = _NO_SERVICE) -> Iterator[None]:
    """Errors that end a command: one line each, with what to do about it, and the exit code.

    ``no_service`` is what to do where none answers, beside starting one.
    """
    from cxrshift_client.errors import ExplainerError

    from ..errors import CxrshiftError

    try:
        yield
    except (ExplainerError, CxrshiftError, ModuleNotFoundError, OSError) as error:
        code, line, exit_code = describe(error, no_service)
        screen.end(code, line, exit_code)
        raise typer.Exit(exit_code) from error


def describe(error: Exception, no_service: str = _NO_SERVICE) -> tuple[str, str, ExitCode]:
    """An error's code, its line with what to do, and the exit code."""
    from cxrshift_client.errors import ExplainerError

    if isinstance(error, ExplainerError):
        return _describe_answer(error, no_service)
    if isinstance(error, ModuleNotFoundError):
        line = f"This needs {error.name}, which is not installed: {_EVERYTHING} has everything."
        return Trouble.MISSING_PACKAGE, line, ExitCode.USAGE
    if isinstance(error, OSError):
        return Trouble.FILE, say_os_error(error), ExitCode.SOME_FAILED
    return _describe_own(error)


def _describe_answer(error: ExplainerError, no_service: str) -> tuple[str, str, ExitCode]:
    from cxrshift_client.errors import AccessError, RequestError, UnreachableError

    code = error.problem.code.value
    if isinstance(error, UnreachableError):
        return code, f"{error.problem.message} {no_service}", ExitCode.UNREACHABLE
    if isinstance(error, AccessError):
        remedy = "Put an API key or token into a file and name it in CXRSHIFT_TOKEN_FILE."
        return code, f"{error} {remedy}", ExitCode.USAGE
    return code, str(error), ExitCode.USAGE if isinstance(error, RequestError) else ExitCode.SOME_FAILED


def _describe_own(error: Exception) -> tuple[str, str, ExitCode]:
    from ..errors import CodedError, ModelError

    if isinstance(error, CodedError):
        return error.code.value, str(error), ExitCode.USAGE
    return Trouble.MODEL if isinstance(error, ModelError) else Trouble.SETTINGS, str(error), ExitCode.USAGE


_OS_REMEDIES = {
    errno.EEXIST: "A folder is needed there; name another.",
    errno.ENOTDIR: "A part of that path is a file; name another folder.",
    errno.EACCES: "This user may not; change its permissions or name another place.",
    errno.EROFS: "Nothing can be written there; name another folder.",
    errno.ENOSPC: "Free some space or name a folder on another disk; cxrshift doctor shows what is free.",
    errno.EDQUOT: "Free some space or name a folder on another disk; cxrshift doctor shows what is free.",
    errno.EADDRINUSE: "Something else listens there; cxrshift doctor says what.",
}
"""What to do about what the system refused."""


def say_os_error(error: OSError) -> str:
    """What the system refused, and on which path."""
    if isinstance(error, IsADirectoryError):
        return f"{error.filename} is a folder; name the files in it, for example {error.filename}/*.dcm"
    told = f"{error.filename or 'input or output'}: {error.strerror or type(error).__name__}"
    remedy = _OS_REMEDIES.get(error.errno or 0, "")
    return f"{told}. {remedy}" if remedy else told
