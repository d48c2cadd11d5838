"""What the kinds that Kubernetes itself does not know may hold, as their own projects' packages say it.

``ServiceMonitor`` by the models made of Prometheus Operator's CRDs; ``InferenceService`` by KServe's SDK, whose
predictor is a pod's specification with fields of KServe's own.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

from tests.deploy.manifests import Object

_PRIMITIVES = {"int": int, "str": str, "bool": bool, "dict(str, str)": dict}
KUBERNETES = "1.32"


@cache
def service_monitor_schema() -> dict[str, Any]:
    """The kind's JSON schema, in which no field may stand that it does not name."""
    from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor

    schema: dict[str, Any] = ServiceMonitor.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        if "properties" in part:
            part.setdefault("additionalProperties", False)
    return schema


def check_service_monitor(monitor: Object) -> None:
    """Raise ValidationError where it breaks Prometheus Operator's schema."""
    jsonschema.validate(monitor, service_monitor_schema())


@cache
def kserve_fields(kind: str) -> dict[str, str]:
    """The fields of one of KServe's types, by their JSON names, with the type of each."""
    spec = find_spec("kserve")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    # Read, not imported: the package itself wants a server's worth of others.
    source = (Path(spec.submodule_search_locations[0]) / "models" / f"{kind}.py").read_text("utf-8")
    tables: dict[str, dict[str, str]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Dict):
            tables[node.targets[0].id] = ast.literal_eval(node.value)
    return {tables["attribute_map"][name]: declared for name, declared in tables["openapi_types"].items()}


def check_inference_service(service: Object) -> None:
    """Raise AssertionError or kubernetes_validate's error where it breaks KServe's types or Kubernetes' PodSpec."""
    assert set(service) <= set(kserve_fields("v1beta1_inference_service"))
    assert set(service["spec"]) <= set(kserve_fields("v1beta1_inference_service_spec"))
    predictor, fields = service["spec"]["predictor"], kserve_fields("v1beta1_predictor_spec")
    assert set(predictor) <= set(fields), sorted(set(predictor) - set(fields))
    extension = set(kserve_fields("v1beta1_component_extension_spec"))
    for name in extension & set(predictor):
        assert isinstance(predictor[name], _PRIMITIVES[fields[name]]), name
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}}
    pod["spec"] = {name: value for name, value in predictor.items() if name not in extension}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)
