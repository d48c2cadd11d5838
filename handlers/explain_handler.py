"""The TorchServe adapter: a batch of serialized WorkRequests in, as many serialized WorkReplies out.

TorchServe calls ``handle`` once with ``None`` to load the model, then with a list of rows. Whatever is wrong with one
row becomes that row's Problem, in band: an exception, a list of another length or a reply over the front end's limit
would fail the whole batch or kill the worker. No text that a caller sent reaches a log: TorchServe parses its workers'
output, and radiographs come with patients.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch

from cxrshift import tracing
from cxrshift.core.engine import Engine, EngineReply, Order
from cxrshift.errors import CodedError, InternalError, TooLarge, UnsupportedImage
from cxrshift.image.radiograph import Radiograph
from cxrshift.models.loader import load_model
from cxrshift_api import codec
from cxrshift_api import explain_pb2 as pb
from cxrshift_api.types import (
    ClassifyReply,
    ClassifyRequest,
    ExplainOptions,
    ExplainReply,
    ExplainRequest,
    Explanation,
    FindingScore,
    ModelInfo,
    Problem,
    Profile,
    SaliencyKind,
    StageSeconds,
    WorkReport,
)
from explain_rows import Describe, Request, decode, internal_problem, log_fault, parse

DEFAULT_MAX_REPLY_BYTES = 16 << 20
"""Largest reply of a batch's item in bytes; larger ones become TOO_LARGE."""
DEFAULT_COMPRESS_ABOVE = 6 << 20
"""Bytes of a batch's arrays above which they are compressed: the front end takes about 0.9 ms times the square of a
batch's megabytes, two threads of zlib about 7 ms for each of them, and the gateway must unpack them again."""
DEFAULT_RECENT_ENCODINGS = 64
"""Number of radiographs whose encodings a worker remembers."""
RETRY_SECONDS = 60.0
"""How long a failed batch may be retried item by item; TorchServe kills a worker that is silent for longer."""

_T = TypeVar("_T")
_R = TypeVar("_R")


Result: TypeAlias = ExplainReply | ClassifyReply | ModelInfo | Problem


