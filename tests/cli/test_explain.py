"""``cxrshift explain`` and ``classify`` against a real server and a toy model."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from typer.testing import CliRunner, Result

from cxrshift.cli.app import app
from cxrshift.cli.files import name_folders, name_of_finding
from cxrshift_api.json_codec import explain_reply_from_json
from cxrshift_api.types import ExplainRequest, Problem, ProblemCode
from tests.cli.toy_model import make_model_folder
from tests.client.service import Answer, Request, Service, plain_answer, serve_grpc
from tests.pacs.sources import COMPLETE, source_file

PICTURES = ["curve.png", "explanation.json", "frames.gif", "frames.webp", "overlay.png"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def service() -> Iterator[Service]:
    with serve_grpc(Service()) as running:
        yield running


@pytest.fixture
def chest(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(5).integers(0, 255, (40, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "chest.png")
    return tmp_path / "chest.png"


def test_each_finding_gets_a_folder_of_pictures_and_a_line(service: Service, chest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("explain", chest, "-f", "Cardiomegaly", "-f", "Mass", "--out", out, "--server", service.address)
    assert (done.exit_code, done.stderr) == (0, "")
    first, warning, second, _ = done.stdout.splitlines()
    assert warning == "  The score moves little above λ = 0."
    assert first.startswith(
        f"{chest}  Cardiomegaly 0.81  λ −0.5 … +20  drop 0.63  rise 0.22  → {out}/chest/Cardiomegaly"
    )
    assert second.startswith(f"{chest}  Mass")
    for finding in ("Cardiomegaly", "Mass"):
        folder = out / "chest" / finding
        assert sorted(path.name for path in folder.iterdir()) == PICTURES
        reply = explain_reply_from_json(json.loads((folder / "explanation.json").read_bytes()))
        assert [e.finding for e in reply.explanations] == [finding]
        assert (folder / "frames.gif").read_bytes()[:6] == b"GIF89a"


def test_every_option_reaches_the_service(service: Service, chest: Path, tmp_path: Path) -> None:
    options = ["--profile", "fixed", "--frames", "5", "--lambda-min", "-2", "--lambda-max", "3", "--heatmap", "mean"]
    options += ["--saliency", "input-gradient", "--saliency", "guided-backpropagation"]
    done = run("explain", chest, "-f", "Mass", *options, "-m", "xrv", "-o", tmp_path, "--server", service.address)
    assert done.exit_code == 0
    _, request = service.seen
    assert isinstance(request, ExplainRequest)
    sent = request.options
    assert (sent.profile, sent.frames, sent.lambda_min, sent.lambda_max) == ("fixed", 5, -2.0, 3.0)
    assert sent.saliency == ("input-gradient", "guided-backpropagation")
    assert (sent.findings, sent.heatmap, request.model, request.image) == (("Mass",), "mean", "xrv", chest.read_bytes())


def test_each_map_asked_for_has_a_picture_and_all_stand_on_a_sheet(chest: Path, tmp_path: Path) -> None:
    model, out = make_model_folder(tmp_path / "models"), tmp_path / "out"
    fixed = ["--profile", "fixed", "--lambda-min", "-1", "--frames", "3"]
    maps = ["--saliency", "integrated-gradients", "--saliency", "input-gradient"]
    done = run("explain", chest, "--local", "-m", model, "-f", "Mass", *fixed, *maps, "-o", out)
    assert (done.exit_code, done.stderr) == (0, "")
    folder = out / "chest/Mass"
    added = ["input-gradient.png", "integrated-gradients.png", "sheet.png"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*PICTURES, *added])
    [explanation] = explain_reply_from_json(json.loads((folder / "explanation.json").read_bytes())).explanations
    assert [each.kind for each in explanation.saliency] == ["integrated-gradients", "input-gradient"]
    with Image.open(folder / "input-gradient.png") as drawn, Image.open(folder / "overlay.png") as overlay:
        assert drawn.size == overlay.size


def test_a_map_that_is_not_known_is_a_usage_error(chest: Path) -> None:
    done = run("explain", chest, "--saliency", "grad-cam")
    assert done.exit_code == 2
    assert "guided-backpropagation" in done.stderr


def test_json_is_one_object_for_each_file(service: Service, chest: Path, tmp_path: Path) -> None:
    done = run(
        "explain",
        chest,
        tmp_path / "gone.png",
        "-o",
        tmp_path / "out",
        "--npz",
        "--mp4",
        "--json",
        "--server",
        service.address,
    )
    assert done.exit_code == 1
    good, bad = map(json.loads, done.stdout.splitlines())
    [summary] = good["explanations"]
    assert (good["position"], good["file"], summary["finding"]) == (1, str(chest), "Cardiomegaly")
    assert (summary["stop_below"], summary["lambda_min"]) == ("floor", -0.5)
    assert (Path(summary["folder"]) / "explanation.npz").is_file()
    assert (Path(summary["folder"]) / "frames.mp4").read_bytes()[4:8] == b"ftyp"
    assert bad["problem"] == {"code": "INVALID_REQUEST", "message": f"{tmp_path}/gone.png: No such file or directory"}


def test_a_bad_file_gets_its_own_line_and_the_others_go_on(service: Service, chest: Path, tmp_path: Path) -> None:
    def answer(request: Request) -> Answer:
        if isinstance(request, ExplainRequest) and request.image == b"text":
            return Problem(ProblemCode.INVALID_IMAGE, "Send a radiograph.")
        return plain_answer(request)

    service.answer = answer
    (tmp_path / "notes.txt").write_bytes(b"text")
    files = [tmp_path / "notes.txt", chest, tmp_path / "gone.png"]
    done = run("explain", *files, "-o", tmp_path / "out", "--server", service.address)
    assert done.exit_code == 1
    assert done.stdout.count("Cardiomegaly") == 2  # the finding and its folder
    first, second = done.stderr.splitlines()
    assert first == f"file 1 of 3, {tmp_path}/notes.txt: INVALID_IMAGE: Send a radiograph."
    assert second.startswith(f"file 3 of 3, {tmp_path}/gone.png: INVALID_REQUEST: {tmp_path}/gone.png: No such file")


def test_a_folder_stands_for_the_radiographs_in_it(service: Service, chest: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"text")
    done = run("explain", tmp_path, chest, "-o", tmp_path / "out", "--server", service.address)
    assert done.exit_code == 0
    assert done.stdout.count("Cardiomegaly") == 2
    assert done.stderr == "passed over, as no radiographs: 1 in all\n"
    (tmp_path / "empty").mkdir()
    none = run("explain", tmp_path / "empty", "--server", service.address)
    assert none.exit_code == 2
    assert "the folder is empty; name one with DICOM, PNG, JPEG or NPY files." in none.stderr


def test_several_files_are_under_way_at_once_and_told_in_order(service: Service, chest: Path, tmp_path: Path) -> None:
    together = threading.Barrier(3, timeout=10)

    def answer(request: Request) -> Answer:
        if isinstance(request, ExplainRequest):
            together.wait()
        return plain_answer(request)

    service.answer = answer
    files = [tmp_path / f"{name}.png" for name in "cab"]
    for file in files:
        file.write_bytes(chest.read_bytes())
    done = run("explain", *files, "-o", tmp_path, "--in-flight", "3", "--server", service.address)
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == [str(file) for file in files]


def test_where_no_service_answers_the_code_is_3_and_one_line_says_what_to_do(chest: Path, tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        done = run("explain", chest, chest, chest, "-o", tmp_path, "--server", address, "--timeout", "0.2")
    assert done.exit_code == 3
    assert done.stderr.splitlines() == [
        f"No service answers at {address}. Check the address, and that the service is running. "
        "To work without a service, add --local."
    ]


def test_a_full_service_is_asked_again_until_it_has_room(service: Service, chest: Path) -> None:
    refused = iter([True] * 4)

    def answer(request: Request) -> Answer:
        if next(refused, False):
            return Problem(ProblemCode.OVERLOADED, "Later.", 0.01)
        return plain_answer(request)

    service.answer = answer
    assert run("classify", chest, "--server", service.address).exit_code == 0
    assert len(service.seen) == 5


def test_an_address_of_another_form_is_a_usage_error(chest: Path) -> None:
    done = run("classify", chest, "--server", "example.org")
    assert done.exit_code == 2
    assert "grpc://host:8001" in done.stderr


def test_output_that_cannot_be_written_names_its_own_path(service: Service, chest: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    done = run("explain", chest, "-o", tmp_path / "out", "--server", service.address)
    assert done.exit_code == 1
    assert done.stderr == f"{tmp_path}/out: File exists. A folder is needed there; name another.\n"
    told = json.loads(run("explain", chest, "-o", tmp_path / "out", "--server", service.address, "--json").stdout)
    assert (told["problem"]["code"], told["problem"]["exit_code"]) == ("FILE", 1)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (("--lambda-min", "-8"), "go with --profile fixed"),
        (("--profile", "fixed"), "needs --lambda-min below 0"),
        (("--profile", "latentshift", "--target-change", "0.3"), "go with --profile two-sided"),
        (("--frames", "1"), "'--frames'"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_asked(
    service: Service, chest: Path, options: tuple[str, ...], remedy: str
) -> None:
    done = run("explain", chest, *options, "--server", service.address, "--json")
    problem = json.loads(done.stdout)["problem"]
    assert (done.exit_code, problem["code"], service.seen) == (2, "USAGE", [])
    assert remedy in problem["message"]


def test_scores_are_told_highest_first(service: Service, chest: Path) -> None:
    done = run("classify", chest, "--server", service.address)
    assert (done.exit_code, done.stdout) == (0, f"{chest}   Mass 0.25\n")
    told = json.loads(run("classify", chest, "--server", service.address, "--json").stdout)
    assert told["scores"] == [{"finding": "Mass", "score": 0.25, "operating_point": 0.4, "trained": True}]


def test_local_explains_and_classifies_without_a_service(chest: Path, tmp_path: Path) -> None:
    model = make_model_folder(tmp_path / "models")
    out = tmp_path / "out"
    (tmp_path / "notes.txt").write_bytes(b"no image")
    files = [chest, tmp_path / "notes.txt"]
    fixed = ["--profile", "fixed", "--lambda-min", "-1", "--lambda-max", "1", "--frames", "3"]
    done = run("explain", *files, "--local", "-m", model, "-f", "Mass", *fixed, "-o", out)
    assert done.exit_code == 1
    assert sorted(path.name for path in (out / "chest/Mass").iterdir()) == PICTURES
    assert "file 2 of 2" in done.stderr
    assert "INVALID_IMAGE: The bytes are no image that can be read; send a DICOM, PNG, JPEG or NPY file." in done.stderr
    scores = run("classify", *files, "--local", "-m", model)
    assert scores.exit_code == 1
    assert "Effusion 0." in scores.stdout
    unknown = run("explain", *files, "--local", "-m", model, "-f", "Gout", "-o", out)
    assert unknown.exit_code == 2  # no file can mend it: it is told once
    told = "UNKNOWN_FINDING: The model toy does not know that finding; it knows Effusion, Mass. Asked for: Gout.\n"
    assert unknown.stderr == told


def test_a_model_that_is_not_installed_is_a_usage_error_that_lists_those_that_are(chest: Path) -> None:
    done = run("explain", chest, "--local", "-m", "no-such-model")
    assert done.exit_code == 2
    assert "Installed are:" in done.stderr


def test_equal_names_get_numbers_and_only_known_endings_are_cut() -> None:
    files = [Path(name) for name in ("a/x.png", "b/X.dcm", "1.2.840.10008", "c/x.png", "a/x.png", "notes.txt", ".png")]
    assert name_folders(files) == ("x", "X-2", "1.2.840.10008", "x-3", "x-4", "notes.txt", ".png")


def test_a_file_cannot_lead_out_of_the_output_folder() -> None:
    assert name_folders([Path("...png"), Path("..png")]) == ("radiograph", "radiograph-2")


def test_a_finding_cannot_lead_out_of_the_output_folder() -> None:
    assert name_of_finding("../../etc") == "_etc"
    assert name_of_finding("Lung Opacity") == "Lung_Opacity"
    assert name_of_finding("") == "finding"


def test_dicom_objects_stand_in_a_folder_of_their_own(service: Service, tmp_path: Path) -> None:
    (tmp_path / "chest.dcm").write_bytes(source_file())
    objects = tmp_path / "objects"
    where: list[str | Path] = ["-o", tmp_path / "out", "--server", service.address]
    done = run("explain", tmp_path / "chest.dcm", "-f", "Cardiomegaly", "-f", "Mass", "--dicom", objects, *where)
    assert (done.exit_code, done.stderr) == (0, "")
    for finding in ("Cardiomegaly", "Mass"):
        folder = objects / "chest" / finding
        assert sorted(path.name for path in folder.iterdir()) == ["overlay.dcm", "report.dcm", "stack.dcm"]
        assert {dcmread(path).StudyInstanceUID for path in folder.iterdir()} == {COMPLETE["StudyInstanceUID"]}
        assert sorted(path.name for path in (tmp_path / "out/chest" / finding).iterdir()) == PICTURES
    done = run("explain", tmp_path / "chest.dcm", "-f", "Mass", "--dicom", objects, "--segmentation", *where)
    assert done.exit_code == 0
    assert dcmread(objects / "chest/Mass/segmentation.dcm").Modality == "SEG"


def test_a_picture_has_no_dicom_objects_and_the_other_files_have_theirs(
    service: Service, chest: Path, tmp_path: Path
) -> None:
    (tmp_path / "good.dcm").write_bytes(source_file())
    where: list[str | Path] = ["--dicom", tmp_path / "objects", "-o", tmp_path / "out", "--server", service.address]
    done = run("explain", chest, tmp_path / "good.dcm", "-f", "Mass", *where)
    assert done.exit_code == 1
    assert "UNSUPPORTED_IMAGE: DICOM results are made for a DICOM radiograph alone" in done.stderr
    assert [path.name for path in (tmp_path / "objects").iterdir()] == ["good"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good"]
