"""A hospital platform's side: explain every radiograph of a folder, whatever the service does meanwhile.

    python examples/hospital_platform.py study_folder --url grpc://127.0.0.1:8001 --out out --finding Effusion

Some images are on their way at once. The client itself tries again, as patiently as the service asks, for as long as an
image's deadline lasts: a service that is overloaded, restarts or is not there yet costs time and no answer. A file that
is no radiograph costs its own row and nothing else.

An image's request id is made of what decides its answer: the image, the options, the model and its version. So the same
question has the same id in the service's log, however often it is asked, and its answer the same name in ``--out``. Run
it again after a break: what was answered is not asked again. ``outcomes.csv`` has a row for each file and finding.

A service behind a door: put the key or token into a file and name it in ``CXRSHIFT_TOKEN_FILE``.

Exit codes: 0 all explained, 1 some not, 2 an option, the model or the access is wrong, 3 no service at the address.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import hashlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cxrshift_api.json_codec import dump_json, explain_reply_from_json, explain_reply_to_json
from cxrshift_client import (
    NOTICE,
    AccessError,
    AsyncClient,
    DeadlineError,
    ExplainerError,
    ExplainReply,
    Problem,
    ProblemCode,
    RequestError,
    Retry,
    Timeout,
    Tls,
    UnreachableError,
)

PATIENT = Retry(attempts=1_000_000, longest_wait=5.0)
"""Only an image's deadline ends its attempts."""


@dataclass(frozen=True)
class Row:
    """One finding of one file, or one file that has no explanation."""

    file: str
    outcome: str
    """explained, kept (answered by an earlier run), refused, late, failed, or not asked."""
    request_id: str = ""
    finding: str = ""
    score: float | None = None
    operating_point: float | None = None
    drop: float | None = None
    rise: float | None = None
    warnings: str = ""
    """Of the quality card: no explanation should be shown without them."""
    seconds: float | None = None
    problem: str = ""


@dataclass(frozen=True)
class Job:
    """What is asked of every image."""

    client: AsyncClient
    model: str
    version: str
    findings: tuple[str, ...]
    folder: Path
    out: Path

    def request_id(self, image: bytes) -> str:
        """The same for the same question, and another for any other."""
        question = json.dumps([self.model, self.version, self.findings]).encode()
        return hashlib.sha256(hashlib.sha256(image).digest() + question).hexdigest()[:32]

    async def ask(self, file: Path) -> list[Row]:
        """The rows of one file. Raises UnreachableError and AccessError, with which no other file would fare better."""
        began, name = time.monotonic(), str(file.relative_to(self.folder))
        try:
            image = await asyncio.to_thread(file.read_bytes)
            request_id = self.request_id(image)
            answer = self.out / f"{request_id}.json"
            if answer.exists():
                return rows_of(await asyncio.to_thread(load, answer), name, "kept", None)
            reply = await self.client.explain(image, findings=self.findings, model=self.model, request_id=request_id)
            await asyncio.to_thread(store, reply, answer)
            return rows_of(reply, name, "explained", round(time.monotonic() - began, 3))
        except (UnreachableError, AccessError):
            raise
        except ExplainerError as error:
            return [Row(name, say_outcome(error), error.request_id, problem=str(error))]
        except OSError as error:
            return [Row(name, "failed", problem=f"{type(error).__name__}: {error.strerror}")]


def say_outcome(error: ExplainerError) -> str:
    """What became of an image whose answer is this error."""
    if isinstance(error, RequestError):
        return "refused"
    return "late" if isinstance(error, DeadlineError) else "failed"


def rows_of(reply: ExplainReply, name: str, outcome: str, seconds: float | None) -> list[Row]:
    """A row for each explanation."""
    return [
        Row(
            file=name,
            outcome=outcome,
            request_id=reply.request_id,
            finding=explanation.finding,
            score=round(float(explanation.radiograph_scores[explanation.findings.index(explanation.finding)]), 4),
            operating_point=round(explanation.operating_point, 4),
            drop=round(explanation.quality.drop, 4),
            rise=round(explanation.quality.rise, 4),
            warnings=" ".join(explanation.quality.warnings),
            seconds=seconds,
        )
        for explanation in reply.explanations
    ]