@dataclass(frozen=True)
class Worker:
    """What stays between batches: the loaded model and threads for images, nothing of any request."""

    engine: Engine
    threads: ThreadPoolExecutor
    """Decode radiographs and pack replies side by side: both spend their time where Python's lock is free."""
    max_reply_bytes: int = DEFAULT_MAX_REPLY_BYTES
    """Largest reply in bytes; larger ones become TOO_LARGE."""
    compress_above: int = DEFAULT_COMPRESS_ABOVE
    """Bytes of a batch's arrays above which they are compressed."""
    reject_unsuitable: bool = False
    """Refuse what the quality card would warn of first: no frontal chest film, or one unlike the training ones."""

    def answer(self, works: Sequence[object], traceparents: Sequence[object] = ()) -> list[bytes]:
        """Answer a batch: one serialized WorkReply for each serialized WorkRequest, in their order."""
        started = time.perf_counter()
        arrived = [parse(work) for work in works]
        parsed, deadlines = [a.request for a in arrived], [a.deadline for a in arrived]
        radiographs = self._each(self._decode, parsed)
        decoded = time.perf_counter()
        requests = [r if isinstance(r, Problem) else q for q, r in zip(parsed, radiographs, strict=True)]
        films = [
            radiograph
            for request, radiograph in zip(requests, radiographs, strict=True)
            if isinstance(request, ClassifyRequest) and isinstance(radiograph, Radiograph)
        ]
        orders = [
            Order(radiograph, request.options, deadline)
            for request, radiograph, deadline in zip(requests, radiographs, deadlines, strict=True)
            if isinstance(request, ExplainRequest) and isinstance(radiograph, Radiograph)
        ]
        scores, explained = self._classify(films), self._explain(orders)
        stages = replace(explained.stages, decode=decoded - started, total=time.perf_counter() - started)
        tracing.record_batch(traceparents, asdict(stages), batch_size=len(works), rows=explained.rows)
        report = codec.encode_report(WorkReport(batch_size=len(works), rows=explained.rows, stages=stages))
        results = self._results(requests, iter(scores), iter(explained.outcomes))
        # A little goes as it is, which costs no time here, nor in the gateway, which can pass it on untouched.
        compress = sum(map(_array_bytes, results)) > self.compress_above
        return self._each(lambda result: self._seal(_pack(result, compress=compress), report), results)

    def _results(
        self,
        requests: Sequence[Request | Problem],
        scores: Iterator[tuple[FindingScore, ...] | Problem],
        outcomes: Iterator[tuple[Explanation, ...] | Problem],
    ) -> list[Result]:
        """What each request is answered; ``scores`` and ``outcomes`` are those of the requests that are ready."""
        spec = self.engine.spec
        results: list[Result] = []
        for request in requests:
            if isinstance(request, Problem):
                results.append(request)
            elif isinstance(request, Describe):
                results.append(self.engine.describe())
            elif isinstance(request, ClassifyRequest):
                own = next(scores)
                scored = (spec.name, spec.version)
                results.append(own if isinstance(own, Problem) else ClassifyReply(*scored, own, request.request_id))
            else:
                found = next(outcomes)
                found = _refuse_stranger(found) if self.reject_unsuitable else found
                results.append(found if isinstance(found, Problem) else ExplainReply(found, request.request_id))
        return results

    def _decode(self, request: Request | Problem) -> Radiograph | Problem | None:
        radiograph = decode(request)
        if self.reject_unsuitable and isinstance(radiograph, Radiograph) and radiograph.doubts:
            return UnsupportedImage(f"{radiograph.doubts[0]} This service refuses such images.").to_problem()
        return radiograph

    def _each(self, work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
        """``work`` on each item, side by side where there are several."""
        return list(self.threads.map(work, items) if len(items) > 1 else map(work, items))

    def _explain(self, orders: Sequence[Order]) -> EngineReply:
        replies = _harm_only_the_culprit(lambda some: [self.engine.explain(some)], orders)
        outcomes: list[tuple[Explanation, ...] | Problem] = []
        stages = StageSeconds()
        for reply in replies:
            outcomes.extend([reply] if isinstance(reply, Problem) else reply.outcomes)
            stages = stages if isinstance(reply, Problem) else _add(stages, reply.stages)
        return EngineReply(tuple(outcomes), sum(r.rows for r in replies if not isinstance(r, Problem)), stages)

    def _classify(self, radiographs: Sequence[Radiograph]) -> Sequence[tuple[FindingScore, ...] | Problem]:
        return _harm_only_the_culprit(self.engine.classify, radiographs)

    def _seal(self, reply: pb.WorkReply, report: pb.WorkReport) -> bytes:
        reply.report.CopyFrom(report)
        sealed = codec.to_bytes(reply)
        if len(sealed) <= self.max_reply_bytes:
            return sealed
        problem = TooLarge("The explanation is too large to send; ask for fewer frames or fewer findings.").to_problem()
        return codec.to_bytes(pb.WorkReply(problem=codec.encode_problem(problem), report=report))


_worker: Worker | None = None
"""Set once by TorchServe's initialising call; a worker process holds one model."""


def handle(data: Sequence[Mapping[str, object]] | None, context: Any) -> list[bytes] | None:
    """TorchServe's entry point. ``None`` loads the model and may raise; a list of rows never raises."""
    global _worker
    if data is None:
        _worker = load_worker(context)
        return None
    _guard_streams(context, len(data))
    try:
        if _worker is None:
            raise InternalError("The worker has no model yet.")
        return _worker.answer([row.get("work") for row in data], [row.get(tracing.TRACEPARENT) for row in data])
    except Exception as error:  # noqa: BLE001 - the last line: raising would fail every caller of the batch
        log_fault("The batch failed", error)
        return [codec.to_bytes(pb.WorkReply(problem=codec.encode_problem(internal_problem())))] * len(data)


def _guard_streams(context: Any, rows: int) -> None:
    """Let a gRPC StreamPredictions call end after one message; without this header the front end kills the worker.

    A REST call must not carry it: the front end would take its only reply for the end of a stream that never began.
    Only REST rows have request headers such as Host.
    """
    for row in range(rows):
        if "host" not in {name.lower() for name in context.get_all_request_header(row)}:
            context.set_response_header(row, "ts_stream_next", "false")


def load_worker(context: Any) -> Worker:
    """Load the model of ``context``'s folder and run it once. Raises ModelError if it must not be served.

    The ``cxrshift`` section of model-config.yaml may hold ``threads`` (torch's, 0 = its own choice), ``runtime`` and
    ``precision`` (empty = as the manifest says), ``max_reply_bytes``, ``compress_above``, ``reject_unsuitable`` and
    ``recent_encodings`` (radiographs whose encodings are remembered, 0 = none).
    """
    settings: Mapping[str, Any] = (context.model_yaml_config or {}).get("cxrshift") or {}
    # TorchServe's own worker code prints and the front end parses several lines for each batch.
    logging.getLogger().setLevel(logging.WARNING)
    if settings.get("threads"):
        torch.set_num_threads(settings["threads"])
    gpu = context.system_properties.get("gpu_id")
    device = "cpu" if gpu is None or gpu < 0 else f"cuda:{gpu}"
    folder, run_by = Path(context.system_properties["model_dir"]), ("runtime", "precision")
    model = load_model(folder, device=device, **{name: settings.get(name, "") for name in run_by})
    tracing.start_tracing("cxrshift-worker")
    engine = Engine(model, recent=settings.get("recent_encodings", DEFAULT_RECENT_ENCODINGS))
    warm_up(engine)
    gc.collect()
    gc.freeze()  # what stays for good need not be looked through for garbage again and again
    return Worker(
        engine,
        ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="images"),
        settings.get("max_reply_bytes", DEFAULT_MAX_REPLY_BYTES),
        settings.get("compress_above", DEFAULT_COMPRESS_ABOVE),
        bool(settings.get("reject_unsuitable", False)),
    )


