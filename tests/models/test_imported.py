"""Models of one's own files: the explanation is that of the original modules, and what cannot work is said in words."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import FindingSpec, Model, ModelSpec
from cxrshift.errors import ManifestError, MethodError, ModelError
from cxrshift.image.radiograph import Radiograph
from cxrshift.models.imported_autoencoders import build_reused
from cxrshift.models.imported_bridge import Bridge
from cxrshift.models.loader import load_model
from cxrshift.models.manifest import ManifestFinding, read_manifest
from cxrshift.models.own import OwnAutoencoder, OwnModel, check_folder, import_own
from cxrshift.models.releases import library
from cxrshift_api.types import ExplainOptions, Explanation
from tests.cli.toy_model import make_model_folder
from tests.models.own_networks import (
    SIDE,
    TinyClassifier,
    TinyDecoder,
    TinyEncoder,
    write_any,
    write_onnx,
    write_pt2,
    write_script,
)
from tests.models.toy import MANIFEST

FINDINGS = (ManifestFinding("Effusion"), ManifestFinding("Mass", 0.3))
PICTURES = torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


class Original(nn.Module):
    """The modules before they were exported, put together by hand."""

    findings = ("Effusion", "Mass")

    def __init__(self, score: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.encode, self.decode, self.score = TinyEncoder().eval(), TinyDecoder().eval(), score


def explain(networks: object, *, input_range: tuple[float, float] = (0.0, 1.0), size: int = SIDE) -> Explanation:
    spec = ModelSpec("m", "1", "", size, input_range, (FindingSpec("Effusion"), FindingSpec("Mass", 0.3)))
    pixels = np.random.default_rng(1).random((40, 40), np.float32)
    order = Order(Radiograph(pixels), ExplainOptions(("Mass",), frames=5))
    (outcome,) = Engine(Model(spec, networks)).explain([order]).outcomes  # type: ignore[arg-type]
    assert isinstance(outcome, tuple), outcome
    return outcome[0]


def assert_same(ours: Explanation, theirs: Explanation) -> None:
    np.testing.assert_allclose(ours.lambdas, theirs.lambdas, rtol=1e-3)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-3)
    assert np.abs(ours.frames.astype(int) - theirs.frames.astype(int)).max() <= 1
    np.testing.assert_allclose(ours.heatmap, theirs.heatmap, atol=1e-3 * float(theirs.heatmap.max()))


@cache
def network_file(role: str, suffix: str) -> Path:
    """One of the original networks, exported once."""
    network = {"encoder": TinyEncoder(), "decoder": TinyDecoder(), "classifier": TinyClassifier()}[role].eval()
    example = TinyEncoder()(PICTURES).detach() if role == "decoder" else PICTURES
    return write_any(network, example, Path(tempfile.mkdtemp()) / f"my-{role}{suffix}")


def autoencoder_files(encoder: str = ".pt2", decoder: str = ".pt2") -> OwnAutoencoder:
    return OwnAutoencoder(network_file("encoder", encoder), network_file("decoder", decoder), SIDE, (0.0, 1.0))


def import_classifier(folder: Path, classifier: Path, bridge: Bridge | None = None) -> Path:
    own = OwnModel("own", classifier, autoencoder_files(), FINDINGS, bridge or Bridge())
    return import_own(own, out=folder / "models")


@pytest.mark.parametrize(
    ("classifier", "encoder", "decoder"),
    [(".pt2", ".onnx", ".ts"), (".onnx", ".pt", ".pt2"), (".ts", ".pt2", ".onnx")],
)
def test_every_mix_of_formats_explains_as_the_original_modules(
    classifier: str, encoder: str, decoder: str, tmp_path: Path
) -> None:
    own = OwnModel("own", network_file("classifier", classifier), autoencoder_files(encoder, decoder), FINDINGS)
    folder = import_own(own, out=tmp_path / "models")
    assert_same(explain(load_model(folder).networks), explain(Original(TinyClassifier().eval())))
    assert {f.name for f in read_manifest(folder).files} == {
        f"classifier{classifier}", f"encoder{encoder}", f"decoder{decoder}"
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".pt2", ".onnx", ".pt"])
def test_the_autoencoder_of_an_installed_model_is_reused(suffix: str, tmp_path: Path) -> None:
    toy = make_model_folder(tmp_path)
    original = load_model(toy)
    classifier = original.networks.classifier  # type: ignore[attr-defined]
    example = torch.linspace(-1024, 1024, 2 * 32 * 32).reshape(2, 1, 32, 32)
    file = write_any(classifier, example, tmp_path / f"c{suffix}")
    findings = (ManifestFinding("Effusion"), ManifestFinding("Mass", 0.3))
    folder = import_own(OwnModel("own", file, toy, findings), out=tmp_path / "models")
    again = import_own(OwnModel("again", file, folder, findings), out=tmp_path / "models")
    for each in (folder, again):
        ours = explain(load_model(each).networks, input_range=(-1024.0, 1024.0), size=32)
        assert_same(ours, explain(original.networks, input_range=(-1024.0, 1024.0), size=32))
    assert read_manifest(folder).networks["autoencoder"]["kind"] == "compact"
    assert "my own" not in (folder / "README.md").read_text("utf-8")


def test_a_colour_classifier_of_logits_and_another_size_is_bridged(tmp_path: Path) -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    network = TinyClassifier(channels=3, logits=True).eval()
    file = write_onnx(network, torch.rand(2, 3, 24, 24), tmp_path / "c.onnx")
    bridge = Bridge(
        output="logit", input_range=(0.0, 255.0), mean=tuple(255 * m for m in mean), std=(255 * std[0],) * 3
    )

    def by_hand(images: Tensor) -> Tensor:
        larger = functional.interpolate(images, size=(24, 24), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
        return torch.sigmoid(network((larger - torch.tensor(mean)[:, None, None]) / std[0]))

    folder = import_classifier(tmp_path, file, bridge)
    stated = read_manifest(folder).networks["classifier"]
    assert (stated["channels"], stated["input_size"], stated["input_range"]) == (3, 24, (0.0, 255.0))
    assert_same(explain(load_model(folder).networks), explain(Original(by_hand)))


def test_classes_that_exclude_each_other_are_softmaxed_and_one_output_may_be_flat(tmp_path: Path) -> None:
    outputs = torch.tensor([[0.0, 1.0], [2.0, 2.0]])
    assert Bridge(output="softmax").probabilities(outputs)[1].tolist() == [0.5, 0.5]
    assert Bridge(output="logit").probabilities(torch.zeros(3)).shape == (3, 1)


@pytest.mark.parametrize("write", [write_pt2, write_onnx])
def test_a_network_exported_for_one_row_runs_row_by_row(write: Callable[..., Path], tmp_path: Path) -> None:
    network = TinyClassifier().eval()
    suffix = ".pt2" if write is write_pt2 else ".onnx"
    folder = import_classifier(tmp_path, write(network, PICTURES, tmp_path / f"c{suffix}", rows=1))
    networks = load_model(folder).networks
    torch.testing.assert_close(networks.score(PICTURES), network(PICTURES))
    assert_same(explain(networks), explain(Original(network)))


class OneRow(TinyClassifier):
    """Its trace has the number of rows written into it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(int(x.shape[0]), 1, SIDE, SIDE))


