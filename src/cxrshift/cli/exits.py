"""What the command's exit codes mean, and the one place where an error becomes a line and a code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from .console import Screen


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
EXIT_CODES = "Exit codes: 0 all done, 1 some failed, 2 wrong option or model, 3 no service answers."


@contextmanager
def errors_told(screen: Screen) -> Iterator[None]:
    """Errors that end a command: one line each, with what to do about it, and the exit code."""
    from cxrshift_client.errors import AccessError, ExplainerError, RequestError, UnreachableError

    from ..errors import CxrshiftError

    try:
        yield
    except UnreachableError as error:
        screen.fail(f"{error.problem.message} To work without a service, add --local.")
        raise typer.Exit(ExitCode.UNREACHABLE) from error
    except AccessError as error:
        screen.fail(f"{error} Put an API key or token into a file and name it in CXRSHIFT_TOKEN_FILE.")
        raise typer.Exit(ExitCode.USAGE) from error
    except ExplainerError as error:
        screen.fail(str(error))
        raise typer.Exit(ExitCode.USAGE if isinstance(error, RequestError) else ExitCode.SOME_FAILED) from error
    except CxrshiftError as error:
        screen.fail(str(error))
        raise typer.Exit(ExitCode.USAGE) from error
    except ModuleNotFoundError as error:
        screen.fail(f"This needs {error.name}, which is not installed: {_EVERYTHING} has everything.")
        raise typer.Exit(ExitCode.USAGE) from error
    except OSError as error:
        screen.fail(say_os_error(error))
        raise typer.Exit(ExitCode.SOME_FAILED) from error


def say_os_error(error: OSError) -> str:
    """What the system refused, and on which path."""
    if isinstance(error, IsADirectoryError):
        return f"{error.filename} is a folder; name the files in it, for example {error.filename}/*.dcm"
    return f"{error.filename or 'input or output'}: {error.strerror or type(error).__name__}"
