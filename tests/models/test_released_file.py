"""Reading released weight files: tensors come out, and nothing that a file asks for is done."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import shutil
import zipfile
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.backends.thnn import _get_thnn_function_backend

from cxrshift.errors import WeightsError
from cxrshift.models.released_file import read_released

LEGACY = [False, True]
"""torch's formats: the archive that it writes since 1.6, and the pickles in a row that it wrote before."""


def network() -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2)),
            classifier=nn.Linear(4, 3),
        )
    )


def save(content: object, path: Path, *, legacy: bool = False) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


class Runs:
    """Unpickled freely, this would call a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("legacy", LEGACY)
@pytest.mark.parametrize("form", [lambda module: module, nn.Module.state_dict])
def test_a_module_or_its_state_dict_gives_the_state_dict(
    form: Callable[[nn.Module], object], legacy: bool, tmp_path: Path
) -> None:
    module = network()
    tensors = read_released(save(form(module), tmp_path / "weights.pt", legacy=legacy))
    expected = module.state_dict()
    assert list(tensors) == list(expected)
    for name, tensor in expected.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor), name


@pytest.mark.parametrize("legacy", LEGACY)
def test_views_of_one_storage_come_out_apart_and_contiguous(legacy: bool, tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    views = {"whole": base, "turned": base.T, "part": base[1:, ::2], "none": torch.empty(0)}
    tensors = read_released(save(views, tmp_path / "weights.pt", legacy=legacy))
    for name, view in views.items():
        assert torch.equal(tensors[name], view)
        assert tensors[name].is_contiguous()
    tensors["whole"].zero_()
    assert torch.equal(tensors["part"], base[1:, ::2])


def test_a_module_saved_on_a_gpu_by_a_torch_of_2019_is_read_on_the_cpu(tmp_path: Path) -> None:
    module = network()
    module.__dict__["_backend"] = Runs(_get_thnn_function_backend)
    path = save(module, tmp_path / "weights.pt", legacy=True)
    path.write_bytes(path.read_bytes().replace(b"ctorch\nFloatStorage\n", b"ctorch.cuda\nFloatStorage\n"))
    assert b"ctorch.cuda\nFloatStorage\n" in path.read_bytes()
    assert torch.equal(read_released(path)["classifier.weight"], module.state_dict()["classifier.weight"])


@pytest.mark.parametrize("legacy", LEGACY)
def test_a_file_that_asks_to_run_a_command_runs_nothing(legacy: bool, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = save({"weight": Runs(os.system, f"touch {marker}")}, tmp_path / "weights.pt", legacy=legacy)
    with pytest.raises(WeightsError, match=r"names (posix|nt)\.system, which no released file does"):
        read_released(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)  # the trap is a real one
    assert marker.exists()


@pytest.mark.parametrize(
    "trap",
    [
        Runs(getattr, nn.Linear, "forward"),
        Runs(nn.Linear, 10**9, 10**9),
        Runs(torch.load, "weights.pt"),
        Runs(torch._utils._rebuild_tensor_v2, torch.ones(2), 0, (2,), (1,), False, OrderedDict()),
        Runs(OrderedDict, 5),
        {"weight": "text"},
        {1: torch.ones(2)},
        {"weight": torch.ones(2), "inner": {"weight": torch.ones(2)}},
        {"weight": nn.ReLU()},
        [torch.ones(2)],
        {},
        torch.ones(2).to_sparse(),
        nn.Tanh(),
    ],
    ids=lambda trap: type(trap).__name__,
)
def test_whatever_is_no_network_or_dictionary_of_tensors_is_refused(trap: object, tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        read_released(save(trap, tmp_path / "weights.pt"))


def test_a_record_that_stands_for_a_class_cannot_be_altered(tmp_path: Path) -> None:
    # GLOBAL Linear, then BUILD with a slot state: plain unpickling would set the class's attribute.
    rebuild = b"\x80\x02ctorch.nn.modules.linear\nLinear\nN}X\x04\x00\x00\x00partK\x01s\x86b."
    with pytest.raises(WeightsError):
        read_released(archive(tmp_path / "weights.pt", rebuild))
    module = network()
    assert read_released(save(module, tmp_path / "next.pt")).keys() == module.state_dict().keys()


def archive(path: Path, pickled: bytes, *, compression: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", compression) as made:
        made.writestr("x/data.pkl", pickled)
        for name, content in members.items():
            made.writestr(f"x/{name}", content)
    return path


def edited(path: Path, change: Callable[[dict[str, bytes]], Any], compression: int = zipfile.ZIP_STORED) -> Path:
    """The same archive with its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def name_of(members: dict[str, bytes], end: str) -> str:
    return next(name for name in members if name.endswith(end))


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop(name_of(m, "data/0")),
        lambda m: m.update({name_of(m, "data/0"): b"\0" * 12}),
        lambda m: m.update({name_of(m, "byteorder"): b"big"}),
        lambda m: m.pop(name_of(m, "data.pkl")),
        lambda m: m.update({name_of(m, "data.pkl"): m[name_of(m, "data.pkl")][:-9]}),
        lambda m: m.update({name_of(m, "data.pkl"): m[name_of(m, "data.pkl")].replace(b"K\x04", b"K\x40")}),
        lambda m: m.update({name_of(m, "data.pkl"): m[name_of(m, "data.pkl")].replace(b"K\x04", b"J\xff\xff\xff\x7f")}),
        lambda m: m.update({name_of(m, "data.pkl"): m[name_of(m, "data.pkl")].replace(b"K\x04", b"J\xff\xff\xff\xff")}),
        lambda m: m.update({name_of(m, "data.pkl"): m[name_of(m, "data.pkl")].replace(b"storage", b"module!")}),
    ],
)
def test_a_damaged_archive_is_refused(change: Callable[[dict[str, bytes]], Any], tmp_path: Path) -> None:
    path = save({"weight": torch.ones(4)}, tmp_path / "weights.pt")
    assert read_released(path).keys() == {"weight"}
    with pytest.raises(WeightsError):
        read_released(edited(path, change))


