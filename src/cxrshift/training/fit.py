"""One loop for every network: AdamW under a one-cycle rate, with seeded batches, that a kill does not change.

A run that is started again goes on from its checkpoint and ends with the weights of an undisturbed run: the checkpoint
holds whatever decides the rest of it. Same machine, same number of threads: another number sums in another order,
which changes last digits.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from .checkpoint import Checkpoints, State
from .failures import Interrupted, TrainingError

REPORT_STEPS = 25
"""Steps from one report to the next."""
_AVERAGE_WARM_UP = 20
"""Steps over which the average of the weights lets go of the random ones."""

N = TypeVar("N", bound=nn.Module)

Loss = Callable[[Tensor, torch.Generator], Tensor]
"""The loss of a batch, from its (B,) int64 indices and a seeded generator, both on the training's device."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network is trained."""

    steps: int
    """Steps, each of one batch."""
    batch: int = 32
    """Number of samples in a batch."""
    peak_rate: float = 2e-3
    """Learning rate, > 0, to which the steps rise and from which they fall to 0."""
    weight_decay: float = 1e-3
    """AdamW's, ≥ 0."""
    seed: int = 0
    """What draws batches and noise, from 0."""
    average: float = 0.0
    """Decay, in [0, 1), of a running average of the weights, which then is what is measured and kept; 0 = none."""


@dataclass(frozen=True)
class Later:
    """A loss that takes the first one's place after ``step`` steps."""

    step: int
    loss: Loss


@dataclass(frozen=True)
class Progress:
    """Where a training stands."""

    step: int
    """Steps that are done."""
    steps: int
    """Steps that there are."""
    loss: float
    """The mean over the steps since the last report."""


