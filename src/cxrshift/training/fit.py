"""One loop for every network: AdamW under a one-cycle rate, with seeded batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: ``steps`` of ``batch`` samples, the rate rising to ``peak_rate`` and ending at 0."""

    steps: int
    batch: int = 32
    peak_rate: float = 2e-3
    weight_decay: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """Where a training stands; ``loss`` is the mean over the steps since the last report."""

    step: int
    steps: int
    loss: float


REPORT_STEPS = 25


def fit(
    network: nn.Module,
    samples: int,
    loss: Callable[[Tensor, torch.Generator], Tensor],
    schedule: Schedule,
    *,
    report: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Train ``network`` in place. ``loss`` gets the (B,) int64 indices of a batch and a seeded generator."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=schedule.peak_rate, weight_decay=schedule.weight_decay)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, schedule.peak_rate, schedule.steps, pct_start=0.15)
    generator = torch.Generator().manual_seed(schedule.seed)
    network.train()
    order, total = torch.empty(0, dtype=torch.int64), 0.0
    for step in range(1, schedule.steps + 1):
        if len(order) < schedule.batch:
            order = torch.randperm(samples, generator=generator)
        batch, order = order[: schedule.batch], order[schedule.batch :]
        value = loss(batch, generator)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        cycle.step()
        total += float(value.detach())
        if step % REPORT_STEPS == 0 or step == schedule.steps:
            since = step % REPORT_STEPS or REPORT_STEPS
            report(Progress(step, schedule.steps, total / since))
            total = 0.0
    network.eval()
