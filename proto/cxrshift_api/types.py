"""The values that cross the service's boundary: frozen, numpy only, independent of any wire format."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

NOTICE = "Synthetic images. Not for diagnosis."
"""The sentence that every artefact of this service carries."""


class Profile(StrEnum):
    """How the range of shifts λ is found; docs/method.md gives the rules, and arXiv 2102.09475."""

    TWO_SIDED = "two-sided"
    """Both ways from λ = 0, in steps of the model's own unit."""
    LATENTSHIFT = "latentshift"
    """The rules of the package latentshift 0.0.6: downwards, to λ = -3000 at most."""
    GIFSPLANATION = "gifsplanation"
    """The rules of the paper's own code: downwards, to λ = -1000 at most."""
    FIXED = "fixed"
    """No search: the caller's ``lambda_min`` to ``lambda_max``."""


class HeatmapKind(StrEnum):
    """How a stack of frames x(λ) becomes one map of change."""

    MAX = "max"
    """The largest |x(λ) − x₀| over λ."""
    MEAN = "mean"
    """The mean of |x(λ) − x₀| over λ."""
    FIRST_TO_LAST = "first-to-last"
    """|x(λ_min) − x(λ_max)|."""
    INTEGRATED = "integrated"
    """The mean change from each frame to the next."""


class SaliencyKind(StrEnum):
    """A traditional map, offered beside the heatmap for comparison; cxrshift.core.saliency gives the formulas."""

    INPUT_GRADIENT = "input-gradient"
    """How much the score moves with each pixel (arXiv 1312.6034)."""
    INTEGRATED_GRADIENTS = "integrated-gradients"
    """The same, gathered on the way from a black image (arXiv 1703.01365)."""
    GUIDED_BACKPROPAGATION = "guided-backpropagation"
    """The input gradient with what speaks against the score left out (arXiv 1412.6806)."""


class StopReason(StrEnum):
    """Why the search went no further on one side."""

    TARGET = "target"
    """The score has changed as much as was asked for."""
    FLOOR = "floor"
    """The score has come near 0."""
    CEILING = "ceiling"
    """The score has come near 1."""
    REVERSED = "reversed"
    """The score has turned back."""
    PIXEL_CHANGE = "pixel-change"
    """More pixels changed than may."""
    LAST_LAMBDA = "last-lambda"
    """The schedule has no further λ."""
    NOT_SEARCHED = "not-searched"
    """The profile does not search this side, or not at all."""


class ProblemCode(StrEnum):
    """What can go wrong, as a caller sees it; cxrshift.gateway.status maps each to its statuses."""

    INVALID_REQUEST = "INVALID_REQUEST"
    """An option is out of its range or contradicts another."""
    INVALID_IMAGE = "INVALID_IMAGE"
    """The bytes do not decode to an image."""
    UNAUTHENTICATED = "UNAUTHENTICATED"
    """The caller names no key or token, or one that does not hold."""
    FORBIDDEN = "FORBIDDEN"
    """The caller is known and may not do this."""
    UNKNOWN_MODEL = "UNKNOWN_MODEL"
    """No model of that name is served."""
    TOO_LARGE = "TOO_LARGE"
    """Over a size limit; refused before decoding."""
    UNSUPPORTED_IMAGE = "UNSUPPORTED_IMAGE"
    """The bytes are an image, but not a projection radiograph that can be read."""
    UNKNOWN_FINDING = "UNKNOWN_FINDING"
    """The model has no such finding."""
    UNTRAINED_FINDING = "UNTRAINED_FINDING"
    """The model lists the finding, but was never trained on it."""
    OVERLOADED = "OVERLOADED"
    """Past the limit of requests in flight; a later try may succeed."""
    CANCELLED = "CANCELLED"
    """The caller went away."""
    INTERNAL = "INTERNAL"
    """A fault of the service."""
    UNAVAILABLE = "UNAVAILABLE"
    """No worker can answer now; a later try may succeed."""
    DEADLINE = "DEADLINE"
    """The answer did not come in time."""


