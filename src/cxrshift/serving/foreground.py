"""Become TorchServe: for a container, where the process that was started must be the one that is told to stop."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from cxrshift.models.manifest import read_manifest
from cxrshift.serving.frontend_files import FrontendPorts
from cxrshift.serving.processes import LaunchError, free_ports
from cxrshift.serving.store import StoreSettings, build_store
from cxrshift.serving.torchserve import TorchServeConfig, java_command, make_environment, write_files

LONGEST_FOLDER = 80
"""Bytes of the work folder's path: a Unix socket's has at most 107, and TorchServe adds a name to it."""


@dataclass(frozen=True)
class ForegroundConfig:
    """What to serve and where; sizes are bytes unless named otherwise."""

    models: tuple[Path, ...]
    """Model folders; the first is the gateway's default model if it is told nothing else."""
    folder: Path
    """Everything that is written goes under it: built models, configuration, sockets. It may be lost at any restart."""
    host: str = "127.0.0.1"
    rest_port: int = 8080
    """Port of TorchServe's REST inference service."""
    grpc_port: int = 7070
    """Port of its gRPC inference service."""
    store: StoreSettings = field(default_factory=StoreSettings)
    heap_mebibytes: int = 1024
    """Largest heap of the front end's Java, in mebibytes (2^20 bytes)."""
    job_queue_size: int = 100
    """Requests that wait for each model at most."""


def become_torchserve(config: ForegroundConfig, *, before: Callable[[], None] = lambda: None) -> NoReturn:
    """Build the store, write the front end's files, and replace this process by the front end.

    Nothing of this process is left, so that SIGTERM reaches Java itself, which lets gRPC calls in flight end.
    ``before`` is called just before that, when nothing can go wrong any more but Java itself. Raises ManifestError or
    WeightsError for a model that must not be served, MissingJava or LaunchError.
    """
    folder = config.folder.resolve()
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        raise LaunchError(f"The work folder's path is too long for the sockets in it: {LONGEST_FOLDER} bytes at most.")
    store = build_store(config.models, folder / "store", settings=config.store)
    names = tuple(read_manifest(model).name for model in config.models)
    # A fresh folder: the sockets of a front end that was killed would keep the next one from listening.
    run = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    serving = TorchServeConfig(
        store=store,
        models=names,
        host=config.host,
        inference_port=config.rest_port,
        grpc_port=config.grpc_port,
        heap_mebibytes=config.heap_mebibytes,
        job_queue_size=config.job_queue_size,
        use_gpu=config.store.use_gpu,
    )
    ports = FrontendPorts(config.rest_port, config.grpc_port, *free_ports(2))
    files = write_files(serving, run, ports, to_console=True)
    command = java_command(serving, files, temporary=run)
    os.chdir(files.directory)
    before()
    os.execve(command[0], command, make_environment(serving, run))
