"""Real radiographs and real DICOM files, good, foreign and broken, through the running stack."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cxrshift.errors import CodedError
from cxrshift.image.decode import decode_radiograph
from cxrshift.serving.stack import Stack
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from tests.stack.stack_calls import Outcome, explain_alone, explain_together, phantom_file, request

CALLERS_FAULT = {"INVALID_IMAGE", "UNSUPPORTED_IMAGE", "TOO_LARGE"}


@pytest.fixture(autouse=True)
def _no_worker_dies(stack: Stack) -> Iterator[None]:
    before = stack.worker_pids()
    yield
    assert stack.worker_pids() == before


def send_with_neighbour(explainer: ExplainerStub, files: Sequence[Path]) -> list[Outcome]:
    """Send files seven at a time beside a good radiograph, whose answer must stay what it is alone."""
    good = request(phantom_file(1))
    expected = explain_alone(explainer, good)
    assert expected.explanations
    outcomes: list[Outcome] = []
    for start in range(0, len(files), 7):
        some = files[start : start + 7]
        *theirs, neighbour = explain_together(explainer, [*(request(f.read_bytes()) for f in some), good])
        assert neighbour == expected, [f.name for f in some]
        outcomes.extend(theirs)
    return outcomes


def expected_code(file: Path) -> str:
    """What the decoder itself says of the file; its own tests say whether that is right."""
    try:
        decode_radiograph(file.read_bytes())
    except CodedError as error:
        return error.code.value
    return ""


@pytest.mark.timeout(180)
def test_every_original_file_is_explained(explainer: ExplainerStub, shared_data: Path) -> None:
    files = sorted(f for f in (shared_data / "cxr_original").iterdir() if f.suffix != ".csv")
    assert len(files) == 60
    outcomes = send_with_neighbour(explainer, files)
    assert {f.name: o.code for f, o in zip(files, outcomes, strict=True) if o.code} == {}


@pytest.mark.timeout(180)
def test_two_hundred_radiographs_are_explained(explainer: ExplainerStub, shared_data: Path) -> None:
    files = sorted((shared_data / "cxr").glob("*.jpg"))[::15][:200]
    assert len(files) == 200
    outcomes = send_with_neighbour(explainer, files)
    assert {f.name: o.code for f, o in zip(files, outcomes, strict=True) if o.code} == {}


@pytest.mark.timeout(180)
def test_every_dicom_file_is_explained_or_refused_for_its_own_reason(
    explainer: ExplainerStub, shared_data: Path
) -> None:
    with (shared_data / "dicom/dicoms.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    files = [shared_data / "dicom" / row["file"] for row in rows]
    outcomes = send_with_neighbour(explainer, files)
    for row, file, outcome in zip(rows, files, outcomes, strict=True):
        assert outcome.code in {"", *CALLERS_FAULT}, (file.name, outcome.code)
        constant = file.name == "derived__constant_12bit.dcm"
        assert constant or outcome.code == expected_code(file), (file.name, outcome.code)
        if row["valid_image"] == "no":
            assert outcome.code, file.name
        elif row["category"] == "radiograph" and row["modality"] in ("CR", "DX") and row["frames"] in ("", "1"):
            assert not outcome.code, (file.name, outcome.code)