def test_a_trace_of_one_row_is_found_out_and_noted_in_the_manifest(tmp_path: Path) -> None:
    network = OneRow().eval()
    folder = import_classifier(tmp_path, write_script(network, PICTURES[:1], tmp_path / "c.pt"))
    assert read_manifest(folder).networks["classifier"]["batch"] == 1
    torch.testing.assert_close(load_model(folder).networks.score(PICTURES), network(PICTURES))


class Changed(nn.Module):
    """A classifier with something done to its result."""

    def __init__(self, change: Callable[[Tensor], Tensor], **options: bool) -> None:
        super().__init__()
        self.inner = TinyClassifier(**options)
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(self.inner(x))


GREY, COLOUR = PICTURES, PICTURES.expand(-1, 3, -1, -1)
WRONG: list[tuple[str, nn.Module, Tensor, str, str]] = [
    ("channels", TinyClassifier(channels=3), COLOUR, ".pt", "It runs with 3 channels: set .*channels to 3"),
    ("outputs", TinyClassifier(findings=5), GREY, ".pt2", r"returns \(N, 5\) for 2 findings; it must return \(N, 2\)"),
    ("outputs", TinyClassifier(findings=5), GREY, ".onnx", r"returns \(N, 5\) for 2 findings"),
    ("logits", Changed(lambda y: 9 * y - 3, logits=True), GREY, ".pt2", "no probabilities.*--output logit"),
    ("logits", Changed(lambda y: 9 * y - 3, logits=True), GREY, ".onnx", "no probabilities.*--output logit"),
    ("not finite", Changed(lambda y: y / 0), GREY, ".pt", "not finite"),
    ("threshold", Changed(lambda y: (y > 0.5).float()), GREY, ".pt2", "gradient of its score by the image is zero"),
    ("threshold", Changed(lambda y: (y > 0.5).float()), GREY, ".onnx", "gradient of its score by the image is zero"),
    ("detached", Changed(lambda y: y.detach()), GREY, ".pt2", "gradient of its score by the image is zero"),
    ("detached", Changed(lambda y: y.detach()), GREY, ".pt", "gradient of its score by the image is zero"),
    ("mixing", Changed(lambda y: y / y.sum()), GREY, ".pt2", "mixes the rows of a batch"),
    ("random", Changed(lambda y: y * torch.rand_like(y)), GREY, ".pt2", "something else each time"),
    ("two results", Changed(lambda y: (y, y)), GREY, ".pt2", "takes 1 tensors and returns 2"),  # type: ignore[arg-type,return-value]
    ("two results", Changed(lambda y: (y, y)), GREY, ".onnx", "takes 1 tensors and returns 2"),  # type: ignore[arg-type,return-value]
    ("two results", Changed(lambda y: (y, y)), GREY, ".pt", "must return one tensor"),  # type: ignore[arg-type,return-value]
    ("size", TinyClassifier(), PICTURES[..., :12], ".pt2", r"takes \(N, 1, 16, 12\), and is given \(N, 1, 16, 16\)"),
]


