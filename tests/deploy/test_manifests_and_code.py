"""The manifests against the code: a port, path, variable, model or metric that one of them renames fails here."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import yaml

from cxrshift.cli.app import app
from cxrshift.config import Settings
from cxrshift.gateway.metrics import Metrics
from cxrshift.models.folders import STORE_VARIABLE, shipped_models_folder
from cxrshift.pacs.bridge.settings import BridgeSettings, load_settings
from cxrshift.serving import probe
from cxrshift.serving.store import StoreSettings
from tests.deploy.code_facts import TORCHSERVE_GRPC, TORCHSERVE_REST, image_targets, operator_paths, settings_of
from tests.deploy.manifests import (
    OVERLAYS,
    ROOT,
    Object,
    Workload,
    containers,
    environment,
    of_kind,
    render,
    scraped_jobs,
    selects,
    workloads,
)

DEFAULTS = Settings()
GATEWAY_PORTS = {DEFAULTS.rest_port, DEFAULTS.grpc_port, DEFAULTS.metrics_port}


def containers_that_run(overlay: str, *words: str) -> Iterator[tuple[Workload, Object]]:
    """The containers whose command line begins with these words; a gateway's may be the image's own."""
    for workload, container in containers(render(overlay)):
        if tuple(container.get("args", ["python", "-m", "cxrshift.gateway"]))[: len(words)] == words:
            yield workload, container


def gateways(overlay: str) -> list[tuple[Workload, Object]]:
    return list(containers_that_run(overlay, "python", "-m", "cxrshift.gateway"))


def torchserves(overlay: str) -> list[tuple[Workload, Object]]:
    return list(containers_that_run(overlay, "cxrshift", "torchserve"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_a_gateway_a_torchserve_or_a_bridge(overlay: str) -> None:
    bridges = list(containers_that_run(overlay, "cxrshift", "pacs", "serve"))
    assert [len(gateways(overlay)), len(torchserves(overlay)), len(bridges)] == [1, 1, 1]
    assert len(list(containers(render(overlay)))) == 3


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_variable_is_a_setting_and_its_value_one_that_the_gateway_takes(overlay: str) -> None:
    ((_, gateway),) = gateways(overlay)
    settings = settings_of(environment(gateway))
    assert settings.models == ("cxr-small",)
    ((_, torchserve),) = torchserves(overlay)
    assert set(environment(torchserve)) <= {STORE_VARIABLE}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_gateway_has_time_to_drain(overlay: str) -> None:
    ((workload, gateway),) = gateways(overlay)
    settings = settings_of(environment(gateway))
    assert settings.drain_delay > 0
    assert workload.pod["terminationGracePeriodSeconds"] >= settings.drain_delay + settings.drain_seconds + 10


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_torchserve_outlives_the_calls_that_it_has(overlay: str) -> None:
    ((workload, torchserve),) = torchserves(overlay)
    pause = torchserve["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = workload.pod["terminationGracePeriodSeconds"]
    if (together := gateways(overlay)[0])[0].name == workload.name:  # one pod: both are told to stop at once
        settings = settings_of(environment(together[1]))
        assert pause >= settings.drain_delay + settings.drain_seconds
        assert grace > pause
    else:
        assert grace >= pause + StoreSettings().response_timeout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_gateways_are_probed_on_pages_of_the_operators_port(overlay: str) -> None:
    ((_, gateway),) = gateways(overlay)
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert set(ports.values()) == GATEWAY_PORTS
    asked = {kind: gateway[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    paths = {kind: get["path"] for kind, get in asked.items()}
    assert paths == {"startupProbe": "/startupz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert set(paths.values()) <= operator_paths()
    assert {ports.get(get["port"], get["port"]) for get in asked.values()} == {DEFAULTS.metrics_port}
    assert gateway["readinessProbe"]["timeoutSeconds"] > DEFAULTS.readiness_timeout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_torchserves_probes_ask_each_model_that_it_serves_and_the_gateway_names(overlay: str) -> None:
    ((_, gateway),) = gateways(overlay)
    ((_, torchserve),) = torchserves(overlay)
    given = [torchserve["args"][i + 1] for i, word in enumerate(torchserve["args"]) if word == "--model"]
    assert tuple(given) == settings_of(environment(gateway)).models
    assert all((shipped_models_folder() / model).is_dir() for model in given)
    probes = [kind for kind in ("startupProbe", "livenessProbe", "readinessProbe") if kind in torchserve]
    for kind in probes:
        python, dash, module, *arguments = torchserve[kind]["exec"]["command"]
        assert (python, dash, module) == ("python", "-m", probe.__name__)
        asked = probe.parse_arguments(arguments)
        assert (asked.where, asked.models) == (f"127.0.0.1:{TORCHSERVE_REST}", given)
        assert asked.timeout < torchserve[kind]["timeoutSeconds"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_command_lines_are_ones_that_the_command_takes(overlay: str) -> None:
    command = typer.main.get_command(app)
    for _, container in containers(render(overlay)):
        words = container.get("args", [])
        if words[:1] == ["cxrshift"]:
            context = command.make_context("cxrshift", list(words[1:]), resilient_parsing=False)
            chosen, path = command, []
            while hasattr(chosen, "resolve_command"):
                name, chosen, rest = chosen.resolve_command(context, [*context._protected_args, *context.args])
                path.append(name)
                context = chosen.make_context(name, list(rest), parent=context)
            assert path in (["torchserve"], ["pacs", "serve"])


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_services_and_policies_lead_to_ports_that_are_there(overlay: str) -> None:
    objects = render(overlay)
    for service in of_kind(objects, "Service"):
        (workload,) = [w for w in workloads(objects) if selects(w.labels, {"matchLabels": service["spec"]["selector"]})]
        ports = {port["name"]: port["containerPort"] for c in workload.pod["containers"] for port in c["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
    headless = {s["metadata"]["name"] for s in of_kind(objects, "Service") if s["spec"].get("clusterIP") == "None"}
    assert headless == {"gateway-headless", "torchserve"}
    ((_, gateway),) = gateways(overlay)
    assert settings_of(environment(gateway)).upstream == f"dns:///torchserve:{TORCHSERVE_GRPC}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_policies_open_ports_that_are_there(overlay: str) -> None:
    objects = render(overlay)
    for policy in of_kind(objects, "NetworkPolicy"):
        for workload in workloads(objects):
            if policy["spec"].get("ingress") and selects(workload.labels, policy["spec"]["podSelector"]):
                there = {port["containerPort"] for c in workload.pod["containers"] for port in c.get("ports", ())}
                opened = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
                assert opened <= there, policy["metadata"]["name"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_images_are_targets_of_the_dockerfile(overlay: str) -> None:
    tags = {container["image"].rpartition(":")[2] for _, container in containers(render(overlay))}
    assert tags <= image_targets()
    assert {c["image"] for _, c in containers(render(overlay))} == {f"registry.example/cxrshift:{tag}" for tag in tags}


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_prometheus_finds_the_metrics_of_gateways_and_bridge(overlay: str) -> None:
    objects = render(overlay)
    (monitor,) = of_kind(objects, "ServiceMonitor")
    found = {}
    for service in of_kind(objects, "Service"):
        if selects(service["metadata"]["labels"], monitor["spec"]["selector"]):
            ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
            job = service["metadata"]["labels"][monitor["spec"]["jobLabel"]]
            found[job] = ports[monitor["spec"]["endpoints"][0]["port"]]
    assert found == {
        "cxrshift-gateway": DEFAULTS.metrics_port,
        "cxrshift-bridge": bridge_settings(overlay).metrics.port,
    }
    assert set(found) == set(scraped_jobs("prometheus.yml"))
    assert monitor["spec"]["endpoints"][0]["path"] in operator_paths()


@pytest.mark.parametrize("overlay", ["cpu", "gpu"])
def test_workers_are_scaled_by_a_metric_that_is_recorded_of_one_that_the_gateway_has(overlay: str) -> None:
    (scaler,) = [
        s for s in of_kind(render(overlay), "HorizontalPodAutoscaler") if s["metadata"]["name"] == "torchserve"
    ]
    (metric,) = scaler["spec"]["metrics"]
    adapter = yaml.safe_load((ROOT / "k8s/prometheus-adapter.yaml").read_text("utf-8"))
    (rule,) = adapter["rules"]["external"]
    assert metric["external"]["metric"]["name"] == rule["name"]["as"]
    series = rule["seriesQuery"]
    assert series in rule["metricsQuery"]
    rules = ROOT / "deploy/prometheus/recording.yml"
    recorded = {
        each["record"]: each["expr"]
        for group in yaml.safe_load(rules.read_text("utf-8"))["groups"]
        for each in group["rules"]
    }
    names = {sample.name for family in Metrics().registry.collect() for sample in family.samples}
    assert "cxrshift_queue_seconds_bucket" in names
    assert "cxrshift_queue_seconds_bucket" in recorded[series]


def bridge_settings(overlay: str) -> BridgeSettings:
    """The bridge's file in an overlay."""
    (config,) = of_kind(render(overlay), "ConfigMap")
    return BridgeSettings.model_validate(tomllib.loads(config["data"]["bridge.toml"]))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_bridges_file_is_one_that_it_takes_and_its_pod_has_what_it_names(overlay: str) -> None:
    settings = bridge_settings(overlay)
    (bridge,) = of_kind(render(overlay), "StatefulSet")
    (container,) = bridge["spec"]["template"]["spec"]["containers"]
    assert settings.scp is not None
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"dimse": settings.scp.port, "operator": settings.metrics.port}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    files = [settings.spool.folder, settings.service.token_file, settings.service.tls.trusted]
    for file in filter(None, files):
        assert mounts & {str(place) for place in (file, *file.parents)}
    assert bridge["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > settings.drain_seconds


def test_compose_bridges_file_is_one_that_it_takes() -> None:
    assert load_settings(Path(ROOT / "deploy/bridge/bridge.toml")).service.address == "grpc://gateway:8001"
