"""Reading files of the three formats: exactly what they compute, and nothing that a file asks to be run."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from cxrshift.errors import WeightsError
from cxrshift.models.imported_formats import read_network
from cxrshift.models.imported_network import Network
from tests.models.own_networks import TinyClassifier, write_onnx, write_pt2, write_script

PICTURES = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))


class Assorted(nn.Module):
    """Buffers that are saved and not, constants, sizes, lists, dtypes, devices, slices, in-place steps."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(16, 4)
        self.norm = nn.BatchNorm1d(4)
        self.register_buffer("offset", torch.arange(4.0), persistent=False)
        self.constant = torch.tensor([1.0, 2.0, 3.0, 4.0])

    def forward(self, x: Tensor) -> Tensor:
        best, place = x.flatten(1).max(1)
        y = self.norm(self.line(x.mean((1, 2)))).relu_() + self.offset + self.constant + torch.tensor(3.0)
        y = y.reshape(x.shape[0] * 2, -1).reshape(x.shape[0], -1)
        first, second = y.chunk(2, 1)
        y = torch.cat([second, first[:, 1:], first[:, -1:]], 1) + torch.zeros(x.shape[0], 4, device=x.device)
        return y + best[:, None] + place[:, None].to(torch.float32) * 1e-3 + x[:, 0, 1::3, 2][:, :4]


def read(path: Path) -> Network:
    network = read_network(path.name, path.read_bytes())
    network.module.eval()
    return network


def assert_computes(network: Network, original: nn.Module, *, exactly: bool) -> None:
    """The same values and the same gradient, for three rows and for one."""
    for rows in (PICTURES, PICTURES[:1]):
        leaf = rows.clone().requires_grad_(True)
        ours, theirs = network.module(leaf), original(leaf)
        gradients = [torch.autograd.grad(y.square().sum(), leaf)[0] for y in (ours, theirs)]
        tolerance = 0.0 if exactly else 1e-5
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(*gradients, rtol=tolerance, atol=tolerance)


def test_a_program_of_torch_export_computes_bit_by_bit_what_the_module_does(tmp_path: Path) -> None:
    original = Assorted().eval()
    network = read(write_pt2(original, PICTURES, tmp_path / "c.pt2"))
    assert network.takes == (None, 1, 16, 16)
    assert_computes(network, original, exactly=True)


@pytest.mark.parametrize("new", [True, False])
def test_an_onnx_model_of_either_exporter_computes_what_the_module_does(new: bool, tmp_path: Path) -> None:
    original = Assorted().eval()
    network = read(write_onnx(original, PICTURES, tmp_path / "c.onnx", new=new))
    assert network.takes == (None, 1, 16, 16)
    assert_computes(network, original, exactly=False)


@pytest.mark.parametrize("traced", [True, False])
def test_a_script_gives_the_same_bits_however_often_it_has_run(traced: bool, tmp_path: Path) -> None:
    original = TinyClassifier().eval()
    network = read(write_script(original, PICTURES, tmp_path / "c.pt", traced=traced))
    for _ in range(4):
        assert_computes(network, original, exactly=True)


def test_a_frozen_script_is_read_too(tmp_path: Path) -> None:
    original = TinyClassifier().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frozen = torch.jit.freeze(torch.jit.script(original))
        buffer = io.BytesIO()
        torch.jit.save(frozen, buffer)
    (tmp_path / "c.ts").write_bytes(buffer.getvalue())
    assert_computes(read(tmp_path / "c.ts"), original, exactly=False)


class Bomb:
    """A pickle that leaves a mark where it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.mark,)


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], **added: bytes) -> bytes:
    """The archive with its members changed, left out (None) or ``added`` under models/'s root."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = change(name.partition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
        root = old.namelist()[0].partition("/")[0]
        for name, content in added.items():
            new.writestr(f"{root}/{name}", content)
    return buffer.getvalue()


def test_no_pickle_in_a_pt2_is_opened(tmp_path: Path) -> None:
    """torch.export.load unpickles all three; this reader refuses the first two and does not look at the third."""
    path, mark = write_pt2(TinyClassifier().eval(), PICTURES, tmp_path / "c.pt2"), tmp_path / "mark"
    bomb = pickle.dumps(Bomb(mark))

    def as_pickle(name: str, content: bytes) -> bytes:
        if name.endswith("weights_config.json"):
            return content.replace(b'"use_pickle": false', b'"use_pickle": true', 1)
        return bomb if name.endswith("weight_0") else content

    with pytest.raises(WeightsError, match="as a pickle, which could run code"):
        read_network("c.pt2", rewritten(path, as_pickle))
    with pytest.raises(WeightsError, match=r"save it with torch 2.9 or later"):
        read_network("c.pt2", rewritten(path, lambda name, content: content, **{"data/weights/model.pt": bomb}))
    read_network("c.pt2", rewritten(path, lambda name, content: bomb if "sample_inputs" in name else content))
    assert not mark.exists()


