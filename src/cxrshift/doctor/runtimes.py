"""What could run exported networks instead of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

from .checks import Check, State
from .packages import installed_version

TOPIC = "Runtimes"


def check_runtimes(
    there: Callable[[str], bool] = lambda module: find_spec(module) is not None,
    version_of: Callable[[str], str | None] = installed_version,
) -> Iterator[Check]:
    """ONNX Runtime, OpenVINO and TensorRT; none is imported. All of them need onnxscript, which exports."""
    exporter = there("onnxscript")
    for name, module, packages, extra in (
        ("ONNX Runtime", "onnxruntime", ("onnxruntime", "onnxruntime-gpu"), "runtimes"),
        ("OpenVINO", "openvino", ("openvino",), "runtimes"),
        ("TensorRT", "tensorrt", ("tensorrt",), ""),
    ):
        if not there(module):
            remedy = f"pip install 'cxrshift[{extra}]'" if extra else ""
            why = "not installed; torch runs the networks" if extra else "not installed; for GPUs alone"
            yield Check(TOPIC, name, State.SKIP, why, remedy)
            continue
        version = next((found for package in packages if (found := version_of(package))), "of an unknown version")
        both = sum(version_of(package) is not None for package in packages) > 1
        if both:
            found = f"{version}; both {' and '.join(packages)} are installed and overwrite each other"
            yield Check(TOPIC, name, State.WARN, found, f"pip uninstall {' '.join(packages)}, then install one of them")
        elif not exporter:
            found = f"{version}; without onnxscript, which exports networks for it"
            yield Check(TOPIC, name, State.WARN, found, f"pip install 'cxrshift[{extra or 'gpu'}]'")
        else:
            yield Check(TOPIC, name, State.OK, version)
