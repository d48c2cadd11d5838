"""Tensors from the files that torchxrayvision releases, without running anything that a file asks for.

Such a file is a pickle: of a state_dict, or of a whole module. torch's own ``weights_only`` reading refuses whole
modules in the format that torch wrote before 1.6, whatever classes it is told to trust; and a trusted class is a
constructor that a crafted file may call with arguments of its own. So this reader trusts no class at all: it knows the
few names that a released file holds, and reads each as an inert record. What remains is a tree of records to collect
tensors from. Any other name is refused before anything of it is imported.
"""

from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import torch
from torch import Tensor

from ..errors import WeightsError

MAX_BYTES: Final = 1 << 30
"""Largest file that is read, and most that its tensors may take, in bytes."""
_MAX_DEPTH: Final = 32
_LEGACY_MAGIC: Final = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL: Final = 1001

_MODULES: Final = frozenset(
    {("torchxrayvision.models", name) for name in ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition")}
    | {
        ("torch.nn.modules.container", "Sequential"),
        ("torch.nn.modules.conv", "Conv2d"),
        ("torch.nn.modules.batchnorm", "BatchNorm2d"),
        ("torch.nn.modules.activation", "ReLU"),
        ("torch.nn.modules.pooling", "MaxPool2d"),
        ("torch.nn.modules.pooling", "AvgPool2d"),
        ("torch.nn.modules.linear", "Linear"),
        ("torch.nn.backends.thnn", "_get_thnn_function_backend"),  # which every module had until torch 1.3
    }
)
_STORAGES: Final[Mapping[str, torch.dtype]] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
}


def read_released(path: Path) -> dict[str, Tensor]:
    """The named tensors of a released state_dict or module, as ``state_dict()`` would name them, on the CPU.

    Each has its own shape (...), and is float16, float32, float64, bfloat16, int32 or int64. Raises WeightsError for a
    file that is none, is damaged, or holds anything that such a file does not.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{path.name} is over {MAX_BYTES >> 20} MiB; no released weight file is.")
        with path.open("rb") as file:
            read = _read_zip if zipfile.is_zipfile(file) else _read_legacy
            file.seek(0)
            tree, storages = read(file)
        tensors = {name: record.build(storages) for name, record in _tensors_of(tree)}
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsError(f"{path.name} is not there.") from error
    except _Refused as error:
        raise WeightsError(f"{path.name} is no released weight file: {error}.") from error
    except Exception as error:  # a damaged or crafted pickle can make any exception; none of its code has run
        raise WeightsError(f"{path.name} is no weight file that torch wrote, or it is damaged.") from error
    if not tensors:
        raise WeightsError(f"{path.name} holds no tensors.")
    return tensors


class _Refused(Exception):
    """The file holds something that no released file holds; the text says what."""


class _Inert:
    """A record instead of the object that a pickle names; making one has no effect.

    ``__setstate__`` also guards the class itself: pickle would set the attributes of a class that has none.
    """

    def __setstate__(self, state: object) -> None:
        raise _Refused("it changes an object that it has made")


class _Module(_Inert):
    """Any network module: its attributes, as they were saved."""

    attributes: Mapping[str, object] = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise _Refused("a module's state is not a dictionary")
        self.attributes = state

    def part(self, name: str) -> Mapping[str, object]:
        """One of the module's three dictionaries of parameters, buffers and children."""
        part = self.attributes.get(name, {})
        if not isinstance(part, dict):
            raise _Refused("a module's parts are not a dictionary")
        return part


