"""torchxrayvision's models, from files in the form in which they are released to explanations.

The networks have random weights. The oracle is the library itself, which reads the very same files from its cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import FindingSpec, Model
from cxrshift.errors import ManifestError, ModelError, WeightsError
from cxrshift.image.radiograph import Radiograph
from cxrshift.models import imports, xrv
from cxrshift.models.download import download
from cxrshift.models.loader import load_model
from cxrshift.models.manifest import Manifest, read_manifest
from cxrshift.models.releases import Release, find_release, library, release_names
from cxrshift.models.weights import Weights, read_weights
from cxrshift_api.types import ExplainOptions, Explanation, Problem, ProblemCode, Profile

DENSENET = "xrv-densenet121-res224-nih"
RESNET = "xrv-resnet50-res512-all"
UNTRAINED = ("Lung Lesion", "Fracture", "Lung Opacity", "Enlarged Cardiomediastinum")


@dataclass(frozen=True)
class Released:
    """Files as the library would have fetched them, and the model folder made of them."""

    release: Release
    classifier: Path
    autoencoder: Path
    folder: Path


def with_scores_around_the_operating_points(linear: nn.Linear, release: Release) -> None:
    """Biases that put the probabilities on both sides of the thresholds, so that both branches are taken."""
    thresholds = torch.tensor(release.thresholds).nan_to_num(0.5)
    with torch.no_grad():
        linear.bias.copy_(torch.logit(thresholds) + torch.linspace(-1.0, 1.0, len(thresholds)))
        linear.weight.mul_(0.05)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of the library: a whole DenseNet as torch pickled it in 2020, and two state_dicts."""
    folder = tmp_path_factory.mktemp("released")
    torch.manual_seed(7)
    densenet, resnet = find_release(DENSENET), find_release(RESNET)
    classifier = library("models").DenseNet(num_classes=18)
    with_scores_around_the_operating_points(classifier.classifier, densenet)
    torch.save(classifier, folder / file_of(densenet.classifier_url), _use_new_zipfile_serialization=False)
    small = library("models").torchvision.models.resnet50(num_classes=18, weights=None)
    small.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    with_scores_around_the_operating_points(small.fc, resnet)
    torch.save(small.state_dict(), folder / file_of(resnet.classifier_url))
    torch.save(library("autoencoders").ResNetAE(None).state_dict(), folder / file_of(densenet.autoencoder_url))
    return folder


@pytest.fixture(scope="module")
def released(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Released:
    release = find_release(DENSENET)
    classifier, autoencoder = files / file_of(release.classifier_url), files / file_of(release.autoencoder_url)
    out = tmp_path_factory.mktemp("models")
    return Released(
        release, classifier, autoencoder,
        imports.import_xrv(DENSENET, classifier=classifier, autoencoder=autoencoder, out=out),
    )  # fmt: skip


@pytest.fixture(scope="module")
def model(released: Released) -> Model:
    return load_model(released.folder)


def file_of(url: str) -> str:
    return url.rpartition("/")[2]


def images(rows: int = 2) -> Tensor:
    return torch.rand(rows, 1, 224, 224, generator=torch.Generator().manual_seed(1)) * 2048 - 1024


def test_scores_are_the_librarys_own(model: Model, files: Path) -> None:
    theirs = library("models").DenseNet(weights="densenet121-res224-nih", cache_dir=str(files))
    x = images()
    with torch.no_grad():
        expected = theirs(x)
    scores = model.networks.score(x)
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-6)
    assert (scores[:, :14] < 0.5).any()
    assert (scores[:, :14] > 0.5).any()


def test_pictures_are_the_librarys_own(model: Model, files: Path) -> None:
    theirs = library("autoencoders").ResNetAE(weights="101-elastic", cache_dir=str(files))
    x = images(1)
    with torch.no_grad():
        latents = theirs.encode(x)
        assert latents.shape == (1, 512, 3, 3)
        torch.testing.assert_close(model.networks.encode(x), latents, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model.networks.decode(latents), theirs.decode(latents), rtol=1e-5, atol=1e-6)


def test_calibration_is_op_norm_bit_by_bit_with_a_finite_gradient() -> None:
    thresholds = torch.tensor([0.07422872, 0.5, float("nan"), 0.9878492])
    probabilities = torch.linspace(0.0, 1.0, 1001)[:, None].repeat(1, 4)
    probabilities[500] = thresholds.nan_to_num(0.3)
    ours, theirs = probabilities.clone().requires_grad_(), probabilities.clone().requires_grad_()
    scores, expected = xrv.calibrate(ours, thresholds), library("models").op_norm(theirs, thresholds)
    assert torch.equal(scores, expected)
    (slopes,) = torch.autograd.grad(scores.sum(), ours)
    (wanted,) = torch.autograd.grad(expected.sum(), theirs)
    torch.testing.assert_close(slopes, wanted)
    assert not slopes[:, 2].any()


