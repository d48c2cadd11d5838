"""A real archive for tests: Orthanc with its DICOMweb plugin, on free ports, in a folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from cxrshift.serving.processes import free_ports

_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
AE_TITLE = "ORTHANC"


def require_orthanc() -> str:
    """The program; skips the test where it is absent."""
    program = shutil.which("Orthanc")
    if program is None or not _PLUGIN.is_file():
        pytest.skip("Orthanc and its DICOMweb plugin are not here (Debian: orthanc, orthanc-dicomweb)")
    return program


class Orthanc:
    """``with Orthanc(folder) as orthanc``: an archive that takes everything.

    ``modalities`` are other AE titles' (host, port) by name, ``servers`` DICOMweb services' addresses by name. With
    ``route_to`` every image of an X-ray modality that becomes stable is sent on to that modality.
    """

    def __init__(
        self,
        folder: Path,
        *,
        modalities: Mapping[str, tuple[str, int]] = {},
        servers: Mapping[str, str] = {},
        route_to: str = "",
        ports: tuple[int, int] | None = None,
    ) -> None:
        self._program = require_orthanc()
        self._folder = folder
        self.http_port, self.dicom_port = ports or free_ports(2)
        self._modalities, self._servers, self._route_to = modalities, servers, route_to

    def __enter__(self) -> Self:
        self.start()
        # Orthanc ends a connection that is idle for a second: one that is kept may end just as it is used again.
        fresh = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.http_port}", timeout=30.0, limits=fresh)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.http.close()
        self.stop()

    @property
    def dicom_web(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def start(self) -> None:
        """Start it, or start it again with what it had stored."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = self._folder / "orthanc.json"
        config.write_text(json.dumps(self._configure()))
        with (self._folder / "orthanc.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 20.0
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{self.http_port}/system", timeout=1.0).raise_for_status()
                return
            except httpx.HTTPError:
                assert self._process.poll() is None, (self._folder / "orthanc.log").read_text()[-2000:]
                assert time.monotonic() < deadline, "Orthanc did not come up"
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it; what it stored stays."""
        self._process.terminate()
        self._process.wait(timeout=30.0)

    # ---- looking ----

    def instances(self) -> list[dict[str, Any]]:
        """Every object, with the attributes that Orthanc indexes."""
        found: list[dict[str, Any]] = self.http.get("/instances", params={"expand": ""}).raise_for_status().json()
        return found

    def tags(self, instance: str) -> dict[str, Any]:
        """The attributes of one object, by keyword."""
        tags: dict[str, Any] = self.http.get(f"/instances/{instance}/simplified-tags").raise_for_status().json()
        return tags

    def store(self, content: bytes) -> None:
        """Put a file into it as a modality would."""
        self.http.post("/instances", content=content).raise_for_status()

    def forget_all(self) -> None:
        """Empty it."""
        for study in self.http.get("/studies").json():
            self.http.delete(f"/studies/{study}")

    def _configure(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "Name": "test",
            "StorageDirectory": str(self._folder / "storage"),
            "IndexDirectory": str(self._folder / "index"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": AE_TITLE,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowStore": True,
            "StableAge": 1,
            "DicomModalities": {name: [name, host, port] for name, (host, port) in self._modalities.items()},
            "Plugins": [str(_PLUGIN)],
            "DicomWeb": {
                "Enable": True,
                "Root": "/dicom-web/",
                "Servers": {name: [address] for name, address in self._servers.items()},
            },
        }
        if self._route_to:
            script = self._folder / "route.lua"
            script.write_text(_ROUTE.replace("@NAME@", self._route_to))
            config["LuaScripts"] = [str(script)]
        return config


_ROUTE = """
function OnStableSeries(seriesId, tags, metadata)
  local series = ParseJson(RestApiGet('/series/' .. seriesId))
  local modality = series['MainDicomTags']['Modality']
  if modality == 'CR' or modality == 'DX' then
    RestApiPost('/modalities/@NAME@/store', DumpJson({Resources={seriesId}, Asynchronous=true}, true), false)
  end
end
"""


def by_kind(instances: Sequence[Mapping[str, Any]], orthanc: Orthanc) -> dict[str, list[dict[str, Any]]]:
    """Modality -> the attributes of the objects that this service made."""
    found: dict[str, list[dict[str, Any]]] = {}
    for instance in instances:
        tags = orthanc.tags(instance["ID"])
        if tags.get("Manufacturer") == "cxrshift":
            found.setdefault(tags["Modality"], []).append(tags | {"ID": instance["ID"]})
    return found
