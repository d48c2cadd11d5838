"""Coverage-guided fuzzing of what reads strangers' files: ``python -m tests.fuzz.images --seconds 600``.

Whatever bytes come, the decoders answer with a radiograph or a coded error, and the bridge's first look with an
arrival or a coded error; any other exception, a hang of ten seconds or 4 GiB of memory is a find. It is written to
tests/fuzz/found and stays there as a regression test once it is mended. Needs atheris (Linux).

What is left to gdcm, JPEG Lossless and Extended, runs in a process of its own: tries that reach it are slow and few.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cxrshift.image", "cxrshift.pacs", "pydicom"]):
    from cxrshift.errors import CodedError
    from cxrshift.image.decode import DecodeLimits, decode_radiograph
    from cxrshift.image.dicom import stored_pixels
    from cxrshift.pacs.bridge.arrivals import read_arrival

FOUND = Path(__file__).parent / "found"
SMALL = DecodeLimits(max_bytes=1 << 20, max_samples=1 << 18)
"""Else a flipped bit in Rows makes a try of seconds."""
_SECONDS_OF_A_HANG = 10
_MEBIBYTES = 4096
_LONGEST = 1 << 16


def try_everything(data: bytes) -> None:
    """Read ``data`` in every way; raises what is neither an answer nor a coded error."""
    for read in (decode_radiograph, stored_pixels):
        with suppress(CodedError):
            read(data, limits=SMALL)
    with suppress(CodedError):
        read_arrival(data, "FUZZ")


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz until the time is over or something is found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.images", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seeds", type=Path, action="append", default=[], help="folder of files to start from")
    parser.add_argument("--corpus", type=Path, help="where what is worth keeping goes; else it is forgotten")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        corpus, own = given.corpus or Path(folder) / "corpus", Path(folder) / "seeds"
        corpus.mkdir(parents=True, exist_ok=True)
        own.mkdir()
        write_seeds(own)
        command = [
            sys.argv[0],
            f"-max_total_time={given.seconds}",
            f"-timeout={_SECONDS_OF_A_HANG}",
            f"-rss_limit_mb={_MEBIBYTES}",
            f"-max_len={_LONGEST}",
            f"-artifact_prefix={FOUND}/",
            "-print_final_stats=1",
            str(corpus),
            str(own),
            *map(str, given.seeds),
        ]
        atheris.Setup(command, try_everything)
        atheris.Fuzz()


def write_seeds(folder: Path) -> None:
    """A small file of each form."""
    from tests.image.test_malformed import FILES

    for name, make in FILES.items():
        (folder / name.replace(" ", "-")).write_bytes(make())


if __name__ == "__main__":
    main()