def warm_up(engine: Engine) -> None:
    """Run every pass once, so that the first caller waits for no set-up and a broken model fails while loading.

    Traditional maps too, by the least of them: the library behind them takes seconds to import. A model that has none,
    or whose score of a ramp nothing can explain, still serves.
    """
    ramp = np.linspace(0.0, 1.0, 64, dtype=np.float32)
    radiograph = Radiograph(np.ascontiguousarray(np.broadcast_to(ramp, (64, 64))))
    maps = ExplainOptions(profile=Profile.FIXED, frames=2, lambda_min=-1.0, saliency=(SaliencyKind.INPUT_GRADIENT,))
    for options in (ExplainOptions(), maps):
        engine.explain([Order(radiograph, options)])


def _refuse_stranger(found: tuple[Explanation, ...] | Problem) -> tuple[Explanation, ...] | Problem:
    if isinstance(found, Problem) or not any(explanation.quality.is_stranger for explanation in found):
        return found
    return UnsupportedImage(
        "The image is unlike the radiographs that the model was trained on. This service refuses such images."
    ).to_problem()


def _harm_only_the_culprit(work: Callable[[Sequence[_T]], Sequence[_R]], items: Sequence[_T]) -> list[_R | Problem]:
    """``work(items)``; if it raises, each item alone, so that the one at fault fails and its neighbours do not."""
    if not items:
        return []
    try:
        return list(work(items))
    except CodedError as error:
        if len(items) == 1:
            return [error.to_problem()]
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one item only
        log_fault(f"A batch of {len(items)} failed", error)
        if len(items) == 1:
            return [internal_problem()]
    deadline = time.monotonic() + RETRY_SECONDS
    results: list[_R | Problem] = []
    for item in items:
        results.extend(_harm_only_the_culprit(work, [item]) if time.monotonic() < deadline else [internal_problem()])
    return results


def _array_bytes(result: Result) -> int:
    """Bytes of the images in an answer; what else it holds is small."""
    explanations = result.explanations if isinstance(result, ExplainReply) else ()
    maps = sum(saliency.values.nbytes for e in explanations for saliency in e.saliency)
    return maps + sum(e.frames.nbytes + e.heatmap.nbytes + e.radiograph.nbytes for e in explanations)


def _pack(result: Result, *, compress: bool) -> pb.WorkReply:
    match result:
        case ExplainReply():
            return pb.WorkReply(explain=codec.encode_explain_reply(result, compress=compress))
        case ClassifyReply():
            return pb.WorkReply(classify=codec.encode_classify_reply(result))
        case ModelInfo():
            return pb.WorkReply(describe=codec.encode_model_info(result))
        case Problem():
            return pb.WorkReply(problem=codec.encode_problem(result))


def _add(left: StageSeconds, right: StageSeconds) -> StageSeconds:
    return StageSeconds(**{f.name: getattr(left, f.name) + getattr(right, f.name) for f in fields(StageSeconds)})
