"""One small probe that tells whether networks can be explained at all."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.model import Model
from ..errors import MethodError


def check_model(model: Model) -> None:
    """Encode, decode, score and differentiate one synthetic pair of images.

    Raises MethodError where that shows that the networks cannot be explained: wrong shapes, scores outside [0, 1], rows
    that depend on each other, or a latent gradient that is zero or not finite for all trained findings together.
    """
    images = probe_images(model)
    trained = [column for column, finding in enumerate(model.spec.findings) if finding.trained]
    if not trained:
        raise MethodError("The model was trained on no finding: nothing can be explained.")
    try:
        with torch.enable_grad():
            latents = model.networks.encode(images).detach().requires_grad_(True)
            frames = model.networks.decode(latents)
            _check_frames(model, latents, frames)
            scores = model.networks.score(frames)
            _check_columns(model, scores)
            (gradient,) = torch.autograd.grad(scores[0, trained].sum(), latents)
        with torch.no_grad():
            image_scores = model.networks.score(images)
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        raise MethodError(
            f"The networks fail on a probe image of {model.spec.input_size} pixels: they must encode, decode and score "
            f"it, and the score must be differentiable by the latent."
        ) from error
    _check_scores(scores)
    _check_scores(image_scores)
    _check_gradient(gradient)


def probe_images(model: Model) -> Tensor:
    """(2, 1, S, S) float32 over the whole range of model units: a ramp down and a ramp across."""
    low, high = model.spec.input_range
    size = model.spec.input_size
    ramp = torch.linspace(low, high, size, device=model.device).expand(size, size)
    return torch.stack([ramp.T, ramp])[:, None].contiguous()


def _check_frames(model: Model, latents: Tensor, frames: Tensor) -> None:
    size = model.spec.input_size
    if latents.shape[0] != 2:
        raise MethodError("encode must return one latent for each image.")
    if frames.shape != (2, 1, size, size):
        raise MethodError(f"decode must return images of {size} by {size} pixels, the size that encode takes.")


def _check_columns(model: Model, scores: Tensor) -> None:
    findings = len(model.spec.findings)
    if scores.shape != (2, findings):
        raise MethodError(f"score must return {findings} columns, one for each finding.")


def _check_scores(scores: Tensor) -> None:
    if not bool(((scores >= 0) & (scores <= 1)).all()):  # false for NaN too
        raise MethodError("score must return probabilities from 0 to 1: λ's unit depends on their scale.")


def _check_gradient(gradient: Tensor) -> None:
    if not bool(torch.isfinite(gradient).all()):
        raise MethodError("The latent gradient of the scores is not finite.")
    if not bool(gradient[0].any()):
        raise MethodError("The latent gradient of the scores is zero: no shift can change them.")
    if bool(gradient[1].any()):
        raise MethodError("The score of one image depends on its neighbour; each row must be treated on its own.")