def store(reply: ExplainReply, answer: Path) -> None:
    """Write the answer as REST has it, whole or not at all."""
    handle, part = tempfile.mkstemp(dir=answer.parent, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        file.write(dump_json(explain_reply_to_json(reply)))
    Path(part).replace(answer)


def load(answer: Path) -> ExplainReply:
    """An answer that ``store`` wrote."""
    return explain_reply_from_json(json.loads(answer.read_bytes()))


async def explain_folder(options: argparse.Namespace, files: Sequence[Path]) -> tuple[list[Row], ExplainerError | None]:
    """The rows of all ``files``, in their order, and the error that ended the work early."""
    found: dict[Path, list[Row]] = {}
    ended: ExplainerError | None = None
    async with AsyncClient(
        options.url,
        timeout=Timeout(options.deadline),
        retry=PATIENT,
        token=token_of(os.environ),
        tls=tls_of(os.environ),
    ) as client:
        try:
            job = await prepare(client, options)
            queue = iter(files)
            async with asyncio.TaskGroup() as group:
                for _ in range(options.in_flight):
                    group.create_task(work(job, queue, found, len(files)))
        except* ExplainerError as errors:
            ended = next(error for error in errors.exceptions if isinstance(error, ExplainerError))
    rows = [row for file in files for row in found.get(file, [Row(str(file.relative_to(options.folder)), "not asked")])]
    return rows, ended


def token_of(environment: Mapping[str, str]) -> Callable[[], str] | None:
    """What CXRSHIFT_TOKEN_FILE holds, read anew for each call, since tokens run out; None = no token."""
    file = environment.get("CXRSHIFT_TOKEN_FILE")
    return (lambda: Path(file).read_text("utf-8").strip()) if file else None


def tls_of(environment: Mapping[str, str]) -> Tls:
    """Whom to trust at grpcs:// and https://: what CXRSHIFT_CA_FILE holds, else the system's certificates."""
    file = environment.get("CXRSHIFT_CA_FILE")
    return Tls(ca_file=Path(file) if file else None)


async def prepare(client: AsyncClient, options: argparse.Namespace) -> Job:
    """The job, once the service is there. Raises RequestError where it has no such model."""
    models = await client.list_models()
    for model in models:
        if model.name == options.model or (not options.model and model.default):
            return Job(client, model.name, model.version, tuple(options.finding), options.folder, options.out)
    names = ", ".join(model.name for model in models)
    raise RequestError(Problem(ProblemCode.UNKNOWN_MODEL, f"No model is called {options.model}; there are: {names}."))


async def work(job: Job, queue: Iterator[Path], found: dict[Path, list[Row]], total: int) -> None:
    """Take file after file from the queue that all workers share."""
    for file in queue:
        found[file] = await job.ask(file)
        sys.stderr.write(f"{len(found)}/{total} {say_counts(rows[0].outcome for rows in found.values())}\n")


def say_counts(outcomes: Iterable[str]) -> str:
    """``38 explained, 1 kept, 1 refused``."""
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(Counter(outcomes).items()))


def write_table(rows: Sequence[Row], file: Path) -> None:
    """``rows`` as CSV."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        table = csv.DictWriter(opened, [field.name for field in fields(Row)])
        table.writeheader()
        table.writerows(asdict(row) for row in rows)


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What was asked for. Ends the program with code 2 where that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the radiographs lie, in folders of their own as well")
    parser.add_argument("--url", default="grpc://127.0.0.1:8001", help="grpc://, grpcs://, http:// or https://")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where answers and outcomes.csv go")
    parser.add_argument("--model", default="", help="the service's default where none is named")
    parser.add_argument(
        "--finding", action="append", default=[], help="may be given several times; none = the present ones"
    )
    parser.add_argument("--in-flight", type=int, default=8, metavar="N", help="images on their way at once")
    parser.add_argument("--deadline", type=float, default=120.0, metavar="SECONDS", help="for an image, waits included")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    if options.in_flight < 1 or options.deadline <= 0.0:
        parser.error("--in-flight must be at least 1 and --deadline more than 0")
    return options


def find_files(folder: Path, *, apart_from: Path) -> list[Path]:
    """Every file in ``folder`` that the system does not hide, in the order of their names."""
    found = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return sorted(file for file in found if not file.is_relative_to(apart_from))


def main(arguments: Sequence[str] | None = None) -> int:
    """Explain the folder; the exit code."""
    options, began = read_options(arguments), time.monotonic()
    files = find_files(options.folder, apart_from=options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    rows, ended = asyncio.run(explain_folder(options, files))
    write_table(rows, options.out / "outcomes.csv")
    outcomes = {row.file: row.outcome for row in rows}
    print(f"{len(files)} files in {time.monotonic() - began:.1f} s: {say_counts(outcomes.values())}. {NOTICE}")
    if ended is not None:
        print(f"ended early: {ended}", file=sys.stderr)
        return 2 if isinstance(ended, RequestError | AccessError) else 3
    return 0 if set(outcomes.values()) <= {"explained", "kept"} else 1


if __name__ == "__main__":
    sys.exit(main())
