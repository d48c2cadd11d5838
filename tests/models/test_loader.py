"""Loading a model folder: what the manifest says is what is loaded, or nothing is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cxrshift.core.model import FindingSpec, LatentModel, Model
from cxrshift.errors import CxrshiftError, ManifestError, MethodError, ModelError, WeightsError
from cxrshift.models.check import check_model
from cxrshift.models.loader import load_model
from cxrshift.models.manifest import Manifest, read_manifest, write_manifest
from cxrshift_api.types import FileDigest
from tests.models.toy import FILE, KINDS, MANIFEST, SIDE, Halves, toy_tensors, write_toy


def load(folder: str | Path) -> Model:
    return load_model(folder, kinds=KINDS)


def test_a_folder_becomes_the_model_that_its_manifest_describes(tmp_path: Path) -> None:
    folder = write_toy(tmp_path / "toy")
    model = load(folder)
    images = torch.rand(2, 1, SIDE, SIDE)
    expected = torch.sigmoid(images.flatten(1) @ toy_tensors()["weight"].T + toy_tensors()["bias"])
    torch.testing.assert_close(model.networks.score(images), expected)
    assert (model.spec.name, model.spec.version, model.device) == ("toy", "0.1", "cpu")
    assert model.spec.findings == (
        FindingSpec("Bright"), FindingSpec("Left", 0.25), FindingSpec("Unknown", trained=False)
    )  # fmt: skip
    assert model.spec.files == read_manifest(folder).files
    check_model(model)


def test_the_networks_are_frozen(tmp_path: Path) -> None:
    networks = load(write_toy(tmp_path / "toy")).networks
    assert isinstance(networks, nn.Module)
    assert not networks.training
    assert not any(parameter.requires_grad for parameter in networks.parameters())


def test_a_name_is_looked_up_and_a_path_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRSHIFT_MODEL_STORE", str(tmp_path))
    write_toy(tmp_path / "toy")
    write_toy(tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    assert load("toy").spec.name == "toy"
    assert load("./other").spec.name == "toy"
    with pytest.raises(ManifestError, match="its folder is called other"):
        load("other")
    with pytest.raises(ModelError, match=r"Installed are: .*other.*toy"):
        load("absent")


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    path = write_toy(tmp_path / "toy") / FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="SHA-256 differs"):
        load(tmp_path / "toy")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    (write_toy(tmp_path / "toy") / FILE).unlink()
    with pytest.raises(WeightsError, match=f"{FILE}.*cannot be read"):
        load(tmp_path / "toy")


def test_weights_in_a_format_that_can_run_code_are_not_opened(tmp_path: Path) -> None:
    folder = write_toy(tmp_path / "toy")
    write_manifest(replace(MANIFEST, files=(FileDigest("weights.pt", "0" * 64),)), folder)
    with pytest.raises(WeightsError, match=r"weights.pt must be a .safetensors file"):
        load(folder)


def test_bytes_of_the_right_digest_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    folder = write_toy(tmp_path / "toy")
    (folder / FILE).write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    write_manifest(replace(MANIFEST, files=(FileDigest(FILE, empty),)), folder)
    with pytest.raises(WeightsError, match="no valid safetensors"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bias": None}, "it lacks bias"),
        ({"gain": torch.ones(1)}, "it holds the unknown gain"),
        ({f"gain{i}": torch.ones(1) for i in range(9)}, "gain0, gain1, gain2 and 6 more"),
        ({"bias": torch.ones(4)}, r"it holds bias as float32 \(4,\), not float32 \(3,\)"),
        ({"bias": torch.ones(3).half()}, r"it holds bias as float16 \(3,\), not float32 \(3,\)"),
    ],
)
def test_tensors_that_do_not_fit_the_networks_are_refused(
    change: dict[str, Tensor | None], says: str, tmp_path: Path
) -> None:
    tensors = {name: tensor for name, tensor in (toy_tensors() | change).items() if tensor is not None}
    with pytest.raises(WeightsError, match=says):
        load(write_toy(tmp_path / "toy", tensors=tensors))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"kind": "tarot"}, ManifestError, "kind must be one that this version knows: toy"),
        ({"precision": "float16"}, ModelError, "cannot run torch in float16 on cpu; it can run: torch in float32"),
    ],
)
def test_a_manifest_that_this_version_cannot_follow_is_refused(
    change: dict[str, str], error: type[CxrshiftError], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        load(write_toy(tmp_path / "toy", replace(MANIFEST, **change)))  # type: ignore[arg-type]


def test_networks_that_score_other_findings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="do not score the findings"):
        load_model(write_toy(tmp_path / "toy"), kinds={"toy": "tests.models.stubborn"})


def test_a_device_that_is_not_there_is_a_models_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cuda:99 cannot be used"):
        load_model(write_toy(tmp_path / "toy"), device="cuda:99", kinds=KINDS)


def test_loading_another_kind_never_imports_torchxrayvision(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy")
    code = (
        "import sys, cxrshift.models.compact; from pathlib import Path; from cxrshift.models.loader import load_model;"
        f"load_model(Path({str(tmp_path / 'toy')!r}), kinds={KINDS!r});"
        "sys.exit(bool({'torchvision', 'torchxrayvision', 'pandas'} & sys.modules.keys()))"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120, cwd=root).returncode == 0


class Broken(Halves):
    """Halves with one method replaced."""

    def __init__(self, method: str) -> None:
        super().__init__(tuple(finding.name for finding in MANIFEST.findings))
        self.load_state_dict({f"classifier.{name}": tensor for name, tensor in toy_tensors().items()})
        self.method = method

    def encode(self, images: Tensor) -> Tensor:
        latents = super().encode(images)
        return latents[:1] if self.method == "encode one row" else latents

    def decode(self, latents: Tensor) -> Tensor:
        return latents if self.method == "decode small" else super().decode(latents)

    def score(self, images: Tensor) -> Tensor:
        scores = super().score(images)
        changed: dict[str, Tensor] = {
            "score columns": scores[:, :2],
            "score logits": torch.logit(scores),
            "score nan": scores * torch.nan,
            "score detached": scores.detach(),
            "score constant": scores * 0.0 + 0.5,
            "score infinite slope": torch.sqrt(scores - scores.detach()),
            "score neighbours": scores * 0.5 + scores.mean(0, keepdim=True) * 0.5,
        }
        return changed.get(self.method, scores)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("encode one row", "one latent for each image"),
        ("decode small", "images of 16 by 16 pixels"),
        ("score columns", "score must return 3 columns"),
        ("score logits", "probabilities from 0 to 1"),
        ("score nan", "probabilities from 0 to 1"),
        ("score detached", "must be differentiable"),
        ("score constant", "gradient of the scores is zero"),
        ("score infinite slope", "gradient of the scores is not finite"),
        ("score neighbours", "depends on its neighbour"),
    ],
)
def test_the_probe_refuses_networks_that_cannot_be_explained(method: str, says: str, tmp_path: Path) -> None:
    model = load(write_toy(tmp_path / "toy"))
    networks: LatentModel = Broken(method)
    with pytest.raises(MethodError, match=says):
        check_model(replace(model, networks=networks))


def test_the_probe_refuses_a_model_trained_on_nothing(tmp_path: Path) -> None:
    untrained = tuple(replace(finding, trained=False) for finding in MANIFEST.findings)
    manifest: Manifest = replace(MANIFEST, findings=untrained)
    with pytest.raises(MethodError, match="trained on no finding"):
        check_model(load(write_toy(tmp_path / "toy", manifest)))
