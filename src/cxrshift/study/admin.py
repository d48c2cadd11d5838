"""What an administrator may ask of a running study: progress, results, tables."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import asdict

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from cxrshift_api.json_codec import JsonValue, dump_json

from ..evaluation.reader_study import Comparison, pairs_needed
from .cases import list_cases, read_study
from .database import Database
from .readings import list_progress, list_readings
from .records import Role
from .results import Results, compute_results, split_pairs
from .sessions import Door
from .tables import make_tables
from .web_calls import Refusal

_LEVEL = 0.05


def admin_routes(database: Database, door: Door) -> list[BaseRoute]:
    """Routes under ``/api/admin``, for administrators alone."""

    async def progress(request: Request) -> Response:
        await door.enter(request, Role.ADMIN)
        return _json(await run_in_threadpool(describe_progress, database))

    async def results(request: Request) -> Response:
        await door.enter(request, Role.ADMIN)
        power = _share(request.query_params.get("power", "0.8"))
        found = await run_in_threadpool(lambda: compute_results(list_readings(database)))
        return _json(describe_results(found, power=power))

    async def export(request: Request) -> Response:
        await door.enter(request, Role.ADMIN)
        packed = await run_in_threadpool(lambda: _pack(make_tables(database)))
        headers = {"content-disposition": 'attachment; filename="study.zip"'}
        return Response(packed, media_type="application/zip", headers=headers)

    return [
        Route("/api/admin/progress", progress),
        Route("/api/admin/results", results),
        Route("/api/admin/export.zip", export),
    ]


def describe_progress(database: Database) -> dict[str, JsonValue]:
    """The study, how far each reader is, and the ``pairs`` of one reader and one case that are complete, as JSON."""
    study = read_study(database)
    readers = [_finite(asdict(one)) for one in list_progress(database)]
    paired, _ = split_pairs(list_readings(database))
    return {
        "title": study.title,
        "arms": study.arms,
        "seed": study.seed,
        "cases": len(list_cases(database)),
        "pairs": len(paired) // 2,
        "readers": readers,
    }


def describe_results(found: Results, *, power: float, level: float = _LEVEL) -> dict[str, JsonValue]:
    """The results as JSON; each comparison also tells the pairs ``needed`` by a next study, null for no effect.

    ``power`` in [0.5, 1) is that of the next study, ``level`` in (0, 1) its two-sided level.
    """
    return {
        "readings": found.readings,
        "unpaired": found.unpaired,
        "power": power,
        "level": level,
        "arms": [_finite(asdict(one)) for one in found.arms],
        "comparisons": [_describe_comparison(one, power, level) for one in found.comparisons],
    }


def _describe_comparison(one: Comparison, power: float, level: float) -> JsonValue:
    return _finite({**asdict(one), "needed": pairs_needed(one, power=power, level=level)})


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0.5 <= share < 1.0:
        raise Refusal(400, "power must be a number from 0.5 to below 1.")
    return share


def _finite(members: Mapping[str, object]) -> dict[str, JsonValue]:
    """With null for what is not a number, for JSON has none."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value  # type: ignore[misc]
        for name, value in members.items()
    }


def _json(document: JsonValue) -> Response:
    return Response(dump_json(document), media_type="application/json")


def _pack(tables: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables.items():
            archive.writestr(name, text)
    return buffer.getvalue()