def edited_graph(path: Path, edit: Callable[[Any], None]) -> bytes:
    def change(name: str, content: bytes) -> bytes:
        if name != "models/model.json":
            return content
        document = json.loads(content)
        edit(document)
        return json.dumps(document).encode()

    return rewritten(path, change)


def first_target(target: str) -> Callable[[Any], None]:
    return lambda document: document["graph_module"]["graph"]["nodes"][0].update(target=target)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (first_target("torch.serialization.os.system"), "uses torch.serialization.os.system; only plain tensor"),
        (first_target("torch.ops.aten.from_file.default"), "uses torch.ops.aten.from_file.default"),
        (first_target("torch.ops.aten._cudnn_rnn.default"), "uses torch.ops.aten._cudnn_rnn.default"),
        (first_target("torch.ops.aten.conv7d.default"), "which the installed torch does not have"),
        (first_target("torch.ops.mine.special.default"), "uses torch.ops.mine.special.default"),
        (lambda document: document["schema_version"].update(major=7), "schema version 8"),
        (lambda document: document.pop("graph_module"), "no torch.export archive that this version can read"),
        (lambda document: document["graph_module"]["signature"]["output_specs"].clear(), "returns 0"),
    ],
)
def test_a_program_may_call_tensor_operators_alone(edit: Callable[[Any], None], says: str, tmp_path: Path) -> None:
    path = write_pt2(TinyClassifier().eval(), PICTURES, tmp_path / "c.pt2")
    with pytest.raises(WeightsError, match=says):
        read_network("c.pt2", edited_graph(path, edit))


class NoGrad(TinyClassifier):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(x)


def test_programs_that_train_or_stop_the_gradient_are_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"training mode: call .eval\(\)|changes its own buffers"):
        read(write_pt2(TinyClassifier().train(), PICTURES, tmp_path / "trains.pt2"))
    with pytest.raises(WeightsError, match="no_grad inside a network stops its gradient"):
        read(write_pt2(NoGrad().eval(), PICTURES, tmp_path / "stops.pt2"))


class LoadsItself(nn.Module):
    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return 3, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        self.training = state[1]

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2))


class ReadsFiles(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2)) + torch.from_file("numbers.bin", size=1)


def test_scripts_that_run_code_or_reach_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="runs code of its own while it is loaded"):
        read(write_script(LoadsItself(), PICTURES, tmp_path / "a.pt", traced=False))
    with pytest.raises(WeightsError, match="uses aten::from_file"):
        read(write_script(ReadsFiles(), PICTURES, tmp_path / "b.pt", traced=False))


def onnx_bytes(
    *nodes: onnx.NodeProto, initializers: tuple[TensorProto, ...] = (), kind: int = TensorProto.FLOAT
) -> bytes:
    given = helper.make_tensor_value_info("x", kind, [None, 1, 16, 16])
    returned = helper.make_tensor_value_info("y", kind, ["anything"])
    graph = helper.make_graph(list(nodes), "g", [given], [returned], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)])
    return model.SerializeToString()


def outside() -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret.bin")
    return tensor


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (onnx_bytes(helper.make_node("Special", ["x"], ["y"], domain="mine")), "uses mine::Special, which cannot"),
        (onnx_bytes(helper.make_node("Det", ["x"], ["y"])), "uses Det, which cannot be made differentiable"),
        (onnx_bytes(helper.make_node("Add", ["x", "w"], ["y"]), initializers=(outside(),)), "tensors in other files"),
        (onnx_bytes(helper.make_node("Abs", ["x"], ["y"]), kind=TensorProto.DOUBLE), "must take float32"),
        (onnx_bytes(helper.make_node("Abs", ["z"], ["y"])), "no valid ONNX model"),
        (b"\xff" * 40, "no ONNX model"),
        (onnx_bytes(helper.make_node("ReduceMax", ["x", "x"], ["y"])), "needs a newer opset than 17"),
    ],
    ids=["domain", "operator", "outside", "double", "dangling", "bytes", "opset"],
)
def test_an_onnx_model_that_cannot_be_served_is_refused_in_words(content: bytes, says: str) -> None:
    with pytest.raises(WeightsError, match=says):
        read_network("c.onnx", content)


def test_pickles_and_other_files_are_told_apart_from_networks(tmp_path: Path) -> None:
    torch.save(TinyClassifier().state_dict(), tmp_path / "weights.pt")
    for name, content, says in (
        ("weights.pt", (tmp_path / "weights.pt").read_bytes(), "holds weights or a pickled module"),
        ("old.pt", pickle.dumps([1]), "neither a torch.export nor a TorchScript archive"),
        ("c.h5", b"", "must be a .pt2, .pt, .ts or .onnx file"),
        ("cut.pt2", write_pt2(TinyClassifier().eval(), PICTURES, tmp_path / "c.pt2").read_bytes()[:3000], "neither"),
    ):
        with pytest.raises(WeightsError, match=says):
            read_network(name, content)
