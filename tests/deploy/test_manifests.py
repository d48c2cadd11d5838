"""The manifests by themselves: they render, and Kubernetes and the operators would take every field of them."""

from __future__ import annotations

import copy

import jsonschema
import kubernetes_validate
import pytest

from tests.deploy.crd_oracles import KUBERNETES, check_inference_service, check_service_monitor
from tests.deploy.manifests import OVERLAYS, Object, containers, of_kind, render, selects, workloads

CUSTOM = {"ServiceMonitor": check_service_monitor, "InferenceService": check_inference_service}
EXPECTED = {
    "cpu": {"Deployment": 2, "StatefulSet": 1, "HorizontalPodAutoscaler": 2, "PodDisruptionBudget": 2},
    "gpu": {"Deployment": 2, "StatefulSet": 1, "HorizontalPodAutoscaler": 2, "PodDisruptionBudget": 2},
    "kserve": {"InferenceService": 1, "StatefulSet": 1, "Deployment": 0, "HorizontalPodAutoscaler": 0},
}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_field_is_one_that_kubernetes_knows(overlay: str) -> None:
    for each in render(overlay):
        if each["kind"] in CUSTOM:
            CUSTOM[each["kind"]](each)
        else:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_holds_what_it_is_for(overlay: str) -> None:
    objects = render(overlay)
    assert {kind: len(of_kind(objects, kind)) for kind in EXPECTED[overlay]} == EXPECTED[overlay]
    assert {each["metadata"].get("namespace", "cxrshift") for each in objects} == {"cxrshift"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_in_a_manifest(overlay: str) -> None:
    assert of_kind(render(overlay), "Secret") == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_container_has_more_rights_than_it_needs(overlay: str) -> None:
    for workload, container in containers(render(overlay)):
        pod, locked = workload.pod["securityContext"], container["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == 65532
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert workload.pod["automountServiceAccountToken"] is False
        assert locked == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
        assert "memory" in container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert {"startupProbe", "livenessProbe"} <= set(container)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_reached_that_no_policy_names(overlay: str) -> None:
    objects = render(overlay)
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for workload in workloads(objects):
        ways = [
            (rule["from"], port["port"])
            for spec in policies.values()
            if selects(workload.labels, spec["podSelector"])
            for rule in spec.get("ingress", ())
            for port in rule["ports"]
        ]
        assert all(sources for sources, _ in ways)
        if workload.labels["app.kubernetes.io/component"] == "torchserve":
            gateways = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "gateway"}}}
            assert ways == [([gateways], 7070)]


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_a_drain_of_a_node_takes_one_pod_of_each_kind_at_a_time(overlay: str) -> None:
    objects = render(overlay)
    for deployment in of_kind(objects, "Deployment"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        budgets = [b for b in of_kind(objects, "PodDisruptionBudget") if selects(labels, b["spec"]["selector"])]
        assert [budget["spec"]["maxUnavailable"] for budget in budgets] == [1]
        spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        assert all(selects(labels, each["labelSelector"]) for each in spread)


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_an_autoscaler_has_the_number_of_replicas_to_itself(overlay: str) -> None:
    objects = render(overlay)
    targets = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(objects, "HorizontalPodAutoscaler")}
    assert targets == {each["metadata"]["name"] for each in of_kind(objects, "Deployment")}
    assert not [each for each in of_kind(objects, "Deployment") if "replicas" in each["spec"]]


def test_each_torchserve_of_the_gpu_overlay_has_a_gpu() -> None:
    limits = {
        (workload.name, container["name"]): container["resources"]["limits"].get("nvidia.com/gpu")
        for workload, container in containers(render("gpu"))
    }
    assert {key for key, gpus in limits.items() if gpus == "1"} == {("torchserve", "torchserve")}
    (torchserve,) = (c for _, c in containers(render("gpu")) if c["name"] == "torchserve")
    assert "--gpu" in torchserve["args"]


def misspell(service: Object, *path: str | int) -> Object:
    """A copy in which the field at the path has another name."""
    wrong = copy.deepcopy(service)
    table = wrong
    for part in path[:-1]:
        table = table[part]
    table[f"{path[-1]}s"] = table.pop(path[-1])
    return wrong


@pytest.mark.parametrize(
    "path", [("spec", "predictor", "minReplicas"), ("spec", "predictor", "containers", 0, "livenessProbe")]
)
def test_a_misspelt_field_of_an_inference_service_is_found(path: tuple[str | int, ...]) -> None:
    (service,) = of_kind(render("kserve"), "InferenceService")
    with pytest.raises((AssertionError, kubernetes_validate.ValidationError)):
        check_inference_service(misspell(service, *path))


@pytest.mark.parametrize("path", [("spec", "selector"), ("spec", "endpoints", 0, "interval")])
def test_a_misspelt_field_of_a_service_monitor_is_found(path: tuple[str | int, ...]) -> None:
    (monitor,) = of_kind(render("cpu"), "ServiceMonitor")
    with pytest.raises(jsonschema.ValidationError):
        check_service_monitor(misspell(monitor, *path))
