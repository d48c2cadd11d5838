"""Where a request's time went, for its caller: the Server-Timing header (W3C), and gRPC metadata of that name."""

from __future__ import annotations

from dataclasses import fields

from cxrshift_api.types import StageSeconds, WorkReport

SERVER_TIMING = "server-timing"


def server_timing(report: WorkReport) -> str:
    """``total;dur=93.1, decode;dur=0.8, ..., batch;desc="2"``: the worker's milliseconds for the batch that held it."""
    stages = {f.name: getattr(report.stages, f.name) for f in fields(StageSeconds)}
    spent = [f"{name};dur={1e3 * seconds:.3f}" for name, seconds in stages.items() if seconds]
    return ", ".join([*spent, f'batch;desc="{report.batch_size}"'])
