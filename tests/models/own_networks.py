"""Tiny networks of one's own, and how they become files in each format."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

SIDE = 16


class TinyClassifier(nn.Module):
    """(N, C, H, W) to (N, F) logits or probabilities, by layers that real classifiers have."""

    def __init__(self, *, findings: int = 2, channels: int = 1, logits: bool = False) -> None:
        super().__init__()
        torch.manual_seed(findings + 10 * channels)
        self.stem = nn.Conv2d(channels, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, findings)
        self.drop = nn.Dropout(0.5)
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        features = torch.relu(self.norm(self.stem(x))).mean((2, 3))
        logits: Tensor = self.head(self.drop(features))
        return logits if self.logits else torch.sigmoid(logits)


class TinyEncoder(nn.Module):
    """(N, 1, 16, 16) to latents (N, 4, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(1, 4, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv(x))


class TinyDecoder(nn.Module):
    """Latents (N, 4, 8, 8) to (N, 1, 16, 16) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv = nn.ConvTranspose2d(4, 1, 2, stride=2)

    def forward(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(z))


def write_pt2(network: nn.Module, example: Tensor, path: Path, *, rows: int | None = None) -> Path:
    """As torch.export, for any number of rows, or for ``rows`` alone."""
    shapes = ({0: torch.export.Dim("rows", min=1, max=64)},) if rows is None else None
    program = torch.export.export(network, (_rows(example, rows or 2),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


def write_onnx(network: nn.Module, example: Tensor, path: Path, *, rows: int | None = None, new: bool = True) -> Path:
    """As ONNX, by torch's new exporter or its old one; for any number of rows, or for ``rows`` alone."""
    example = _rows(example, rows or 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters' own
        if new:
            shapes = ({0: torch.export.Dim("rows", min=1, max=64)},) if rows is None else None
            torch.onnx.export(
                network, (example,), path, dynamo=True, external_data=False, verbose=False, dynamic_shapes=shapes
            )
        else:
            axes = {"x": {0: "rows"}, "y": {0: "rows"}} if rows is None else None
            torch.onnx.export(
                network, (example,), path, dynamo=False, input_names=["x"], output_names=["y"], dynamic_axes=axes
            )
    return path


def write_script(network: nn.Module, example: Tensor, path: Path, *, traced: bool = True) -> Path:
    """As TorchScript, traced or scripted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own: TorchScript is deprecated
        script = torch.jit.trace(network, (example,)) if traced else torch.jit.script(network)  # type: ignore[no-untyped-call]
        buffer = io.BytesIO()
        torch.jit.save(script, buffer)
    path.write_bytes(buffer.getvalue())
    return path


def write_any(network: nn.Module, example: Tensor, path: Path) -> Path:
    """In the format of the path's suffix."""
    match path.suffix:
        case ".pt2":
            return write_pt2(network, example, path)
        case ".onnx":
            return write_onnx(network, example, path)
    return write_script(network, example, path)


def _rows(example: Tensor, rows: int) -> Tensor:
    return example[:1].expand(rows, *example.shape[1:]).clone()
