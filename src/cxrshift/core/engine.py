"""The engine: radiographs and options in, explanations or problems out, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    SaliencyMap,
    StageSeconds,
)

from ..errors import CodedError
from ..image.radiograph import Radiograph
from .answers import make_explanation, no_probability, say_failure
from .model import LatentModel, Model, as_model
from .options import check_options, choose_findings, settle_options
from .passes import Passes, probabilities
from .preprocess import prepare
from .quality import Likeness, compare, repeat_doubts
from .recent import Encoding, RecentEncodings
from .runtime import Shapes
from .saliency import ROWS_OF_A_MAP, add_maps
from .shift import Failure, Stopwatch, Wanted, shift

ROW_BUDGET = 256
"""Rows in flight at once: bounds memory, not the size of a batch."""
_PACE_SHARE = 0.3
"""Of the latest batch in what a row is expected to take."""
_PACKING_SECONDS = 0.05
"""From the last frame to the caller."""


@dataclass(frozen=True)
class Order:
    """One radiograph and what is asked about it."""

    radiograph: Radiograph
    """The radiograph."""
    options: ExplainOptions
    """What is asked about it, as the caller left it."""
    deadline: float | None = None
    """Moment of ``time.perf_counter()``, in seconds, after which the answer is of no use; decides alone whether
    ``least_frames`` counts."""


@dataclass(frozen=True)
class EngineReply:
    """The answers to a batch of orders, in their order, and how the work went."""

    outcomes: tuple[tuple[Explanation, ...] | Problem, ...]
    """For each order an explanation of each finding, or the Problem that it is."""
    rows: int
    """How many rows the networks were run on: radiographs encoded, latent gradients, λs probed, and images behind
    traditional maps."""
    stages: StageSeconds
    """Where the time went."""


class Engine:
    """Explains and classifies with one model. Holds no state of any request; safe to share where torch is.

    It may remember the encodings of the last ``recent`` radiographs, 0 = none: one that is asked about again, for
    another finding, say, is then not encoded again. That saves time and alters no result.
    """

    def __init__(
        self,
        model: Model | LatentModel,
        *,
        shapes: Shapes | None = None,
        row_budget: int = ROW_BUDGET,
        recent: int = 0,
    ) -> None:
        self.model = as_model(model)
        self.spec = self.model.spec
        self._passes = Passes(self.model, shapes)
        self._budget = row_budget
        self._recent = RecentEncodings(recent, self.spec.files)
        self._pace = 0.0

    def describe(self) -> ModelInfo:
        """What a caller can know of the model."""
        findings = tuple(FindingScore(f.name, 0.0, f.operating_point, f.trained) for f in self.spec.findings)
        return ModelInfo(self.spec.name, self.spec.version, self.spec.summary, self.spec.input_size, findings)

    def classify(self, radiographs: Sequence[Radiograph]) -> tuple[tuple[FindingScore, ...] | Problem, ...]:
        """Every finding's score on each radiograph; a Problem where the model gives no probability."""
        if not radiographs:
            return ()
        return tuple(map(self._finding_scores, self._score(self._prepare(radiographs))))

    def _finding_scores(self, scores: Float32Array) -> tuple[FindingScore, ...] | Problem:
        if not np.isfinite(scores).all():
            return no_probability()
        findings = zip(self.spec.findings, scores, strict=True)
        return tuple(FindingScore(f.name, float(score), f.operating_point, f.trained) for f, score in findings)

    def explain(self, orders: Sequence[Order]) -> EngineReply:
        """Explain a batch. One bad order becomes its own Problem and touches no other; the rest is unchanged."""
        watch = Stopwatch(self._pace)
        outcomes: list[tuple[Explanation, ...] | Problem | None] = [self._refuse(order) for order in orders]
        accepted = [i for i, outcome in enumerate(outcomes) if outcome is None]
        if accepted:
            answers = self._explain_valid([orders[i] for i in accepted], watch)
            for i, answer in zip(accepted, answers, strict=True):
                outcomes[i] = answer if isinstance(answer, Problem) else repeat_doubts(answer, orders[i].radiograph)
        done = tuple(outcome for outcome in outcomes if outcome is not None)
        stages = watch.seconds()
        if watch.rows:
            pace = (stages.search + stages.frames) / watch.rows
            self._pace += (pace - self._pace) * (_PACE_SHARE if self._pace else 1.0)
        return EngineReply(done, watch.rows, stages)

    def _refuse(self, order: Order) -> Problem | None:
        try:
            check_options(order.options, self.spec)
        except CodedError as error:
            return error.to_problem()
        return None

    def _prepare(self, radiographs: Sequence[Radiograph]) -> Tensor:
        return torch.stack([prepare(radiograph, self.spec) for radiograph in radiographs])

    def _score(self, images: Tensor) -> Float32Array:
        return probabilities(self._passes.score(images))

    def _explain_valid(self, orders: list[Order], watch: Stopwatch) -> list[tuple[Explanation, ...] | Problem]:
        with watch.stage("encode"):
            images = self._prepare([order.radiograph for order in orders])
            keys, encodings = self._encode(images, watch)
            scores = [encoding.scores for encoding in encodings]
        outcomes: list[tuple[Explanation, ...] | Problem] = [
            () if np.isfinite(row).all() else no_probability() for row in scores
        ]
        wanted = [
            Wanted(i, column, settle_options(order.options), _frames_deadline(order))
            for i, order in enumerate(orders)
            if not isinstance(outcomes[i], Problem)
            for column in choose_findings(order.options, self.spec, scores[i])
        ]
        maps = self._add_maps(images, wanted, outcomes, watch)
        wanted = list(maps)
        if not wanted:
            return outcomes
        darkest = self.spec.input_range[0]
        latents = torch.stack([encoding.latent for encoding in encodings])
        for want, shifted in shift(self._passes, latents, wanted, darkest=darkest, budget=self._budget, watch=watch):
            so_far = outcomes[want.image]
            if isinstance(so_far, Problem):
                continue
            if isinstance(shifted, Failure):
                outcomes[want.image] = say_failure(self.spec, want, shifted)
                continue
            image, i = images[want.image, 0], want.image
            likeness = encodings[i].likeness
            if likeness is None:  # the same for every finding of a radiograph
                likeness = self._likeness(image, shifted.frames[shifted.zero], latents[i])
                encodings[i] = replace(encodings[i], likeness=likeness)
                self._recent.keep(keys[i], encodings[i])
            explanation = make_explanation(self.spec, self._passes.runtime, want, shifted, image, scores[i], likeness)
            outcomes[i] = (*so_far, replace(explanation, saliency=maps[want]))
        return outcomes

    def _encode(self, images: Tensor, watch: Stopwatch) -> tuple[list[bytes], list[Encoding]]:
        """The hash and the encoding of every image, remembered or made now."""
        keys = [self._recent.key(image) for image in images]
        known = [self._recent.find(key) for key in keys]
        new = [i for i, encoding in enumerate(known) if encoding is None]
        watch.rows += len(new)
        if new:
            own = images[new]
            made = iter(zip(self._passes.encode(own), self._score(own), strict=True))
        encodings = [encoding or Encoding(*next(made)) for encoding in known]
        for i in new:
            self._recent.keep(keys[i], encodings[i])
        return keys, encodings

    def _add_maps(
        self, images: Tensor, wanted: list[Wanted], outcomes: list[tuple[Explanation, ...] | Problem], watch: Stopwatch
    ) -> dict[Wanted, tuple[SaliencyMap, ...]]:
        """The traditional maps of those that can go on; whose maps fail has its Problem put into ``outcomes``."""
        if not any(want.options.saliency for want in wanted):
            return dict.fromkeys(wanted, ())
        with watch.stage("saliency"):
            added = add_maps(self._passes, images, wanted, darkest=self.spec.input_range[0])
        watch.rows += sum(ROWS_OF_A_MAP[kind] for want in wanted for kind in want.options.saliency)
        for want, own in zip(wanted, added, strict=True):
            if isinstance(own, Problem):
                outcomes[want.image] = own
        return {
            want: own
            for want, own in zip(wanted, added, strict=True)
            if not isinstance(own, Problem) and not isinstance(outcomes[want.image], Problem)
        }

    def _likeness(self, image: Tensor, reconstruction: Tensor, latent: Tensor) -> Likeness:
        low, high = self.spec.input_range
        familiarity, limit = self.model.familiarity, self.spec.limits.max_distance
        distance = None if familiarity is None or limit is None else familiarity.distance(latent) / limit
        return compare(image.to(reconstruction), reconstruction, data_range=high - low, distance=distance)


def _frames_deadline(order: Order) -> float | None:
    """When an order's frames must be made, if fewer would do: a little ahead of its deadline, to be packed and sent."""
    if order.deadline is None or order.options.least_frames is None:
        return None
    return order.deadline - _PACKING_SECONDS
