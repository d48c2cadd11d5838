"""The two files that tell TorchServe's Java front end what to do: config.properties and log4j2.xml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LOG4J2 = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="error">
  <Appenders>
    <Console name="console" target="SYSTEM_OUT"><PatternLayout pattern="%d{ISO8601} %-5p %t %c - %m%n"/></Console>
    <RollingFile name="workers" fileName="@WORKER_LOG@" filePattern="@WORKER_LOG@.%i">
      <PatternLayout pattern="%d{ISO8601} %-5p %t - %m%n"/>
      <Policies><SizeBasedTriggeringPolicy size="20 MB"/></Policies>
      <DefaultRolloverStrategy max="3"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <!-- Access lines and per-request metrics add nothing to the gateway's own, and cost a write for each request. -->
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="TS_METRICS" level="off"/>
    <Logger name="MODEL_LOG" level="info" additivity="false"><AppenderRef ref="@WORKERS_TO@"/></Logger>
    <Logger name="org.pytorch.serve" level="info"/>
    <Logger name="org.pytorch.serve.wlm" level="warn"/>
    <Root level="warn"><AppenderRef ref="console"/></Root>
  </Loggers>
</Configuration>
"""


@dataclass(frozen=True)
class FrontendPorts:
    """TCP ports where the front end listens; management over REST is a Unix socket in the work folder."""

    inference: int
    """Port of inference over REST."""
    grpc: int
    """Port of inference over gRPC."""
    grpc_management: int
    """Port of management over gRPC."""
    metrics: int
    """Port of its metrics."""


@dataclass(frozen=True)
class FrontendFiles:
    """The files written for one front end, and the folder to start it in."""

    directory: Path
    """Empty: a folder there of a model's name would go before the model in the store."""
    properties: Path
    log4j2: Path
    worker_log: Path
    """Stays empty where the workers' lines go to the console."""


def write_frontend_files(
    folder: Path,
    *,
    host: str,
    ports: FrontendPorts,
    store: Path,
    models: tuple[str, ...],
    job_queue_size: int,
    max_request_bytes: int,
    max_reply_bytes: int,
    use_gpu: bool,
    to_console: bool,
) -> FrontendFiles:
    """Write both files into ``folder``, which must have a short path: it holds a Unix socket. Makes ``folder/cwd``.

    ``to_console`` sends the workers' own lines to standard output instead of to a file.
    """
    properties = {
        "inference_address": f"http://{host}:{ports.inference}",
        "management_address": f"unix:{folder / 'management.sock'}",
        "metrics_address": f"http://127.0.0.1:{ports.metrics}",
        "grpc_inference_address": host,
        "grpc_inference_port": ports.grpc,
        "grpc_management_address": "127.0.0.1",
        "grpc_management_port": ports.grpc_management,
        "model_store": store,
        "load_models": ",".join(f"{name}={name}" for name in models),
        "allowed_urls": f"file://{store}/.*",
        "disable_token_authorization": "true",
        "max_request_size": max_request_bytes,
        "max_response_size": max_reply_bytes,
        "job_queue_size": job_queue_size,
        "metrics_mode": "log",
        "disable_system_metrics": "true",
    }
    if not use_gpu:
        properties["number_of_gpu"] = 0
    files = FrontendFiles(folder / "cwd", folder / "config.properties", folder / "log4j2.xml", folder / "workers.log")
    files.directory.mkdir()
    files.properties.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), "utf-8")
    logging = _LOG4J2.replace("@WORKER_LOG@", str(files.worker_log))
    files.log4j2.write_text(logging.replace("@WORKERS_TO@", "console" if to_console else "workers"), "utf-8")
    return files
