"""A ``torch.export`` archive (.pt2) to a program, read without torch's own loader.

``torch.export.load`` unpickles without restriction (weights marked ``use_pickle``, opaque constants, example inputs),
evaluates the file's shape expressions as Python, and resolves any dotted name below ``torch`` as an operator: the file
is a program that may do anything. Here it is data. A .pt2 is a zip of a graph as JSON and of tensors as raw bytes. This
reader takes those two, opens no pickle in the archive, evaluates no expression, and accepts only the operators that
``imported_program`` lists; example inputs, guards and metadata are not looked at.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor

from ..errors import WeightsError
from .imported_network import Network, Shape
from .imported_program import DTYPES, Program, read_steps

_GRAPH: Final = "models/model.json"
_SCHEMA: Final = 8
_STORES: Final = (
    ("data/weights/", "model_weights_config.json"),
    ("data/constants/", "model_constants_config.json"),
)


def is_pt2(names: list[str]) -> bool:
    """Whether a zip with these members is a ``torch.export`` archive."""
    return any(name.partition("/")[2] in (_GRAPH, "archive_format") for name in names)


def read_pt2(source: str, content: bytes) -> Network:
    """The network of the .pt2 file ``source``. Raises WeightsError; an operator that cannot be run is named."""
    with _translated(source), zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > 2 * len(content):
            raise WeightsError(f"{source} is compressed, which no archive of torch.export is.")
        members = {name.partition("/")[2]: name for name in archive.namelist()}
        if "data/weights/model.pt" in members or _GRAPH not in members:
            raise WeightsError(f"{source} must hold one program and raw weights: save it with torch 2.9 or later.")
        document = json.loads(archive.read(members[_GRAPH]))
        if document["schema_version"]["major"] != _SCHEMA:
            raise WeightsError(f"{source} must be of schema version {_SCHEMA}: save it with torch 2.9 or later.")
        tensors = _read_tensors(source, archive, members)
        return _network(source, document["graph_module"], tensors)


def _network(source: str, module: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Network:
    graph, signature = module["graph"], module["signature"]
    stored, images = _sort_inputs(source, signature["input_specs"], tensors)
    outputs = [spec["user_output"]["arg"]["as_tensor"]["name"] for spec in _only_results(source, signature)]
    if len(images) != 1 or len(outputs) != 1:
        raise WeightsError(
            f"{source} takes {len(images)} tensors and returns {len(outputs)}; it must take one and return one."
        )
    steps = read_steps(source, graph["nodes"], stored=stored.keys(), result=outputs[0])
    takes = _shape(graph["tensor_values"][images[0]]["sizes"])
    return Network(source, Program(steps, stored, argument=images[0], result=outputs[0]), takes)


def _sort_inputs(
    source: str, specs: list[Mapping[str, Any]], tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Stored tensors by the name that the graph calls them, and the names of what the caller gives."""
    stored, given = {}, []
    for spec in specs:
        ((form, about),) = spec.items()
        if form in ("parameter", "buffer", "tensor_constant"):
            stored[about["arg"]["name"]] = tensors[about[f"{form}_name"]]
        elif form == "user_input" and "as_tensor" in about["arg"]:
            given.append(about["arg"]["as_tensor"]["name"])
        else:
            raise WeightsError(f"{source} takes an argument that is no tensor; it must take one tensor alone.")
    return stored, given


def _only_results(source: str, signature: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    specs: list[Mapping[str, Any]] = signature["output_specs"]
    if any("user_output" not in spec for spec in specs):
        raise WeightsError(f"{source} changes its own buffers when it runs: call .eval() before torch.export.")
    return specs


def _read_tensors(source: str, archive: zipfile.ZipFile, members: Mapping[str, str]) -> dict[str, Tensor]:
    order = archive.read(members["byteorder"]) if "byteorder" in members else b"little"
    if order != b"little":
        raise WeightsError(f"{source} must be in little-endian byte order.")
    tensors: dict[str, Tensor] = {}
    for folder, config in _STORES:
        entries = json.loads(archive.read(members[folder + config]))["config"]
        for name, entry in entries.items():
            if entry["use_pickle"] or entry["tensor_meta"] is None:
                raise WeightsError(f"{source} holds {name} as a pickle, which could run code; keep plain tensors.")
            raw = archive.read(members[folder + entry["path_name"]])
            tensors[name] = _tensor(raw, entry["tensor_meta"])
    return tensors


def _tensor(raw: bytes, about: Mapping[str, Any]) -> Tensor:
    """A view of raw bytes; torch checks that it lies within them."""
    dtype, sizes = DTYPES[about["dtype"]], [size["as_int"] for size in about["sizes"]]
    if not raw:
        return torch.zeros(sizes, dtype=dtype)
    strides = [stride["as_int"] for stride in about["strides"]]
    flat = torch.frombuffer(bytearray(raw), dtype=dtype)
    return flat.as_strided(sizes, strides, about["storage_offset"]["as_int"]).clone()


def _shape(sizes: list[Mapping[str, int]]) -> Shape:
    return tuple(size.get("as_int") for size in sizes)


@contextmanager
def _translated(source: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsError(f"{source} is a damaged torch.export archive.") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError) as error:
        raise WeightsError(f"{source} is no torch.export archive that this version can read.") from error
