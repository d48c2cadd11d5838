"""Where a page's blocks run, in order: a folder with a reader's files in it, beside a running service."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from cxrshift.demo import to_png
from cxrshift.phantom import generate
from cxrshift.serving.stack import Stack
from tests.docs.blocks import IN_BACKGROUND, ROOT, RUNNABLE, Block
from tests.pacs.films import film
from tests.ports import quiet_ports

SECONDS = 300.0
"""That a block, or the start of what serves, may take, where nothing else is said."""
EXAMPLE_KEY = "9f2c41d0"
BRIDGE_PORTS = ("11112", "8080", "8003")
"""DIMSE, STOW-RS and metrics of the bridge, as the pages have them."""
STUDY_PORT = "8010"
CHEST = 18
"""The phantom that ``chest.dcm`` and ``chest.png`` show."""

READINGS = "example,reader,arm,target,label_name,confidence,correct_feature\n" + "".join(
    f"{example},{reader},{arm},Mass,{label} Positive,{2 + (example + shift) % 3},{3 + shift * (example % 2)}\n"
    for label in ("True", "False")
    for example in (range(8) if label == "True" else range(8, 16))
    for reader in ("A", "B")
    for shift, arm in enumerate(("Traditional", "Latent Shift"))
)
"""A study of two readers and sixteen examples, as evaluate reader-study reads it."""


class Workplace:
    """``with Workplace(folder, stack) as place: place.run(block)``; what serves in the background ends with it."""

    def __init__(
        self,
        folder: Path,
        stack: Stack,
        *,
        variables: Mapping[str, str] = {},
        stand_ins: Mapping[str, str] = {},
        seconds: float = SECONDS,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._substitutes = substitutes(stack) | dict(stand_ins)
        self._environment = environment(folder, stack) | dict(variables)
        self._served: list[subprocess.Popen[str]] = []
        self._lay_out()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for process in reversed(self._served):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in reversed(self._served):
            code = process.wait(self._seconds)
            assert kind is not None or code == 0, f"{process.args!r} did not end well"

    def run(self, block: Block) -> None:
        """Run a block, or write the file that it is. Raises AssertionError with what the block printed."""
        text = block.text
        for ours, theirs in (self._substitutes | self._own_key()).items():
            text = text.replace(ours, theirs)
        if "file" in block.marks:
            (self._folder / block.marks["file"]).write_text(text, "utf-8")
        elif block.why_not:
            return
        elif IN_BACKGROUND in block.ways:
            self._serve(block, text)
        elif block.language in RUNNABLE:
            self._finish(
                block,
                ["bash", "-euo", "pipefail", "-c", text] if block.language == "sh" else ["python", "-c", text],
            )

    def _own_key(self) -> dict[str, str]:
        """The id of a key that the pages show, and the one that ``cxrshift keys create`` gave to the key made here."""
        file = self._folder / "api-keys.toml"
        found = re.search(r'^id = "([0-9a-f]{8})"', file.read_text("utf-8"), re.MULTILINE) if file.exists() else None
        return {EXAMPLE_KEY: found[1]} if found else {}

    def _finish(self, block: Block, command: list[str]) -> None:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=self._seconds,
            check=False,
        )
        assert done.returncode == 0, f"{block.place} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"

    def _serve(self, block: Block, text: str) -> None:
        log = self._folder / "served.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        self._served.append(process)
        until = time.monotonic() + self._seconds
        while "ready" not in log.read_text("utf-8"):
            waiting = process.poll() is None and time.monotonic() < until
            assert waiting, f"{block.place}:\n{log.read_text('utf-8')}"
            time.sleep(0.05)

    def _lay_out(self) -> None:
        """The files that the pages speak of, made of phantoms."""
        picture = to_png(generate(CHEST))
        lay(self._folder / "chest.dcm", film(CHEST))
        lay(self._folder / "chest.png", picture)
        lay(self._folder / "out/demo/radiograph.png", picture)
        for number in (19, 20):
            lay(self._folder / f"study_folder/{number}.dcm", film(number))
        lay(self._folder / "study/readings.csv", READINGS.encode())
        for part in (
            "benchmarks",
            "examples",
            "src",
            "tests",
            "tools",
        ):  # what stands in a clone, where the pages' commands are given
            if (ROOT / part).is_dir():
                (self._folder / part).symlink_to(ROOT / part)
        trustme.CA().cert_pem.write_to_path(str(self._folder / "ca.pem"))


def lay(file: Path, content: bytes) -> None:
    """Write a file, and the folders that it stands in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def substitutes(stack: Stack) -> dict[str, str]:
    """What stands in the pages, and what it is while the tests run: the service is on free ports here."""
    study, *free_ports = map(str, quiet_ports(1 + len(BRIDGE_PORTS)))
    bridge = dict(zip(BRIDGE_PORTS, free_ports, strict=True))
    return {
        "http://127.0.0.1:8000": stack.rest_url,
        "127.0.0.1:8000": stack.rest_url.removeprefix("http://"),
        "127.0.0.1:8001": stack.grpc_target,
        "http://127.0.0.1:8002/metrics": stack.metrics_url,
        f"--port {STUDY_PORT}": f"--port {study}",
        **{f"port = {port}": f"port = {free}" for port, free in bridge.items()},
        **{f"127.0.0.1:{port}": f"127.0.0.1:{free}" for port, free in bridge.items()},
    }


def environment(folder: Path, stack: Stack) -> dict[str, str]:
    """A shell in which this environment's ``cxrshift`` and ``python`` are found first, and grpcurl somewhere."""
    tools = folder.parent / f"{folder.name}-tools"
    tools.mkdir()
    if shutil.which("grpcurl") is None:
        (tools / "grpcurl").write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/docs/grpcurl.py "$@"\n')
        (tools / "grpcurl").chmod(0o755)
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_", "PYTEST_"))}
    return ours | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), str(tools), os.environ["PATH"])),
        "CXRSHIFT_SERVER": f"grpc://{stack.grpc_target}",
        "HOME": str(folder.parent / f"{folder.name}-tools"),
        "OMP_NUM_THREADS": "1",
    }
