"""The engine: radiographs and options in, explanations or problems out, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from torch import Tensor

from cxrshift_api.types import (
    ExplainOptions,
    Explanation,
    FindingScore,
    Float32Array,
    ModelInfo,
    Problem,
    Receipt,
    StageSeconds,
)

from ..errors import CodedError, UnsupportedImage
from ..image.radiograph import Radiograph
from .heatmap import make_heatmap
from .model import LatentModel, Model, as_model
from .options import check_options, choose_findings
from .passes import Passes, Shapes
from .preprocess import describe_preprocessing, pixel_scale, prepare, store
from .profiles import DEFAULT_FRAMES
from .quality import assess
from .shift import Encoded, Shift, Stopwatch, Wanted, encode, shift

ROW_BUDGET = 256
"""Rows in flight at once: bounds memory, not the size of a batch."""


@dataclass(frozen=True)
class Order:
    """One radiograph and what is asked about it."""

    radiograph: Radiograph
    options: ExplainOptions


@dataclass(frozen=True)
class EngineReply:
    """The answers to a batch of orders, in their order, and how the work went."""

    outcomes: tuple[tuple[Explanation, ...] | Problem, ...]
    rows: int
    stages: StageSeconds


class Engine:
    """Explains and classifies with one model. Holds no state of any request; safe to share where torch is."""

    def __init__(
        self, model: Model | LatentModel, *, shapes: Shapes | None = None, row_budget: int = ROW_BUDGET
    ) -> None:
        self.model = as_model(model)
        self.spec = self.model.spec
        self._passes = Passes(self.model, shapes)
        self._budget = row_budget

    def describe(self) -> ModelInfo:
        """What a caller can know of the model."""
        findings = tuple(FindingScore(f.name, 0.0, f.operating_point, f.trained) for f in self.spec.findings)
        return ModelInfo(self.spec.name, self.spec.version, self.spec.summary, self.spec.input_size, findings)

    def classify(self, radiographs: Sequence[Radiograph]) -> tuple[tuple[FindingScore, ...], ...]:
        """Every finding's score on each radiograph."""
        if not radiographs:
            return ()
        scores = self._score(torch.stack([prepare(r, self.spec) for r in radiographs]))
        return tuple(
            tuple(
                FindingScore(f.name, float(s), f.operating_point, f.trained)
                for f, s in zip(self.spec.findings, row, strict=True)
            )
            for row in scores
        )

    def explain(self, orders: Sequence[Order]) -> EngineReply:
        """Explain a batch. One bad order becomes its own Problem and touches no other; the rest is unchanged."""
        watch = Stopwatch()
        outcomes: list[tuple[Explanation, ...] | Problem | None] = [self._refuse(order) for order in orders]
        accepted = [i for i, outcome in enumerate(outcomes) if outcome is None]
        if accepted:
            answers = self._explain_valid([orders[i] for i in accepted], watch)
            for i, answer in zip(accepted, answers, strict=True):
                outcomes[i] = answer
        done = tuple(outcome for outcome in outcomes if outcome is not None)
        return EngineReply(done, watch.rows, watch.seconds())

    def _refuse(self, order: Order) -> Problem | None:
        try:
            check_options(order.options, self.spec)
        except CodedError as error:
            return error.to_problem()
        return None

    def _score(self, images: Tensor) -> Float32Array:
        return self._passes.score(images).float().cpu().numpy()

    def _explain_valid(self, orders: list[Order], watch: Stopwatch) -> list[tuple[Explanation, ...] | Problem]:
        with watch.stage("encode"):
            images = torch.stack([prepare(order.radiograph, self.spec) for order in orders])
            scores = self._score(images)
            encoded = encode(self._passes, images, budget=self._budget)
        watch.rows += len(orders)
        wanted = [
            Wanted(i, column, order.options)
            for i, order in enumerate(orders)
            for column in choose_findings(order.options, self.spec, scores[i])
        ]
        darkest = self.spec.input_range[0]
        shifts = shift(self._passes, encoded, wanted, darkest=darkest, budget=self._budget, watch=watch)
        outcomes: list[tuple[Explanation, ...] | Problem] = [() for _ in orders]
        with watch.stage("frames"):
            for want, shifted in zip(wanted, shifts, strict=True):
                so_far = outcomes[want.image]
                if isinstance(so_far, Problem):
                    continue
                if shifted is None:
                    outcomes[want.image] = self._unmoved(want)
                    continue
                explanation = self._explanation(want, shifted, images[want.image], scores[want.image], encoded)
                outcomes[want.image] = (*so_far, explanation)
        return outcomes

    def _unmoved(self, want: Wanted) -> Problem:
        """A blank heatmap would look like a result; say instead that there is none."""
        finding = self.spec.findings[want.column].name
        return UnsupportedImage(
            f"The score of {finding} does not respond to the latent code of this image, so no shift can explain it. "
            "Ask for another finding, or send a frontal chest radiograph."
        ).to_problem()

    def _explanation(
        self, want: Wanted, shifted: Shift, image: Tensor, scores: Float32Array, encoded: Encoded
    ) -> Explanation:
        reconstruction = encoded.reconstructions[want.image, 0]
        start = float(encoded.scores[want.image, want.column])
        low, high = self.spec.input_range
        finding = self.spec.findings[want.column]
        kind = want.options.heatmap
        quality = assess(
            radiograph=image[0].to(reconstruction),
            reconstruction=reconstruction,
            data_range=high - low,
            score_gap=abs(float(scores[want.column]) - start),
            curve=shifted.scores[:, want.column],
            zero=int(np.abs(shifted.lambdas).argmin()),
            gradient_norm=shifted.gradient_norm,
            found=shifted.found,
        )
        return Explanation(
            finding=finding.name,
            findings=tuple(f.name for f in self.spec.findings),
            lambdas=shifted.lambdas.astype(np.float32),
            scores=shifted.scores,
            frames=store(shifted.frames, self.spec),
            scale=pixel_scale(self.spec),
            heatmap=make_heatmap(shifted.frames, reconstruction, kind).float().cpu().numpy(),
            heatmap_kind=kind,
            radiograph=store(image[0], self.spec),
            radiograph_scores=scores,
            operating_point=finding.operating_point,
            below=shifted.found.below,
            above=shifted.found.above,
            quality=quality,
            receipt=self._receipt(want.options, finding.name),
        )

    def _receipt(self, options: ExplainOptions, finding: str) -> Receipt:
        frames = options.frames or DEFAULT_FRAMES[options.profile]
        return Receipt(
            model=self.spec.name,
            model_version=self.spec.version,
            files=self.spec.files,
            preprocessing=describe_preprocessing(self.spec),
            precision=self.spec.precision,
            runtime=self.spec.runtime,
            software=_software(),
            options=replace(options, findings=(finding,), frames=frames),
        )


def _software() -> str:
    try:
        own = version("cxrshift")
    except PackageNotFoundError:  # run from a bare source tree, as on a machine that only measures the core
        own = "source"
    return f"cxrshift {own}, torch {torch.__version__}"
