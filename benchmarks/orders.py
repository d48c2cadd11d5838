"""What the engine is asked for when it is measured, and an answer that is no answer."""

from __future__ import annotations

from collections.abc import Sequence

from cxrshift.core.engine import Engine, Order
from cxrshift.core.model import Model, ModelSpec
from cxrshift.models.loader import load_model
from cxrshift.phantom import generate
from cxrshift_api.types import ExplainOptions, Explanation, Problem, Profile

from . import networks

XRV = "xrv"
"""Names the networks of benchmarks.networks among the installed models."""


def load(name: str, device: str) -> Model:
    """An installed model, or ``xrv``. Raises ModelError."""
    return networks.to_model(networks.untrained(), device) if name == XRV else load_model(name, device=device)


def make_orders(spec: ModelSpec, count: int, *, findings: int = 1, frames: int | None = None) -> list[Order]:
    """``count`` different radiographs; over a range of its own or, where ``frames`` says how many, over a fixed one.

    A fixed range has no search: its work is known beforehand. How far it goes alters no time.
    """
    names = tuple(finding.name for finding in spec.findings if finding.trained)[:findings]
    options = ExplainOptions(names)
    if frames is not None:
        options = ExplainOptions(names, Profile.FIXED, frames=frames, lambda_min=-1.0, lambda_max=1.0)
    return [Order(generate(seed, size=spec.input_size).to_radiograph(), options) for seed in range(count)]


def explain(engine: Engine, orders: Sequence[Order]) -> list[Explanation]:
    """Every explanation asked for. Raises RuntimeError where one is missing: its time would be no explanation's."""
    explanations: list[Explanation] = []
    for outcome in engine.explain(orders).outcomes:
        if isinstance(outcome, Problem):
            raise RuntimeError(outcome.message)
        explanations.extend(outcome)
    return explanations
