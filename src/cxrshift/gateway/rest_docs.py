"""What OpenAPI says of the REST service beyond what FastAPI reads off the code, and a page that shows it offline."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cxrshift.gateway.bodies import ProblemBody
from cxrshift.gateway.status import PROBLEM_MEDIA_TYPE
from cxrshift_api.wire import NDJSON

DESCRIPTION = """\
Explains a chest X-ray classifier by Latent Shift (arXiv 2102.09475): for one radiograph and one finding, a stack of
synthetic radiographs in which the finding is curtailed and exaggerated, the score on each, and a heatmap of what
changed. **Images are synthetic and not for diagnosis.** Every answer carries `x-request-id`; every refusal is an
`application/problem+json` object with a `code`."""

PAGE = (Path(__file__).parent / "docs.html").read_bytes()
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'"
}

_BINARY = {"type": "string", "format": "binary"}
IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A DICOM, PNG, JPEG or NPY file, told apart by its content: as the body, or as the part `file`.",
        "content": {
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {"file": _BINARY},
                }
            },
        },
    }
}


def answers(model: Any, media_types: tuple[str, ...], description: str) -> dict[int | str, dict[str, Any]]:
    """An operation's ``responses``: its answer in each form, and its problems."""
    others = {media_type: {"schema": _BINARY} for media_type in media_types[1:]}
    success = {"model": model, "description": description, "content": others}
    return {200: success, **PROBLEMS}


def event_answers() -> dict[int | str, dict[str, Any]]:
    """A stream's ``responses``."""
    events = {
        "description": "A line of JSON for each event. `event` says which it is: `progress` (with `stage` and "
        "`fraction`), `heatmap` (with an `explanation` whose `frames` are empty), `explanation` (the same with its "
        "frames), or, at the end of what failed midway, `problem` (with the `problem`).",
        "content": {NDJSON: {"schema": {"type": "string"}}},
    }
    return {200: events, **PROBLEMS}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ProblemBody, "description": "The caller can mend it."},
    "5XX": {"model": ProblemBody, "description": "The service's own trouble."},
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; problems under their own media type, which FastAPI cannot say."""
    if not app.openapi_schema:
        schema = get_openapi(title="cxrshift", version=version("cxrshift"), description=DESCRIPTION, routes=app.routes)
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    if status in PROBLEMS:
                        response["content"] = {PROBLEM_MEDIA_TYPE: response["content"].pop("application/json")}
        app.openapi_schema = schema
    return app.openapi_schema
