"""The gateway's settings: read once from ``CXRSHIFT_`` environment variables into one frozen object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .defaults import DEFAULT_MODEL

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Settings(BaseSettings):
    """How one gateway runs. Each field's variable is its name in capitals after ``CXRSHIFT_``; times are seconds."""

    model_config = SettingsConfigDict(env_prefix="CXRSHIFT_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    """Address that REST, gRPC and metrics listen on."""
    rest_port: Port = 8000
    """0 = any free port, as for the other two."""
    grpc_port: Port = 8001
    metrics_port: Port = 8002
    ports_file: Path | None = None
    """Where to write ``{"rest": n, "grpc": n, "metrics": n}`` once all three listen."""
    upstream: str = "127.0.0.1:7070"
    """``host:port`` of TorchServe's gRPC inference service."""
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)] = (DEFAULT_MODEL,)
    """Names of the models that TorchServe serves, as a JSON list; the first is the default."""
    max_in_flight: Annotated[int, Field(ge=1)] = 16
    """Requests with TorchServe at once, over all models. Twice its batch size keeps a batch forming behind the one in
    work; what waits here rather than there costs nothing when its caller goes away."""
    queue: Annotated[int, Field(ge=0)] = 64
    """Requests that wait for one of those places; the next is refused with 429."""
    max_wait: Seconds = 0.25
    """How long a request may have to wait for its place while others have been waiting for more than a second: in a
    lasting overload those who are answered are answered soon, and the others are refused at once."""
    max_request_bytes: Annotated[int, Field(ge=1024)] = 32 << 20
    """Largest image file, in bytes. TorchServe's own limit must be higher."""
    max_reply_bytes: Annotated[int, Field(ge=1024)] = 256 << 20
    """Largest message to a gRPC caller and from TorchServe, in bytes."""
    default_deadline: Seconds = 60.0
    """How long a request may take whose caller names no deadline."""
    max_deadline: Seconds = 300.0
    """The longest deadline that a caller can name; a longer one is cut to this."""
    drain_seconds: Seconds = 30.0
    """How long requests in flight may take to end after SIGTERM."""
    retries: Annotated[int, Field(ge=0)] = 3
    """How often a request is sent again after the worker that held it died."""
    readiness_timeout: Seconds = 3.0
    """How long the tiny inference behind ``/readyz`` may take."""
    readiness_period: Seconds = 5.0
    """How often readiness is looked at for those who watch ``grpc.health.v1``."""
    audit_file: Path | None = None
    """Where an audit message of PS3.15 is appended for each explanation and classification; None = none is written."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity of the lines on standard output."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.default_deadline > self.max_deadline:
            raise ValueError("default_deadline must not exceed max_deadline")
        if len(set(self.models)) != len(self.models):
            raise ValueError("models must name each model once")
        return self
