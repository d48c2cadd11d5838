"""Kubernetes' objects as ``kubectl kustomize`` makes them of the overlays, and the workloads in them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("cpu", "gpu", "kserve")
Object: TypeAlias = Any
"""A parsed manifest: what YAML holds, whose shape is what these tests are about."""


@dataclass(frozen=True)
class Workload:
    """What makes pods: a Deployment, StatefulSet or InferenceService."""

    kind: str
    name: str
    labels: dict[str, str]
    """Of its pods."""
    pod: Object
    """A PodSpec."""


def render(overlay: str) -> tuple[Object, ...]:
    """Every object of an overlay. Skips where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    return _render(overlay)


@cache
def _render(overlay: str) -> tuple[Object, ...]:
    command = ["kubectl", "kustomize", str(ROOT / "k8s/overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(objects: tuple[Object, ...], *kinds: str) -> list[Object]:
    """The objects of those kinds."""
    return [each for each in objects if each["kind"] in kinds]


def workloads(objects: tuple[Object, ...]) -> Iterator[Workload]:
    """What of it makes pods."""
    for each in of_kind(objects, "Deployment", "StatefulSet"):
        template = each["spec"]["template"]
        yield Workload(each["kind"], each["metadata"]["name"], template["metadata"]["labels"], template["spec"])
    for each in of_kind(objects, "InferenceService"):
        predictor = each["spec"]["predictor"]
        yield Workload(each["kind"], each["metadata"]["name"], predictor["labels"], predictor)


def containers(objects: tuple[Object, ...]) -> Iterator[tuple[Workload, Object]]:
    """Every container with the workload that it belongs to."""
    for workload in workloads(objects):
        for container in workload.pod["containers"]:
            yield workload, container


def selects(labels: dict[str, str], selector: Object) -> bool:
    """Whether a label selector fits the labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    asked = {"In": lambda each: labels.get(each["key"]) in each["values"], "Exists": lambda each: each["key"] in labels}
    return all(asked[each["operator"]](each) for each in selector.get("matchExpressions", ()))


def scraped_jobs(file: str) -> dict[str, Object]:
    """The jobs of a configuration of Prometheus, by the names that the rules know."""
    whole = yaml.safe_load((ROOT / "deploy/prometheus" / file).read_text("utf-8"))
    return {job["job_name"]: job for job in whole["scrape_configs"]}


def environment(container: Object) -> dict[str, str]:
    """A container's variables."""
    return {each["name"]: each["value"] for each in container.get("env", ())}
