"""What is wrong with imported networks, said in the words of the manifest, before ``check_model`` judges them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..core.model import Model
from ..errors import MethodError
from .check import check_model, probe_images
from .imported import ImportedNetworks, say_shape
from .imported_autoencoders import ImportedAutoencoder, Part
from .imported_network import last_line

_CLOSE = 1e-3
"""How far a row's result may lie from what it is alone, as a share of its largest value; rounding is 1e-6."""
_NUMBERS = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, NotImplementedError)


class OneRowOnly(MethodError):
    """The network of ``role`` runs only on one row at a time, and its file does not say so."""

    def __init__(self, role: str, source: str) -> None:
        super().__init__(f"{source} runs on one image at a time only: set networks.{role}.batch to 1.")
        self.role = role


def check_imported(model: Model, networks: ImportedNetworks) -> None:
    """Run every network on synthetic images. Raises MethodError: what is wrong, and what would be right.

    ``networks`` are those of ``model``.
    """
    images = probe_images(model)
    with torch.no_grad():
        latents = _encode(networks, images)
        frames = _decode(networks, latents)
        _check_frames(model, networks, frames)
        outputs = _classify(networks, frames)
    _check_columns(model, networks, outputs)
    for pictures in (frames, images):
        _check_scores(networks, pictures)
    _check_gradients(networks, frames, latents)
    check_model(model)


def _encode(networks: ImportedNetworks, images: Tensor) -> Tensor:
    if isinstance(networks.autoencoder, ImportedAutoencoder):
        return _run("encoder", networks.autoencoder.encode, images)
    return networks.encode(images)


def _decode(networks: ImportedNetworks, latents: Tensor) -> Tensor:
    if isinstance(networks.autoencoder, ImportedAutoencoder):
        return _run("decoder", networks.autoencoder.decode, latents)
    return networks.decode(latents)


def _classify(networks: ImportedNetworks, images: Tensor) -> Tensor:
    return _run("classifier", networks.classifier, networks.pictures(images))


def _run(role: str, part: Part, rows: Tensor) -> Tensor:
    """The part on two rows, which must be the same as on each alone, and the same when asked again."""
    source = part.network.source
    alone = torch.cat([_attempt(role, part, row) for row in (rows[:1], rows[1:])])
    try:
        together = part(rows)
    except _NUMBERS as error:
        raise OneRowOnly(role, source) from error
    if together.shape != alone.shape:
        raise OneRowOnly(role, source)
    if not bool(torch.isfinite(alone).all()):
        raise MethodError(f"{source} returns values that are not finite.")
    if not torch.equal(part(rows), together):
        raise MethodError(f"{source} returns something else each time: export it in evaluation mode, without dropout.")
    if not _close(together, alone):
        raise MethodError(f"{source} mixes the rows of a batch: export it in evaluation mode (BatchNorm), row by row.")
    return together


def _attempt(role: str, part: Part, row: Tensor) -> Tensor:
    try:
        return part(row)
    except _NUMBERS as error:
        hint = _channel_hint(part, row) if role == "classifier" else ""
        raise MethodError(
            f"{part.network.source} fails on an input of {say_shape((None, *row.shape[1:]))}: {last_line(error)}.{hint}"
        ) from error


def _channel_hint(part: Part, row: Tensor) -> str:
    """Whether grey instead of colour, or colour instead of grey, would do."""
    other = 3 if row.shape[1] == 1 else 1
    try:
        part(row[:, :1].expand(-1, other, -1, -1))
    except _NUMBERS:
        return ""
    return f" It runs with {other} channels: set networks.classifier.channels to {other}."


def _close(left: Tensor, right: Tensor) -> bool:
    scale = float(right.abs().amax())
    return bool(((left - right).abs() <= _CLOSE * scale).all())


def _check_frames(model: Model, networks: ImportedNetworks, frames: Tensor) -> None:
    wanted = (2, 1, model.spec.input_size, model.spec.input_size)
    if tuple(frames.shape) != wanted:
        returned, right = say_shape((None, *frames.shape[1:])), say_shape((None, *wanted[1:]))
        raise MethodError(f"{_decoder(networks)} returns {returned}; it must return {right}, what the encoder takes.")


def _check_columns(model: Model, networks: ImportedNetworks, outputs: Tensor) -> None:
    wanted = len(model.spec.findings)
    if outputs.ndim == 1 and wanted == 1:
        return
    if outputs.ndim != 2 or outputs.shape[1] != wanted:
        raise MethodError(
            f"{networks.classifier.network.source} returns {say_shape((None, *outputs.shape[1:]))} for {wanted} "
            f"findings; it must return (N, {wanted}). Name a finding for each output, in order."
        )


def _check_scores(networks: ImportedNetworks, pictures: Tensor) -> None:
    with torch.no_grad():
        scores = networks.score(pictures)
    if not bool(((scores >= 0) & (scores <= 1)).all()):
        raise MethodError(
            f"{networks.classifier.network.source} returns values from {float(scores.min()):.3g} to "
            f"{float(scores.max()):.3g}, no probabilities. If they are logits, set networks.classifier.output to logit "
            "(--output logit), or to softmax where one class excludes the others."
        )


def _check_gradients(networks: ImportedNetworks, frames: Tensor, latents: Tensor) -> None:
    _check_gradient(networks.classifier.network.source, networks.score, frames, "score", "image")
    _check_gradient(_decoder(networks), networks.decode, latents, "image", "latent")


def _check_gradient(source: str, call: Callable[[Tensor], Tensor], rows: Tensor, what: str, by: str) -> None:
    with torch.enable_grad():
        leaf = rows.detach().clone().requires_grad_(True)
        result = call(leaf).sum()
        gradient = torch.zeros_like(leaf)
        if result.requires_grad:
            (gradient,) = torch.autograd.grad(result, leaf, materialize_grads=True)
    if not bool(gradient.any()):
        raise MethodError(
            f"{source}: the gradient of its {what} by the {by} is zero, so no shift can change it. It must be exported "
            "without no_grad, detach, argmax, rounding or a threshold, and must not be saturated."
        )


def _decoder(networks: ImportedNetworks) -> str:
    if isinstance(networks.autoencoder, ImportedAutoencoder):
        return networks.autoencoder.decode.network.source
    return "The autoencoder"