@dataclass(frozen=True)
class Measured:
    """What a validation found."""

    value: float
    """What the choice of the best weights goes by, in any units: lower is better."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """By name and in units of their own, for people."""


@dataclass(frozen=True)
class Validated(Measured):
    """What the validation after ``step`` steps found."""

    step: int = 0


@dataclass(frozen=True)
class Validation(Generic[N]):
    """Measure the network each ``every`` steps and keep the best; stop after ``patience`` that were no better."""

    measure: Callable[[N], Measured]
    every: int = 250
    patience: int = 0
    """Number of validations; 0 = never stop early."""
    report: Callable[[Validated], None] = lambda validated: None


@dataclass(frozen=True)
class History:
    """How a training went."""

    losses: tuple[tuple[int, float], ...] = ()
    """(step, mean loss since the entry before)."""
    validations: tuple[Validated, ...] = ()

    @property
    def best(self) -> Validated | None:
        """The first of the lowest; its weights are those kept."""
        return min(self.validations, key=lambda validated: validated.value, default=None)

    def is_stale(self, patience: int) -> bool:
        """Whether the last ``patience`` validations were no better than one before them."""
        best = self.best
        return patience > 0 and best is not None and sum(v.step > best.step for v in self.validations) >= patience


def fit(
    network: N,
    samples: int,
    loss: Loss,
    schedule: Schedule,
    *,
    later: Later | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    validation: Validation[N] | None = None,
    checkpoints: Checkpoints | None = None,
    device: str = "cpu",
) -> History:
    """Train ``network``, which is on ``device``, in place, with batches of ``samples`` samples.

    It ends with the weights of the best validation, or of the last step without one. Raises Interrupted when
    ``checkpoints`` asks for a stop, CheckpointError for a checkpoint of another run, and TrainingError when the loss
    is no number any more.
    """
    run = _Run(network, samples, schedule, device)
    if checkpoints and (state := checkpoints.load(device)):
        run.restore(state)
    while run.step < schedule.steps and not (validation and run.history.is_stale(validation.patience)):
        run.advance(later.loss if later and run.step >= later.step else loss, report)
        last = run.step == schedule.steps
        due = validation is not None and (last or run.step % validation.every == 0)
        if validation and due:
            run.validate(validation)
        if not checkpoints:
            continue
        stopping = checkpoints.stop() and not last
        if due or last or stopping or run.step % checkpoints.every == 0:
            checkpoints.save(run.capture())
        if stopping:
            raise Interrupted(run.step, schedule.steps)
    run.finish()
    return run.history


class _Run(Generic[N]):
    """Everything that decides how a training goes on: what a checkpoint keeps."""

    def __init__(self, network: N, samples: int, schedule: Schedule, device: str) -> None:
        self._network, self._samples, self._schedule = network, samples, schedule
        self._parameters = [p for p in network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=schedule.peak_rate, weight_decay=schedule.weight_decay)
        self._cycle = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, schedule.peak_rate, schedule.steps, pct_start=0.15
        )
        self._generator = torch.Generator(device).manual_seed(schedule.seed)
        self._order = torch.empty(0, dtype=torch.int64, device=device)
        self._average = copy.deepcopy(network).requires_grad_(False) if schedule.average else None
        self._best: dict[str, Tensor] | None = None
        self._total = 0.0
        self.step = 0
        self.history = History()
        network.train()

    def advance(self, loss: Loss, report: Callable[[Progress], None]) -> None:
        """One step."""
        schedule = self._schedule
        if len(self._order) < schedule.batch:
            self._order = torch.randperm(self._samples, generator=self._generator, device=self._generator.device)
        batch, self._order = self._order[: schedule.batch], self._order[schedule.batch :]
        value = loss(batch, self._generator)
        self._optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self._cycle.step()
        self._total += float(value.detach())
        self.step += 1
        if self._average:
            self._follow(self._average)
        if self.step % REPORT_STEPS == 0 or self.step == schedule.steps:
            self._report(report)

    def validate(self, validation: Validation[N]) -> None:
        """Measure the network, or the average of its weights, and keep what is the best so far."""
        measured_network = self._average or self._network
        measured_network.eval()
        measured = validation.measure(measured_network)
        self._network.train()
        validated = Validated(measured.value, measured.figures, self.step)
        self.history = History(self.history.losses, (*self.history.validations, validated))
        if self.history.best is validated:
            self._best = copy.deepcopy(measured_network.state_dict())
        validation.report(validated)

    def finish(self) -> None:
        """Leave the network with the weights to keep."""
        average = self._average.state_dict() if self._average else None
        if kept := self._best or average:
            self._network.load_state_dict(kept)
        self._network.eval()

    def capture(self) -> State:
        """What ``restore`` needs to go on as if nothing had happened."""
        return {
            "step": self.step,
            "total": self._total,
            "network": self._network.state_dict(),
            "average": self._average.state_dict() if self._average else None,
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "cycle": self._cycle.state_dict(),
            "generator": self._generator.get_state(),
            "order": self._order.clone(),  # a view would drag its whole storage along
            "losses": [list(entry) for entry in self.history.losses],
            "validations": [asdict(validated) for validated in self.history.validations],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``capture`` returned."""
        self.step, self._total, self._best = state["step"], state["total"], state["best"]
        self._network.load_state_dict(state["network"])
        if self._average:
            self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._cycle.load_state_dict(state["cycle"])
        self._generator.set_state(state["generator"].cpu())
        self._order = state["order"]
        self.history = History(
            tuple((step, loss) for step, loss in state["losses"]),
            tuple(Validated(**validated) for validated in state["validations"]),
        )

    def _follow(self, average: nn.Module) -> None:
        decay = min(self._schedule.average, self.step / (self.step + _AVERAGE_WARM_UP))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), self._network.parameters(), strict=True):
                slow.lerp_(fast, 1.0 - decay)

    def _report(self, report: Callable[[Progress], None]) -> None:
        mean = self._total / (self.step % REPORT_STEPS or REPORT_STEPS)
        if not math.isfinite(mean):
            raise TrainingError(f"The loss is no number any more at step {self.step}; a lower rate may help.")
        self._total = 0.0
        self.history = History((*self.history.losses, (self.step, mean)), self.history.validations)
        report(Progress(self.step, self._schedule.steps, mean))