@dataclass(frozen=True)
class Problem:
    """One refused or failed request: a code for programs, a sentence for people.

    ``message`` names what is wrong and what would be right; it never holds the caller's bytes or patient data.
    """

    code: ProblemCode
    """What kind of trouble, for programs."""
    message: str
    retry_after: float | None = None
    """Seconds after which a retry is sensible; only where waiting helps."""


@dataclass(frozen=True)
class ExplainOptions:
    """What a caller may choose about an explanation. ``None`` means the profile's own value."""

    findings: tuple[str, ...] = ()
    """Findings to explain; none = every finding at or above its operating point, else the highest."""
    profile: Profile = Profile.TWO_SIDED
    """How the range of λ is found."""
    frames: int | None = None
    """Number of frames, 2 to 101; ``two-sided`` and ``fixed`` round an even number up to keep λ = 0 a frame."""
    heatmap: HeatmapKind = HeatmapKind.MAX
    """How the frames become one map of change."""
    lambda_min: float | None = None
    """Most negative shift of the ``fixed`` profile, in the model's λ unit; at most 0."""
    lambda_max: float | None = None
    """Most positive shift of the ``fixed`` profile; at least 0."""
    target_change: float | None = None
    """Score change at which ``two-sided`` stops on each side, in (0, 1]."""
    pixel_change: float | None = None
    """Stop when Σ|x(λ) − x₀| exceeds this share of Σ|x₀ − darkest|, in (0, 1]."""
    saliency: tuple[SaliencyKind, ...] = ()
    """Traditional maps to add, each once; they come in this order."""
    source_frame: int = 1
    """Which frame of a DICOM file with several is explained, from 1."""
    least_frames: int | None = None
    """Where the deadline is too near for ``frames``, no fewer than these, at least 2; the receipt and a warning say how
    many were made. ``None`` = as many as were asked for, or DEADLINE."""


@dataclass(frozen=True)
class ExplainRequest:
    """One radiograph and what is asked about it."""

    image: bytes
    """A file's bytes: DICOM, PNG, JPEG or NPY."""
    model: str = ""
    """Name of a served model; empty = the service's default."""
    options: ExplainOptions = field(default_factory=ExplainOptions)
    """What is asked about it."""
    request_id: str = ""
    """Opaque token of the caller for tracing, ``[A-Za-z0-9._-]``, at most 64 characters."""


@dataclass(frozen=True)
class ClassifyRequest:
    """One radiograph to score, without an explanation."""

    image: bytes
    """A file's bytes: DICOM, PNG, JPEG or NPY."""
    model: str = ""
    """Name of a served model; empty = the service's default."""
    request_id: str = ""
    """Opaque token of the caller for tracing, ``[A-Za-z0-9._-]``, at most 64 characters."""


@dataclass(frozen=True)
class PixelScale:
    """The fixed affine map from stored uint8 values to the model's units: ``units = stored * scale + offset``."""

    scale: float
    """Model units per step of the stored value, > 0."""
    offset: float
    """Model units of the stored value 0."""


@dataclass(frozen=True)
class Side:
    """What the search did in one direction of λ."""

    stop: StopReason
    """Why it went no further."""
    limit: float
    """Last λ kept, in the model's unit (negative below, positive above, 0 if not searched)."""
    evaluated: int
    """λs whose scores were needed to decide."""


