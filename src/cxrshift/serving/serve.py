"""Serve until told to stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cxrshift.errors import CxrshiftError, ModelError
from cxrshift.serving.events import ServeEvent
from cxrshift.serving.stack import Stack, StackConfig

_POLL_SECONDS = 0.5


class _StopRequestedError(BaseException):
    """SIGTERM or SIGINT arrived. Not an Exception: nothing but ``serve`` may catch it."""


def serve(config: StackConfig, *, announce: Callable[[ServeEvent], None] | None = None) -> int:
    """Run the stack in the foreground until SIGTERM or SIGINT, and return 0 then.

    1 if it did not start or a part of it died: whoever started this knows how to restart it. 2 if a model must not be
    served, which no restart mends. Must be called in the main thread.
    """
    say = announce or _print_line
    try:
        with _stop_on_signals(), Stack(config) as stack:
            say(_ready(stack))
            while True:
                time.sleep(_POLL_SECONDS)
                stack.check_running()
    except _StopRequestedError:
        say(ServeEvent("stopped", "stopped"))
        return 0
    except CxrshiftError as error:
        code = 2 if isinstance(error, ModelError) else 1
        say(ServeEvent("failed", f"failed: {error}", exit_code=code))
        return code


def _ready(stack: Stack) -> ServeEvent:
    addresses = (("rest", stack.rest_url), ("grpc", stack.grpc_target), ("metrics", stack.metrics_url))
    line = f"ready: REST {stack.rest_url}, gRPC {stack.grpc_target}, metrics {stack.metrics_url}"
    return ServeEvent("ready", line, addresses)


def _print_line(event: ServeEvent) -> None:
    print(event.line, flush=True)  # whoever waits for "ready" reads a pipe


@contextmanager
def _stop_on_signals() -> Iterator[None]:
    """Turn the first SIGTERM or SIGINT into an exception, also in start-up; later ones must not stop the tidying."""

    def request_stop(number: int, frame: FrameType | None) -> None:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_IGN)
        raise _StopRequestedError

    before = {one: signal.signal(one, request_stop) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