@pytest.mark.parametrize(
    ("network", "example", "suffix", "says"), [row[1:] for row in WRONG], ids=[f"{r[0]}{r[3]}" for r in WRONG]
)
def test_a_classifier_that_cannot_be_explained_is_refused_in_words(
    network: nn.Module, example: Tensor, suffix: str, says: str, tmp_path: Path
) -> None:
    file = write_any(network.eval(), example, tmp_path / f"c{suffix}")
    with pytest.raises(ModelError, match=says):
        import_classifier(tmp_path, file)
    assert list((tmp_path / "models").glob("*")) == []


def test_a_decoder_of_another_size_is_named_with_both_sizes(tmp_path: Path) -> None:
    files = autoencoder_files()
    classifier = network_file("classifier", ".pt2")
    small = nn.Sequential(TinyDecoder(), nn.AvgPool2d(2))
    decoder = write_pt2(small.eval(), TinyEncoder()(PICTURES).detach(), tmp_path / "small.pt2")
    own = OwnModel("own", classifier, OwnAutoencoder(files.encoder, decoder, None, (0.0, 1.0)), FINDINGS)
    with pytest.raises(MethodError, match=r"decoder.pt2 returns \(N, 1, 8, 8\); it must return \(N, 1, 16, 16\)"):
        import_own(own, out=tmp_path / "models")


def test_an_encoder_that_does_not_state_its_size_needs_it_said(tmp_path: Path) -> None:
    files = autoencoder_files(".pt")
    classifier = network_file("classifier", ".pt2")
    with pytest.raises(ModelError, match="does not state the size of its pictures: give --autoencoder-size"):
        import_own(OwnModel("own", classifier, OwnAutoencoder(files.encoder, files.decoder), FINDINGS), out=tmp_path)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('file = "classifier.pt2"', 'file = "other.pt2"', "networks.classifier.file must be one of files"),
        (
            'file = "classifier.pt2"',
            'file = "classifier.pt2"\nwidth = 3',
            "networks.classifier.width is not an argument",
        ),
        ('file = "classifier.pt2"', 'file = "classifier.pt2"\nbatch = 0', "batch must be a whole number from 1 to 256"),
        (
            'file = "classifier.pt2"',
            'file = "classifier.pt2"\noutput = "p"',
            "must be one of probability, logit, softmax",
        ),
        ('file = "classifier.pt2"', 'file = "classifier.pt2"\nchannels = 2', "channels must be 1 or 3"),
        ('file = "classifier.pt2"', 'file = "classifier.pt2"\ninput_range = [1, 0]', "two numbers, the lower first"),
        ('file = "classifier.pt2"', 'file = "classifier.pt2"\nmean = [1, 0]', "mean must be one number, or an array"),
        ('file = "classifier.pt2"', 'file = "classifier.pt2"\nstd = 0', "std must be above 0"),
        ("input_size = 16", "input_size = 20", r"encoder.pt2 takes \(N, 1, 16, 16\), and is given \(N, 1, 20, 20\)"),
        ("[networks.encoder]", "[networks.autoencoder]", "either encoder and decoder or autoencoder"),
        ('file = "encoder.pt2"', 'file = "decoder.pt2"', "files names encoder.pt2, which no network"),
    ],
)
def test_a_manifest_that_contradicts_its_files_is_refused(right: str, wrong: str, says: str, tmp_path: Path) -> None:
    folder = import_classifier(tmp_path, network_file("classifier", ".pt2"))
    path = folder / "manifest.toml"
    text = path.read_text("utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), "utf-8")
    with pytest.raises(ModelError, match=says):
        check_folder(folder)


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    own = OwnModel("../own", tmp_path / "c.pt2", tmp_path, FINDINGS)
    with pytest.raises(ManifestError, match="lower-case letters"):
        import_own(own, out=tmp_path)


def test_the_autoencoder_of_torchxrayvision_is_reused(tmp_path: Path) -> None:
    network = library("autoencoders").ResNetAE(None)
    network.weights = None
    manifest = replace(MANIFEST, input_size=224)
    content = safetensors.torch.save(network.state_dict())
    reused = build_reused(manifest, {"kind": "xrv", "file": "a.safetensors"}, source="a.safetensors", content=content)
    for module in (network, reused):
        module.eval()
    images = torch.linspace(-1024, 1024, 224 * 224).reshape(1, 1, 224, 224)
    with torch.no_grad():
        latents = network.encode(images, check_resolution=False)
        torch.testing.assert_close(reused.encode(images), latents)  # type: ignore[operator]
        assert reused.decode(latents).shape == images.shape  # type: ignore[operator]
    for wrong, says in (
        ({"kind": "toy"}, "kind must be one of"),
        ({"kind": "compact", "depth": 3}, "no compact autoencoder takes"),
    ):
        with pytest.raises(ManifestError, match=says):
            build_reused(manifest, wrong, source="a.safetensors", content=content)  # type: ignore[arg-type]