@dataclass(frozen=True)
class _Storage(_Inert):
    """The numbers that tensors are views of, by their key in the file."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class _View(_Inert):
    """A tensor, by the arguments of torch._utils._rebuild_tensor_v2."""

    storage: object
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool = False
    hooks: object = None
    metadata: object = None

    def build(self, storages: Mapping[str, Tensor]) -> Tensor:
        """A tensor of its own. A view may leave numbers out but never repeat them, which bounds its size."""
        if not isinstance(self.storage, _Storage):
            raise _Refused("a tensor has no storage")
        flat = storages[self.storage.key]
        if torch.Size(self.size).numel() > flat.numel() or flat.dtype != self.storage.dtype:
            raise _Refused("a tensor does not fit its storage")
        return flat.as_strided(self.size, self.stride, self.offset).clone(memory_format=torch.contiguous_format)


@dataclass(frozen=True)
class _StorageType(_Inert):
    dtype: torch.dtype


class _Parameter(_Inert):
    """A parameter is the tensor that it wraps."""

    def __new__(cls, data: object, requires_grad: bool, hooks: object) -> Any:
        return data


class _Unpickler(pickle.Unpickler):
    """Every name that it finds is one of a closed table of inert records."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="ascii")
        self.storages: dict[str, _Storage] = {}
        self._bytes = 0

    def find_class(self, module: str, name: str) -> Any:
        """The record that stands for a name. Nothing is imported."""
        if (module, name) in _MODULES:
            return _Module
        if module in ("torch", "torch.cuda") and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        known = _KNOWN.get((module, name))
        if known is None:
            shown = f"{module}.{name}" if f"{module}.{name}".isprintable() and len(module + name) < 100 else "a name"
            raise _Refused(f"it names {shown}, which no released file does")
        return known

    def persistent_load(self, pid: object) -> object:
        """A storage's record, or, in the older format, a module class that comes with its source code."""
        match pid:
            case ("module", known, _, _) if known is _Module:
                return _Module
            case ("storage", _StorageType(dtype=dtype), str(key), _, int(count), *rest) if rest in ([], [None]):
                return self._storage(key, dtype, count)
        raise _Refused("it refers to data in a way that no released file does")

    def _storage(self, key: str, dtype: torch.dtype, count: int) -> _Storage:
        if key not in self.storages:
            self._bytes += count * dtype.itemsize
            if count < 0 or self._bytes > MAX_BYTES:
                raise _Refused("it says that it holds more than it can")
            self.storages[key] = _Storage(key, dtype, count)
        return self.storages[key]


_KNOWN: Final[Mapping[tuple[str, str], Callable[..., Any]]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch._utils", "_rebuild_tensor_v2"): _View,
    ("torch._utils", "_rebuild_parameter"): _Parameter,
}

_Read = tuple[object, Mapping[str, Tensor]]


def _read_zip(file: IO[bytes]) -> _Read:
    """Since torch 1.6: a pickle, and one archive member for each storage."""
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        (pickled,) = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        root = pickled.removesuffix("data.pkl")
        if f"{root}byteorder" in names and _member(archive, f"{root}byteorder") != b"little":
            raise _Refused("its numbers are not little-endian")
        unpickler = _Unpickler(io.BytesIO(_member(archive, pickled)))
        tree = unpickler.load()
        wanted = unpickler.storages.items()
        return tree, {key: _numbers(_member(archive, f"{root}data/{key}"), storage) for key, storage in wanted}


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > MAX_BYTES:
        raise _Refused("it is compressed, which torch never does")  # and would let a small file grow large
    return archive.read(info)


def _read_legacy(file: IO[bytes]) -> _Read:
    """Before torch 1.6: five pickles, then for each storage its length and its numbers."""
    if _Unpickler(file).load() != _LEGACY_MAGIC or _Unpickler(file).load() != _LEGACY_PROTOCOL:
        raise _Refused("torch did not write it")
    system = _Unpickler(file).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _Refused("its numbers are not little-endian")
    unpickler = _Unpickler(file)
    tree = unpickler.load()
    storages = {}
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.count:
            raise _Refused("a storage has another size than it says")
        storages[key] = _numbers(file.read(storage.count * storage.dtype.itemsize), storage)
    return tree, storages


def _numbers(content: bytes, storage: _Storage) -> Tensor:
    if sys.byteorder != "little":
        raise _Refused("this machine is not little-endian, which weight files are")
    if len(content) != storage.count * storage.dtype.itemsize:
        raise _Refused("a storage has another size than it says")
    return torch.frombuffer(bytearray(content), dtype=storage.dtype) if content else torch.empty(0, dtype=storage.dtype)


def _tensors_of(tree: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, _View]]:
    """The tensors of a state_dict, or of a module and its children, under the names that state_dict() gives them."""
    if depth > _MAX_DEPTH:
        raise _Refused("its modules are nested too deeply")
    if isinstance(tree, _Module):
        for part in ("_parameters", "_buffers"):
            yield from _named_views(tree.part(part), prefix, optional=True)
        for name, child in tree.part("_modules").items():
            yield from _tensors_of(child, f"{prefix}{name}.", depth + 1)
    elif isinstance(tree, dict) and depth == 0:
        yield from _named_views(tree, prefix, optional=False)
    else:
        raise _Refused("it holds neither a network nor a dictionary of tensors")


def _named_views(part: Mapping[str, object], prefix: str, *, optional: bool) -> Iterator[tuple[str, _View]]:
    for name, value in part.items():
        if value is None and optional:
            continue
        if not isinstance(value, _View) or not isinstance(name, str):
            raise _Refused("it holds something other than named tensors")
        yield prefix + name, value
