"""The autoencoder of an imported model: its own two files, or the one of another kind of model, reused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from torch import Tensor, nn

from ..errors import ManifestError
from .compact import CompactAutoencoder
from .imported_network import Network, call_in_batches
from .manifest import Manifest, NetworkArgument
from .weights import fill, parse_safetensors
from .xrv import build_autoencoder as build_xrv_autoencoder

KINDS: Final = ("compact", "xrv")
"""Kinds of model whose autoencoder an imported model can reuse."""


class Autoencoder(Protocol):
    """A torch module with the two functions."""

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, S, S) float32 in model units to latents (N, ...) float32."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """``latents`` (N, ...) float32 to images (N, 1, S, S) float32 in model units."""
        ...


@dataclass(frozen=True)
class Part:
    """A network that was read, and how many rows it takes at a time."""

    network: Network
    """The network."""
    batch: int | None
    """Rows in one call; None = any number."""

    def __call__(self, rows: Tensor) -> Tensor:
        """The network on all ``rows`` (N, ...), float32, to (N, ...) float32.

        Raises MethodError for any other result.
        """
        return call_in_batches(self.network, rows, batch=self.batch)


class ImportedAutoencoder(nn.Module):
    """Encoder and decoder of two files."""

    def __init__(self, encoder: Part, decoder: Part) -> None:
        super().__init__()
        self.encoder_module = encoder.network.module
        self.decoder_module = decoder.network.module
        self.encode = encoder
        self.decode = decoder


class XrvAutoencoder(nn.Module):
    """torchxrayvision's autoencoder at one size of picture."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network = network
        self.size = size

    def encode(self, images: Tensor) -> Tensor:
        """As ``Autoencoder.encode``; model units are [-1024, 1024]."""
        latents: Tensor = self.network.encode(images, check_resolution=False)  # type: ignore[operator]
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """As ``Autoencoder.decode``."""
        images: Tensor = self.network.decode(latents, image_size=[1, 1, self.size, self.size])  # type: ignore[operator]
        return images


def build_reused(
    manifest: Manifest, arguments: Mapping[str, NetworkArgument], *, source: str, content: bytes
) -> nn.Module:
    """The autoencoder that ``networks.autoencoder`` describes, with its weights: an Autoencoder.

    Raises ManifestError or WeightsError.
    """
    tensors = parse_safetensors(source, content)
    options: dict[str, Any] = {name: value for name, value in arguments.items() if name not in ("kind", "file")}
    match arguments.get("kind"):
        case "compact":
            try:
                network = CompactAutoencoder(**options)
            except (TypeError, ValueError, RuntimeError) as error:
                raise ManifestError(
                    "manifest.toml: networks.autoencoder holds an argument that no compact autoencoder takes."
                ) from error
            fill(network, tensors, source=source)
            return network
        case "xrv":
            return XrvAutoencoder(build_xrv_autoencoder(tensors, source=source), manifest.input_size)
    raise ManifestError(f"manifest.toml: networks.autoencoder.kind must be one of {', '.join(KINDS)}.")