def test_untrained_outputs_get_their_columns_name_and_are_refused(model: Model) -> None:
    assert tuple(f.name for f in model.spec.findings if not f.trained) == UNTRAINED
    assert model.spec.findings[0] == FindingSpec("Atelectasis", 0.5, trained=True)
    reply = Engine(model).explain([Order(radiograph(), ExplainOptions(("Fracture",)))])
    (problem,) = reply.outcomes
    assert isinstance(problem, Problem)
    assert problem.code is ProblemCode.UNTRAINED_FINDING


def radiograph() -> Radiograph:
    return Radiograph(np.random.default_rng(3).random((240, 230), dtype=np.float32))


def explain(model: Model, reach: float) -> Explanation:
    options = ExplainOptions(("Effusion",), profile=Profile.FIXED, frames=3, lambda_min=-reach, lambda_max=reach)
    (outcome,) = Engine(model).explain([Order(radiograph(), options)]).outcomes
    assert isinstance(outcome, tuple)
    return outcome[0]


def test_an_imported_model_explains(model: Model, released: Released) -> None:
    norm = explain(model, 1.0).quality.gradient_norm
    explanation = explain(model, 1e-4 / norm**2)  # to first order a change of the score by 1e-4 to either side
    assert np.diff(explanation.score_curve) == pytest.approx([1e-4, 1e-4], rel=0.2)
    assert explanation.receipt.files == read_manifest(released.folder).files


def test_no_activation_overwrites_its_input(model: Model) -> None:
    assert isinstance(model.networks, nn.Module)
    activations = [module for module in model.networks.modules() if isinstance(module, nn.ReLU)]
    assert len(activations) > 100
    assert not any(module.inplace for module in activations)
    assert "ResNetAE" in repr(model.networks)


def test_a_classifier_of_another_size_sees_enlarged_images(files: Path, released: Released, tmp_path: Path) -> None:
    classifier = files / file_of(find_release(RESNET).classifier_url)
    folder = imports.import_xrv(RESNET, classifier=classifier, autoencoder=released.autoencoder, out=tmp_path)
    theirs = library("models").ResNet(weights="resnet50-res512-all", cache_dir=str(files))
    x = images(1)
    with torch.no_grad():
        expected = theirs(x)
        scores = load_model(folder).networks.score(x)
    torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-6)
    assert "trained at 512 pixels" in (folder / "README.md").read_text("utf-8")
    assert [f.name for f in read_manifest(folder).findings if not f.trained] == [
        "Lung Lesion",
        "Enlarged Cardiomediastinum",
    ]


def test_every_release_is_listed_with_different_findings_and_an_operating_point_for_each() -> None:
    names = release_names()
    assert len(names) == 8
    for name in names:
        release = find_release(name)
        assert len({finding.name for finding in release.findings}) == len(release.thresholds) == 18
        assert release.classifier_url.endswith(".pt")
    with pytest.raises(ModelError, match="it has xrv-densenet121-res224-all, "):
        find_release("densenet121-res224-all")


def test_what_is_not_installed_is_named_with_the_way_to_install_it() -> None:
    with pytest.raises(ModelError, match=r"install cxrshift\[xrv\]"):
        library("absent")


def test_the_card_says_what_the_model_is_of(released: Released) -> None:
    card = (released.folder / "README.md").read_text("utf-8")
    assert f"refused: {', '.join(UNTRAINED)}." in card
    assert released.classifier.name in card
    assert "Not for diagnosis" in card
    assert sorted(path.name for path in released.folder.iterdir()) == [
        "README.md",
        "autoencoder.safetensors",
        "classifier.safetensors",
        "manifest.toml",
    ]


@pytest.fixture(scope="module")
def parts(released: Released) -> tuple[Manifest, Weights]:
    manifest = read_manifest(released.folder)
    return manifest, read_weights(released.folder, manifest)


def changed(weights: Weights, **tensors: Tensor | None) -> Weights:
    """The weights with other tensors in the classifier's file; None takes one away."""
    own = {name: t for name, t in (dict(weights[xrv.CLASSIFIER_FILE]) | tensors).items() if t is not None}
    return MappingProxyType({**weights, xrv.CLASSIFIER_FILE: own})


NAN = float("nan")


