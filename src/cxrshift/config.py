"""The gateway's settings: read once from ``CXRSHIFT_`` environment variables into one frozen object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .defaults import DEFAULT_MODEL

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_CLEAR = (("http", "127.0.0.1"), ("http", "localhost"))
"""Where an address may do without TLS."""
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Settings(BaseSettings):
    """How one gateway runs; times are seconds.

    Each field's variable is its name in capitals after ``CXRSHIFT_``.
    """

    model_config = SettingsConfigDict(env_prefix="CXRSHIFT_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    """Address that REST, gRPC and metrics listen on."""
    rest_port: Port = 8000
    """Port of REST; 0 = any free port, as for the other two."""
    grpc_port: Port = 8001
    """Port of gRPC."""
    metrics_port: Port = 8002
    """Port of the metrics."""
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
    upload_seconds: Seconds = 30.0
    """How long a caller may take to send its image over REST."""
    drain_delay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Seconds that the service goes on taking calls after SIGTERM, while it already says that it is not ready: as long
    as those who send callers here take to notice."""
    drain_seconds: Seconds = 30.0
    """How long requests in flight may take to end after that."""
    retries: Annotated[int, Field(ge=0)] = 3
    """How often a request is sent again after the worker that held it died."""
    readiness_timeout: Seconds = 3.0
    """How long the tiny inference behind ``/readyz`` may take."""
    readiness_period: Seconds = 5.0
    """How often readiness is looked at for those who watch ``grpc.health.v1``."""
    api_keys_file: Path | None = None
    """The API keys' hashes, as ``cxrshift keys`` writes them; None = no API keys. Read again when it changes."""
    oidc_issuer: str = ""
    """Whose tokens (JWT) are taken, as their ``iss`` names it: an https:// address; empty = none."""
    oidc_audience: str = ""
    """What a token's ``aud`` must name."""
    oidc_jwks_url: str = ""
    """Where the issuer's public keys are; empty = where its discovery document says."""
    oidc_roles_claim: str = "roles"
    """The claim that holds a caller's roles (explain, classify, admin), a path such as ``realm_access.roles``."""
    rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Calls a second that one caller may make; 0 = any number."""
    rate_burst: Annotated[int, Field(ge=1)] = 20
    """Calls that a caller may make at once before ``rate`` counts."""
    caller_in_flight: Annotated[int, Field(ge=0)] = 0
    """Calls that one caller may have in work at once; 0 = any number."""
    cors_origins: tuple[str, ...] = ()
    """Web origins whose pages may call the REST service, as a JSON list; none by default."""
    tls_certificate: Path | None = None
    """PEM file of the certificate, with its chain, that REST and gRPC show; None = no TLS. A renewed file is used from
    the next connection on."""
    tls_key: Path | None = None
    """PEM file of its private key."""
    tls_client_ca: Path | None = None
    """PEM file of the authorities of whose certificates every caller must show one (mutual TLS)."""
    audit_file: Path | None = None
    """Where an audit message of PS3.15 is appended for each explanation and classification; None = none is written."""
    viewer: bool = True
    """Whether the viewer is served at ``/``."""
    samples: Path | None = None
    """Folder of radiographs that the viewer offers to try, seen by everyone who reaches it: none of a patient who could
    be known. None = its own phantoms."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severity of the lines on standard output."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.default_deadline > self.max_deadline:
            raise ValueError("default_deadline must not exceed max_deadline")
        if len(set(self.models)) != len(self.models):
            raise ValueError("models must name each model once")
        if bool(self.tls_certificate) != bool(self.tls_key) or (self.tls_client_ca and not self.tls_certificate):
            raise ValueError("tls_certificate and tls_key go together, and tls_client_ca needs them")
        if bool(self.oidc_issuer) != bool(self.oidc_audience):
            raise ValueError("oidc_issuer and oidc_audience go together")
        return self

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _check_address(cls, address: str) -> str:
        """Public keys that came in the clear could be anyone's."""
        parts = urlsplit(address)
        if address and parts.scheme != "https" and (parts.scheme, parts.hostname) not in _CLEAR:
            raise ValueError("must be an https:// address")
        return address