def test_a_compressed_archive_is_refused_since_it_could_grow_large(tmp_path: Path) -> None:
    path = save({"weight": torch.zeros(1 << 20)}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="compressed"):
        read_released(edited(path, lambda members: None, zipfile.ZIP_DEFLATED))


def test_every_cut_of_an_older_file_is_refused(tmp_path: Path) -> None:
    path = save({"weight": torch.ones(4)}, tmp_path / "weights.pt", legacy=True)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError):
            read_released(path)


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, 1), (1, 2), (2, {"little_endian": False}), (4, ["absent"])],
    ids=["magic number", "protocol", "byte order", "storage key"],
)
def test_an_older_file_whose_frame_is_wrong_is_refused(position: int, value: object, tmp_path: Path) -> None:
    path = save({"weight": torch.ones(4)}, tmp_path / "weights.pt", legacy=True)
    stream = io.BytesIO(path.read_bytes())
    bounds = [0]
    for _ in range(5):
        deque(pickletools.genops(stream), maxlen=0)  # to the end of one pickle
        bounds.append(stream.tell())
    parts = [stream.getvalue()[a:b] for a, b in zip(bounds, [*bounds[1:], None], strict=True)]
    parts[position] = pickle.dumps(value, protocol=2)
    path.write_bytes(b"".join(parts))
    with pytest.raises(WeightsError):
        read_released(path)


def test_a_network_that_contains_itself_is_refused(tmp_path: Path) -> None:
    loop = nn.Sequential(nn.ReLU())
    loop._modules["0"] = loop
    with pytest.raises(WeightsError, match="nested too deeply"):
        read_released(save(loop, tmp_path / "weights.pt"))


def test_a_file_that_is_not_there_or_too_large_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not there"):
        read_released(tmp_path / "absent.pt")
    sparse = tmp_path / "large.pt"
    with sparse.open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(WeightsError, match="over 1024 MiB"):
        read_released(sparse)
    shutil.copy(__file__, sparse)
    with pytest.raises(WeightsError, match="no weight file that torch wrote"):
        read_released(sparse)