@dataclass(frozen=True)
class QualityCard:
    """How far this explanation can be trusted: the autoencoder's limits, measured on this very radiograph."""

    ssim: float
    """Structural similarity of radiograph and reconstruction, in [-1, 1]."""
    mae: float
    """Mean absolute error of the reconstruction, in model units."""
    score_gap: float
    """|f(x) − f(D(E(x)))| for this finding, in [0, 1]."""
    drop: float
    """s(0) − min s(λ) over the frames with λ ≤ 0, in [0, 1]."""
    rise: float
    """max s(λ) − s(0) over the frames with λ ≥ 0, in [0, 1]."""
    monotonicity: float
    """Share of neighbouring frame pairs whose score does not fall as λ grows, in [0, 1]."""
    gradient_norm: float
    """‖g‖ of the latent gradient, in score per latent unit."""
    warnings: tuple[str, ...]
    """What a reader must know, in words; empty when nothing stands out."""
    distance: float | None = None
    """How far the latent lies from those of the training radiographs, where 1 is the limit; None = the model says not.

    Above 1 the image is unlike what the model was trained on.
    """

    @property
    def is_stranger(self) -> bool:
        """Whether the image is unlike what the model was trained on, as far as the model can say."""
        return self.distance is not None and self.distance > 1.0


@dataclass(frozen=True)
class FileDigest:
    """A weight file and its SHA-256 in lower-case hexadecimal."""

    name: str
    """The file's name in its model's folder."""
    sha256: str
    """64 hexadecimal digits."""


@dataclass(frozen=True)
class Receipt:
    """Everything needed to repeat an explanation."""

    model: str
    """Name of the model."""
    model_version: str
    """Its version."""
    files: tuple[FileDigest, ...]
    """Its weight files."""
    preprocessing: str
    """What was done to the radiograph before the model saw it, in a sentence."""
    precision: str
    """Of the networks' products: float32, tfloat32, bfloat16 or float16."""
    runtime: str
    """What ran the networks: torch, torch-graph, onnxruntime, tensorrt or openvino."""
    software: str
    """Versions of this project and of torch."""
    options: ExplainOptions
    """The options with every choice settled: this finding alone, and the profile's own values."""


@dataclass(frozen=True)
class SaliencyMap:
    """A traditional map: how much each pixel of the radiograph itself, not of its reconstruction, bears on the score.

    Its scale is its own: maps of different kinds cannot be compared by their values, only by where they are high.
    """

    kind: SaliencyKind
    """Which map it is."""
    values: Float32Array
    """(H, W) float32, ≥ 0."""


@dataclass(frozen=True)
class Explanation:
    """One finding of one radiograph, explained. Arrays are read-only by convention."""

    finding: str
    """The finding that is explained."""
    findings: tuple[str, ...]
    """Names of the columns of ``scores``: every finding of the model."""
    lambdas: Float32Array
    """(R,) float32, ascending, in the model's λ unit."""
    scores: Float32Array
    """(R, F) float32 in [0, 1]: every finding's score on every frame."""
    frames: UInt8Array
    """(R, H, W) uint8: x(λ) over one fixed window; ``scale`` gives model units back."""
    scale: PixelScale
    """From stored values to model units, for ``frames`` and ``radiograph``."""
    heatmap: Float32Array
    """(H, W) float32, ≥ 0, in model units."""
    heatmap_kind: HeatmapKind
    """How the heatmap was made."""
    radiograph: UInt8Array
    """(H, W) uint8: the preprocessed radiograph as the model saw it, same window as ``frames``."""
    radiograph_scores: Float32Array
    """(F,) float32 in [0, 1]: scores of the radiograph itself, not of its reconstruction."""
    operating_point: float
    """Score, in [0, 1], at which the model calls this finding present."""
    below: Side
    """What the search did at λ < 0, where the finding is curtailed."""
    above: Side
    """What the search did at λ > 0, where it is exaggerated."""
    quality: QualityCard
    """How far it can be trusted."""
    receipt: Receipt
    """What is needed to repeat it."""
    notice: str = NOTICE
    """What must be shown with it."""
    saliency: tuple[SaliencyMap, ...] = ()
    """The traditional maps asked for, in the order of the options."""

    @property
    def score_curve(self) -> Float32Array:
        """(R,) float32 in [0, 1]: this finding's own score on every frame."""
        return self.scores[:, self.findings.index(self.finding)]

    @property
    def zero_frame(self) -> int:
        """Index, from 0, of the frame nearest to λ = 0, the reconstruction."""
        return int(np.abs(self.lambdas).argmin())

    @property
    def score(self) -> float:
        """This finding's score on the reconstruction, s(0), in [0, 1]."""
        return float(self.score_curve[self.zero_frame])

    def frames_in_model_units(self) -> Float32Array:
        """(R, H, W) float32: the frames in the model's input units, exact to half a step of ``scale.scale``."""
        return self.frames.astype(np.float32) * np.float32(self.scale.scale) + np.float32(self.scale.offset)


