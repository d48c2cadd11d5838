"""What the engine needs to know of a model: three functions and a few facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import Tensor

from cxrshift_api.types import FileDigest

from .familiarity import Familiarity
from .limits import QualityLimits
from .runtime import Runtime

DEFAULT_INPUT_SIZE = 224
"""Side of the square input in pixels, torchxrayvision's."""
DEFAULT_INPUT_RANGE = (-1024.0, 1024.0)
"""Model units of the darkest and the brightest pixel, torchxrayvision's."""
DEFAULT_OPERATING_POINT = 0.5
"""Score from which a finding counts as present, where a model states no other."""


@runtime_checkable
class LatentModel(Protocol):
    """Any classifier with any autoencoder, as the method sees them (arXiv 2102.09475, section 2).

    All three functions take and return float32 tensors where the networks are, are differentiable, and treat each row
    on its own.
    """

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the F columns that ``score`` returns."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, H, W) float32 in model units to latents (N, ...) float32."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """``latents`` (N, ...) float32 in latent units to images (N, 1, H, W) float32 in model units."""
        ...

    def score(self, images: Tensor) -> Tensor:
        """``images`` (N, 1, H, W) float32 in model units to probabilities (N, F) float32 in [0, 1]."""
        ...


@dataclass(frozen=True)
class FindingSpec:
    """One output of a classifier: its name, the score at which it counts as present, and whether it was trained."""

    name: str
    """As the classifier's authors call it."""
    operating_point: float = DEFAULT_OPERATING_POINT
    """Score, in [0, 1], from which the finding counts as present."""
    trained: bool = True
    """False where its weights were never trained on it: then it is not explained."""


@dataclass(frozen=True)
class ModelSpec:
    """The facts about a model that its functions do not tell; a model folder's manifest holds them."""

    name: str
    """What receipts call it."""
    version: str
    """Its version, in receipts too."""
    summary: str
    """What it is, in one line."""
    input_size: int
    """Pixels along each side of the square input."""
    input_range: tuple[float, float]
    """Model units of the darkest and the brightest pixel."""
    findings: tuple[FindingSpec, ...]
    """The columns of its scores, in order."""
    files: tuple[FileDigest, ...] = ()
    """Its weight files, for the receipt."""
    limits: QualityLimits = field(default_factory=QualityLimits)
    """Where its quality cards begin to warn."""


@dataclass(frozen=True)
class Model:
    """A model ready to be explained.

    ``spec`` holds the facts, ``networks`` the three functions. ``device`` is where its networks live, as torch names
    it. ``familiarity`` measures what is unlike its training radiographs; None where the model has no such reference.
    ``runtime`` runs its passes; None = eagerly in torch. ``fingerprint`` is the SHA-256 of all that the networks were
    made from, empty where that is not known.
    """

    spec: ModelSpec
    networks: LatentModel
    device: str = "cpu"
    familiarity: Familiarity | None = None
    runtime: Runtime | None = None
    fingerprint: str = ""


def as_model(candidate: Model | LatentModel) -> Model:
    """A Model from anything that can encode, decode and score.

    A bare LatentModel gets torchxrayvision's conventions (224 pixels, [-1024, 1024], operating points 0.5) unless
    it has attributes ``input_size`` and ``input_range`` of its own.
    """
    if isinstance(candidate, Model):
        return candidate
    low, high = getattr(candidate, "input_range", DEFAULT_INPUT_RANGE)
    spec = ModelSpec(
        name=type(candidate).__name__,
        version="0",
        summary="",
        input_size=int(getattr(candidate, "input_size", DEFAULT_INPUT_SIZE)),
        input_range=(float(low), float(high)),
        findings=tuple(FindingSpec(name) for name in candidate.findings),
    )
    return Model(spec, candidate)
