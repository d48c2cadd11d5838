"""Imported classifiers through the running stack: the explanation is that of the module they were exported from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cxrshift.models.loader import load_model
from cxrshift.models.manifest import read_manifest
from cxrshift.models.own import OwnModel, import_own
from cxrshift.serving.stack import Stack, StackConfig
from cxrshift_api import codec
from cxrshift_api.explain_pb2_grpc import ExplainerStub
from cxrshift_api.types import ExplainOptions, ExplainRequest, Explanation
from tests.models.own_networks import write_onnx, write_pt2
from tests.stack.stack_calls import SECONDS, open_channel, phantom_file, stub_for

CLOSE = 1e-3
SUFFIXES = ("onnx", "pt2")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, phantom_folder: Path) -> dict[str, Path]:
    """The embedded model's classifier as an ONNX and as a torch.export file, each imported with its autoencoder."""
    place = tmp_path_factory.mktemp("imported")
    classifier = load_model(phantom_folder).networks.classifier  # type: ignore[attr-defined]
    size = read_manifest(phantom_folder).input_size
    images = torch.linspace(-1024, 1024, 2 * size * size).reshape(2, 1, size, size)
    findings = read_manifest(phantom_folder).findings
    write_onnx(classifier, images, place / "classifier.onnx")
    write_pt2(classifier, images, place / "classifier.pt2")
    return {
        suffix: import_own(
            OwnModel(f"own-{suffix}", place / f"classifier.{suffix}", phantom_folder, findings), out=place / "models"
        )
        for suffix in SUFFIXES
    }


@pytest.fixture(scope="module")
def imported_explainer(folders: dict[str, Path], phantom_folder: Path) -> Iterator[ExplainerStub]:
    """A stack that serves the embedded model and the two imported ones."""
    with (
        Stack(StackConfig(models=(phantom_folder, *folders.values()))) as stack,
        open_channel(stack.grpc_target) as open_,
    ):
        yield stub_for(open_)


def explain(explainer: ExplainerStub, model: str) -> tuple[Explanation, tuple[bytes, ...]]:
    """The explanation of one finding on one phantom, and every explanation's bytes."""
    asked = ExplainRequest(phantom_file(3, ["Effusion"]), model=model, options=ExplainOptions(("Effusion",), frames=7))
    reply = explainer.Explain(codec.encode_explain_request(asked), timeout=SECONDS)
    return codec.decode_explain_reply(reply).explanations[0], tuple(map(codec.to_bytes, reply.explanations))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_imported_classifier_explains_as_the_module_it_was_exported_from(
    suffix: str, imported_explainer: ExplainerStub, folders: dict[str, Path]
) -> None:
    """λ relative to itself, scores as they are, frames as a share of the pixels' range (they come as uint8, so one
    step is 4e-3: no pixel may be off by more than one, and their mean by no more than 1e-3), the heatmap relative to
    its largest value."""
    ours, first = explain(imported_explainer, f"own-{suffix}")
    _, second = explain(imported_explainer, f"own-{suffix}")
    theirs, _ = explain(imported_explainer, "phantom")
    assert first == second
    np.testing.assert_allclose(ours.lambdas, theirs.lambdas, rtol=CLOSE)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=CLOSE)
    np.testing.assert_allclose(ours.radiograph_scores, theirs.radiograph_scores, atol=CLOSE)
    steps = np.abs(ours.frames.astype(int) - theirs.frames.astype(int))
    assert steps.max() <= 1
    assert steps.mean() / 255 <= CLOSE
    np.testing.assert_allclose(ours.heatmap, theirs.heatmap, atol=CLOSE * float(theirs.heatmap.max()))
    assert (ours.below.stop, ours.above.stop) == (theirs.below.stop, theirs.above.stop)
    assert ours.receipt.model == f"own-{suffix}"
    assert ours.receipt.files == read_manifest(folders[suffix]).files
    spread = float(np.ptp(theirs.scores[:, list(theirs.findings).index("Effusion")]))
    assert spread > 0.1, "an explanation that moves nothing would prove nothing"