@dataclass(frozen=True)
class FindingScore:
    """One finding's score on a radiograph, with the score at which the model calls it present."""

    finding: str
    """The finding's name, as the model has it."""
    score: float
    """The classifier's score of the radiograph itself, in [0, 1]."""
    operating_point: float
    """Score, in [0, 1], from which the finding counts as present."""
    trained: bool = True
    """False where the weights were never trained on this finding: its score means nothing."""


@dataclass(frozen=True)
class ExplainReply:
    """The answer to one ExplainRequest: an Explanation per finding."""

    explanations: tuple[Explanation, ...]
    """One for each finding, in the order asked for or of the model."""
    request_id: str = ""
    """That of the request, or the service's own."""


@dataclass(frozen=True)
class Progress:
    """How far the service is: ``stage`` is "accepted" or "explained", ``fraction`` in [0, 1]."""

    stage: str
    fraction: float


@dataclass(frozen=True)
class HeatmapReady:
    """A finding's heatmap, ahead of its frames: ``explanation.frames`` is empty."""

    explanation: Explanation
    """All but its frames."""


@dataclass(frozen=True)
class Explained:
    """A finding's whole explanation."""

    explanation: Explanation
    """All of it."""


ExplainEvent: TypeAlias = Progress | HeatmapReady | Explained
"""One message of the stream that answers an ExplainRequest as it becomes ready."""


@dataclass(frozen=True)
class ClassifyReply:
    """The answer to one ClassifyRequest: every finding's score."""

    model: str
    """Name of the model."""
    model_version: str
    """Its version."""
    scores: tuple[FindingScore, ...]
    """One for each finding of the model, in its order."""
    request_id: str = ""
    """That of the request, or the service's own."""


@dataclass(frozen=True)
class ModelInfo:
    """What a caller can know of a served model."""

    name: str
    """What a request names it by."""
    version: str
    """Its manifest's version."""
    summary: str
    """What it is, in one line."""
    input_size: int
    """Side of the square image that the networks see, in pixels."""
    findings: tuple[FindingScore, ...]
    """Names and operating points; ``score`` is not used here (0)."""
    default: bool = False
    """Whether a request that names no model is for it."""
    ready: bool = True
    """Whether it answers now."""


@dataclass(frozen=True)
class StageSeconds:
    """Where a worker's time went for the batch that held this request, in seconds of wall clock, each at least 0.

    ``decode``: bytes to radiographs. ``encode``: the encoder, and the radiographs' own scores. ``gradient``:
    reconstructions and latent gradients. ``search``: the λ ranges. ``frames``: the frames over them. ``saliency``: the
    traditional maps. ``total``: all of it, the time between stages too.
    """

    decode: float = 0.0
    encode: float = 0.0
    gradient: float = 0.0
    search: float = 0.0
    frames: float = 0.0
    saliency: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class WorkReport:
    """What the worker says of how it did a request. Never part of an explanation, which must not depend on load."""

    batch_size: int = 0
    """How many requests the batch held, this one included; 0 = not said."""
    rows: int = 0
    """How many rows the networks were run on for the batch: radiographs encoded, latent gradients, λs probed, and
    images behind traditional maps."""
    stages: StageSeconds = field(default_factory=StageSeconds)
    """The batch's seconds by stage."""