@pytest.mark.parametrize(
    ("thresholds", "says"),
    [
        (None, "must hold op_threshs, 18 numbers"),
        (torch.full((17,), 0.5), "must hold op_threshs, 18 numbers"),
        (torch.full((18,), 0.5, dtype=torch.float64), "must hold op_threshs, 18 numbers"),
        (torch.full((18,), 0.5), "must be NaN exactly where the manifest says untrained"),
        (torch.tensor([0.5] * 13 + [1.0] + [NAN] * 4), "must lie between 0 and 1"),
        (torch.tensor([0.0] * 14 + [NAN] * 4), "must lie between 0 and 1"),
    ],
)
def test_operating_points_that_cannot_be_meant_are_refused(
    thresholds: Tensor | None, says: str, parts: tuple[Manifest, Weights]
) -> None:
    manifest, weights = parts
    with pytest.raises(WeightsError, match=says):
        xrv.build(manifest, changed(weights, op_threshs=thresholds))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"networks": {}}, "networks.classifier.architecture must be one of densenet121, resnet50"),
        ({"networks": {"classifier": {"architecture": "vgg"}}}, "networks.classifier.architecture must be one of"),
        ({"networks": {"classifier": {"architecture": "densenet121"}}}, "networks.classifier.input_size must be"),
    ],
)
def test_a_manifest_that_does_not_describe_the_networks_is_refused(
    change: dict[str, object], says: str, parts: tuple[Manifest, Weights]
) -> None:
    manifest, weights = parts
    with pytest.raises(ManifestError, match=says):
        xrv.build(replace(manifest, **change), weights)  # type: ignore[arg-type]


def test_a_manifest_that_lacks_a_file_is_refused(parts: tuple[Manifest, Weights]) -> None:
    manifest, weights = parts
    with pytest.raises(ManifestError, match=r"files must name autoencoder\.safetensors"):
        xrv.build(manifest, {xrv.CLASSIFIER_FILE: weights[xrv.CLASSIFIER_FILE]})


def test_files_given_the_wrong_way_round_leave_nothing_behind(released: Released, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not fit the network"):
        imports.import_xrv(
            DENSENET, classifier=released.autoencoder, autoencoder=released.classifier, out=tmp_path / "out"
        )
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_is_no_model_is_not_replaced(released: Released, tmp_path: Path) -> None:
    kept = tmp_path / DENSENET / "letter.txt"
    kept.parent.mkdir()
    kept.touch()
    with pytest.raises(ModelError, match="is no model folder"):
        imports.import_xrv(DENSENET, classifier=released.classifier, autoencoder=released.autoencoder, out=tmp_path)
    assert kept.exists()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of an HTTP server of a folder's files."""
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files; ``/moved/`` redirects, ``/short`` announces more than it sends, ``/endless`` announces nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
        elif self.path in ("/short", "/endless"):
            self.send_response(200)
            if self.path == "/short":
                self.send_header("Content-Length", "9999")
            self.end_headers()
            self.wfile.write(b"x" * 5000)
        else:
            super().do_GET()


def test_a_model_is_pulled_with_progress_and_replaces_the_one_that_was_there(
    released: Released, tmp_path: Path
) -> None:
    old = tmp_path / DENSENET
    old.mkdir()
    (old / "manifest.toml").touch()
    seen: list[tuple[str, int, int | None]] = []
    with served(released.classifier.parent) as address:
        release = replace(
            released.release,
            classifier_url=f"{address}/moved/{released.classifier.name}",
            autoencoder_url=f"{address}/{released.autoencoder.name}",
        )
        folder = imports.pull_release(release, out=tmp_path, progress=lambda *step: seen.append(step))
    assert folder == old
    assert read_manifest(folder) == read_manifest(released.folder)
    assert [path.name for path in tmp_path.iterdir()] == [DENSENET]
    for name, file in (("classifier.pt", released.classifier), ("autoencoder.pt", released.autoencoder)):
        size = file.stat().st_size
        assert [step for step in seen if step[0] == name][-1] == (name, size, size)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("absent.pt", "answered with status 404"),
        ("short", "could not be fetched"),
        ("endless", "is over 4096 bytes"),
        ("large", "is over 4096 bytes"),
    ],
)
def test_a_download_that_goes_wrong_is_said_and_leaves_nothing(path: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 5000)
    limit = 4096 if path != "short" else 1 << 20
    with served(tmp_path) as address, pytest.raises(ModelError, match=says):
        download(f"{address}/{path}", tmp_path / "target", limit=limit)
    assert not (tmp_path / "target").exists()


def test_without_a_network_the_way_by_files_is_shown(released: Released, tmp_path: Path) -> None:
    with served(tmp_path) as address:
        pass  # nothing listens there any more
    release = replace(released.release, classifier_url=f"{address}/a.pt")
    with pytest.raises(ModelError, match="cxrshift models import NAME --classifier FILE --autoencoder FILE"):
        imports.pull_release(release, out=tmp_path)
