"""``python -m cxrshift.gateway``: run one gateway, as its ``CXRSHIFT_`` variables say, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from pydantic import ValidationError

from cxrshift.config import Settings
from cxrshift.telemetry import configure_logging, log_event
from cxrshift.tracing import start_tracing, stop_tracing

logger = logging.getLogger("cxrshift.gateway")


async def run(settings: Settings) -> None:
    """Serve until told to stop, then drain. A second signal does not hurry it: drain_seconds bounds the wait."""
    from cxrshift.gateway.server import Gateway  # here, so that a wrong setting is told before seconds of imports

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    async with Gateway(settings):
        await stop.wait()


def main() -> int:
    """0 after a drained stop, 1 where a port is taken, 2 where a setting is wrong."""
    try:
        settings = Settings()
    except ValidationError as error:
        configure_logging("INFO")
        names = ", ".join(
            sorted({f"CXRSHIFT_{str(e['loc'][0]).upper()}" if e["loc"] else e["msg"] for e in error.errors()})
        )
        log_event(logger, "settings are wrong", level=logging.ERROR, settings=names)
        return 2
    configure_logging(settings.log_level)
    start_tracing("cxrshift-gateway")
    try:
        asyncio.run(run(settings))
    except (OSError, RuntimeError) as error:
        log_event(
            logger, "could not serve", level=logging.ERROR, reason=str(error)
        )  # an operator's address, no caller's
        return 1
    finally:
        stop_tracing()
    return 0


if __name__ == "__main__":
    sys.exit(main())
