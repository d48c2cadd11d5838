"""One piece of work for each file, several at once: a bad file costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from cxrshift_api.types import ProblemCode
from cxrshift_client.errors import AccessError, ExplainerError, UnreachableError

from ..errors import CodedError
from .console import Screen
from .exits import say_os_error

R = TypeVar("R")
OF_THE_QUESTION = (ProblemCode.UNKNOWN_MODEL, ProblemCode.UNKNOWN_FINDING, ProblemCode.UNTRAINED_FINDING)
"""What is wrong with the question itself, where it is the same for every file."""


@dataclass(frozen=True)
class Done(Generic[R]):
    """A file's result."""

    position: int
    """Among the files named, from 1."""
    file: Path
    result: R


@dataclass(frozen=True)
class Failed:
    """Why a file has no result, and what would help."""

    position: int
    file: Path
    code: str
    message: str


def gather(paths: Sequence[Path], screen: Screen) -> Sequence[Path]:
    """The radiographs that ``paths`` name: files, or what is in folders and DICOMDIRs.

    Raises InvalidImage where there is none in a folder, and OSError.
    """
    from ..image.folders import find_radiographs

    found = find_radiographs(paths)
    if found.passed_over:
        screen.note(f"passed over, as no radiographs: {found.passed_over} in all")
    return found.files


def work_through(
    files: Sequence[Path],
    work: Callable[[int, Path], R],
    *,
    in_flight: int,
    ends_at: Collection[ProblemCode] = (),
) -> Iterator[Done[R] | Failed]:
    """``work(position, file)`` on every file, ``in_flight`` at once; outcomes in their order.

    Raises UnreachableError, AccessError, or the ExplainerError of a code of ``ends_at`` as soon as it is met: the other
    files would fare no better.
    """

    def one(position: int, file: Path) -> Done[R] | Failed:
        try:
            return Done(position, file, work(position, file))
        except (AccessError, UnreachableError):
            raise
        except ExplainerError as error:
            if error.problem.code in ends_at:
                raise
            return Failed(position, file, error.problem.code, error.problem.message)
        except CodedError as error:
            return Failed(position, file, error.code, error.message)
        except OSError as error:
            return Failed(position, file, ProblemCode.INVALID_REQUEST, say_os_error(error))

    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="explain")
    futures = [pool.submit(one, position, file) for position, file in enumerate(files, 1)]
    try:
        for future in futures:
            yield future.result()
    finally:
        # Not waited for: after Ctrl-C, what is under way ends when its caller closes the connection.
        pool.shutdown(wait=False, cancel_futures=True)


def work_and_tell(
    files: Sequence[Path],
    work: Callable[[int, Path], R],
    tell: Callable[[Mapping[str, object], Done[R]], None],
    *,
    what: str,
    in_flight: int,
    screen: Screen,
    ends_at: Collection[ProblemCode] = (),
) -> int:
    """``work`` on every file; ``tell`` each result, with the JSON members that name its file, and say each failure.

    How many files failed. Raises what ``work_through`` raises.
    """
    failures = 0
    with screen.progress(what, len(files)) as bar:
        for outcome in work_through(files, work, in_flight=in_flight, ends_at=ends_at):
            where: Mapping[str, object] = {"position": outcome.position, "file": str(outcome.file)}
            if isinstance(outcome, Done):
                tell(where, outcome)
            else:
                failures += 1
                screen.tell({**where, "problem": {"code": outcome.code, "message": outcome.message}})
                screen.fail(
                    f"file {outcome.position} of {len(files)}, {outcome.file}: {outcome.code}: {outcome.message}"
                )
            bar.step()
    return failures
