"""compose.yaml and the Dockerfile against the code, and against what a container may do."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from cxrshift.config import Settings
from cxrshift.pacs.bridge.settings import load_settings
from cxrshift.serving import probe
from cxrshift.serving.store import StoreSettings
from tests.deploy.code_facts import TORCHSERVE_GRPC, TORCHSERVE_REST, image_targets, operator_paths, settings_of
from tests.deploy.manifests import ROOT, scraped_jobs

COMPOSE: Any = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
TLS: Any = yaml.safe_load((ROOT / "compose.tls.yaml").read_text("utf-8"))
SERVICES: Any = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
DEFAULTS = Settings()


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def published(service: Any) -> list[tuple[str, int]]:
    """Addresses and ports that a service is reached at from outside."""
    ways = [port.rpartition(":")[0].rpartition(":") for port in service.get("ports", ())]
    return [(address, int(port)) for address, _, port in ways]


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_of_compose_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"][0].startswith("/tmp:")
    assert all("127.0.0.1" in address for address, _ in published(service))


def test_torchserve_is_reached_by_the_gateway_alone() -> None:
    assert "ports" not in SERVICES["torchserve"]
    assert SERVICES["torchserve"]["networks"] == ["workers"]
    assert COMPOSE["networks"]["workers"] == {"internal": True}
    assert {name for name, each in SERVICES.items() if "workers" in each["networks"]} == {"torchserve", "gateway"}


def test_the_gateways_variables_are_settings_with_and_without_tls() -> None:
    plain = settings_of(SERVICES["gateway"]["environment"])
    assert plain.upstream == f"torchserve:{TORCHSERVE_GRPC}"
    assert plain.tls_certificate is None
    both = settings_of(SERVICES["gateway"]["environment"] | TLS["services"]["gateway"]["environment"])
    secrets = {*SERVICES["gateway"]["secrets"], *TLS["services"]["gateway"]["secrets"]}
    named = {both.api_keys_file, both.tls_certificate, both.tls_key}
    assert {str(path) for path in named} == {f"/run/secrets/{name}" for name in secrets}
    assert secrets <= set(COMPOSE["secrets"] | TLS["secrets"])
    assert {port for _, port in published(SERVICES["gateway"])} == {DEFAULTS.rest_port, DEFAULTS.grpc_port}


def test_what_is_stopped_has_time_to_finish() -> None:
    settings = settings_of(SERVICES["gateway"]["environment"])
    assert seconds(SERVICES["gateway"]["stop_grace_period"]) >= settings.drain_delay + settings.drain_seconds + 10
    assert seconds(SERVICES["torchserve"]["stop_grace_period"]) > StoreSettings().response_timeout
    bridge = load_settings(ROOT / "deploy/bridge/bridge.toml")
    assert seconds(SERVICES["bridge"]["stop_grace_period"]) >= bridge.drain_seconds + 10


def test_the_healthchecks_ask_what_is_there() -> None:
    health = SERVICES["torchserve"]["healthcheck"]
    kind, python, dash, module, *arguments = health["test"]
    assert (kind, python, dash, module) == ("CMD", "python", "-m", probe.__name__)
    asked = probe.parse_arguments(arguments)
    command = SERVICES["torchserve"]["command"]
    assert (asked.where, asked.models) == (f"127.0.0.1:{TORCHSERVE_REST}", [command[command.index("--model") + 1]])
    assert tuple(asked.models) == settings_of(SERVICES["gateway"]["environment"]).models
    assert asked.timeout < seconds(health["timeout"])
    bridge = load_settings(ROOT / "deploy/bridge/bridge.toml")
    assert SERVICES["bridge"]["healthcheck"]["test"][-1] == f"http://127.0.0.1:{bridge.metrics.port}/metrics"


def test_prometheus_asks_the_containers_for_the_jobs_that_the_rules_know() -> None:
    assert "--config.file=/etc/prometheus/compose.yml" in SERVICES["prometheus"]["command"]
    jobs = scraped_jobs("compose.yml")
    assert set(jobs) == set(scraped_jobs("prometheus.yml"))
    asked = {name: (found["names"], found["port"]) for name, job in jobs.items() for found in job["dns_sd_configs"]}
    bridge = load_settings(ROOT / "deploy/bridge/bridge.toml")
    assert asked == {
        "cxrshift-gateway": (["gateway"], DEFAULTS.metrics_port),
        "cxrshift-bridge": (["bridge"], bridge.metrics.port),
    }
    for name in ("gateway", "bridge"):
        assert set(SERVICES["prometheus"]["networks"]) & set(SERVICES[name]["networks"])


def test_the_images_are_targets_of_the_dockerfile_and_orthanc_calls_the_bridge_by_its_name() -> None:
    for service in SERVICES.values():
        if "build" in service:
            assert service["build"]["target"] in image_targets()
            assert service["image"].endswith(f"-cxrshift:{service['build']['target']}}}")
    bridge, orthanc = load_settings(ROOT / "deploy/bridge/bridge.toml"), (ROOT / "deploy/orthanc/orthanc.json")
    told: Any = yaml.safe_load(orthanc.read_text("utf-8"))
    assert bridge.scp is not None
    assert told["DicomModalities"]["CXRSHIFT"] == [bridge.scp.ae_title, "bridge", bridge.scp.port]
    archive = bridge.destinations["archive"]
    assert archive.kind == "dimse"
    assert (archive.host, archive.port, archive.ae_title) == ("orthanc", told["DicomPort"], told["DicomAet"])
    assert told["DicomAet"] in bridge.scp.callers


def test_the_dockerfile_has_the_targets_and_can_be_given_another_base() -> None:
    assert image_targets() == {"gateway", "cpu", "gpu"}
    first = re.findall(r"^(ARG|FROM)", DOCKERFILE, flags=re.MULTILINE)[0]
    assert first == "ARG"
    bases = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    stages = {stage for _, stage in bases}
    assert all(base in {"${BASE_IMAGE}", *stages} for base, _ in bases)
    assert bases[-1][1] == "cpu"


def test_the_dockerfiles_ports_pages_and_user_are_the_codes() -> None:
    (exposed,) = re.findall(r"^EXPOSE (.*)$", DOCKERFILE, flags=re.MULTILINE)
    assert {int(port) for port in exposed.split()} == {DEFAULTS.rest_port, DEFAULTS.grpc_port, DEFAULTS.metrics_port}
    (module, port, page) = re.findall(r"CMD python -m (\S+) \"http://127.0.0.1:\$\{(\S+):-8002\}(/\w+)\"", DOCKERFILE)[
        0
    ]
    assert (module, port) == (probe.__name__, "CXRSHIFT_METRICS_PORT")
    assert page in operator_paths()
    (user,) = re.findall(r"^USER (.*)$", DOCKERFILE, flags=re.MULTILINE)
    assert user == "65532:65532"
    variables = dict(re.findall(r"\b(CXRSHIFT_\w+)=(\S+)", DOCKERFILE))
    assert settings_of(variables).host == "0.0.0.0"


def test_the_dockerfile_installs_extras_that_there_are() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = re.findall(r"install\.sh extras (.*)$", DOCKERFILE, flags=re.MULTILINE)
    assert len(named) == 3
    assert {extra for line in named for extra in line.split()} <= set(extras)


def test_everything_that_the_image_is_built_of_is_sent_to_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, flags=re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert any(source == kept[1:] or source.startswith(kept[1:] + "/") for kept in ignored if kept[0] == "!")
