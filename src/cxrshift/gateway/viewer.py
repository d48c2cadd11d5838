"""The viewer at ``/``: its files, its sample radiographs, and what it must know of the service that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from cxrshift.config import Settings
from cxrshift.gateway.forms import EXPLAIN_FORMS
from cxrshift.web.pages import FOLDER, PAGE_HEADERS, page_routes
from cxrshift_api.types import NOTICE

_DICOM, _PICTURES = ".dcm", (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class _Sample:
    """A radiograph to try; ``picture`` is the file that shows it in small, empty where there is none."""

    file: str
    picture: str

    def to_json(self) -> Mapping[str, str]:
        name = Path(self.file).stem
        return {"name": name, "title": name.replace("-", " "), "file": self.file, "picture": self.picture}


def viewer_routes(settings: Settings) -> list[BaseRoute]:
    """The viewer's routes. They ask for no key: none of them tells or takes anything of a patient."""
    folder = settings.samples or FOLDER / "samples"

    def describe(_: Request) -> Response:
        document = {
            "version": version("cxrshift"),
            "notice": NOTICE,
            "forms": EXPLAIN_FORMS.media_types,
            "max_bytes": settings.max_request_bytes,
            "samples": [sample.to_json() for sample in _list_samples(folder)],
        }
        return JSONResponse(document, headers={"cache-control": "no-cache"})

    def sample(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in {file for each in _list_samples(folder) for file in (each.file, each.picture)}:
            raise HTTPException(404)
        return FileResponse(folder / name, headers=PAGE_HEADERS)

    return [
        Route("/web/viewer.json", describe, name="viewer"),
        Route("/web/samples/{name}", sample, name="sample"),
        *page_routes("viewer"),
    ]


def _list_samples(folder: Path) -> list[_Sample]:
    """The radiographs in ``folder``, by name; a picture beside a DICOM file of the same name is what shows it."""
    try:
        files = sorted(each for each in folder.iterdir() if each.is_file())
    except OSError:
        return []
    pictures = {each.stem: each.name for each in files if each.suffix.lower() in _PICTURES}
    dicoms = {each.stem: each.name for each in files if each.suffix.lower() == _DICOM}
    return [
        _Sample(dicoms.get(stem, pictures.get(stem, "")), pictures.get(stem, "")) for stem in sorted(pictures | dicoms)
    ]
