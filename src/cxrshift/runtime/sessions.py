"""ONNX files opened by the libraries that run them: tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ..errors import ModelError

Session = Callable[..., tuple[Tensor, ...]]
"""Float32 tensors of the file's own shapes to new tensors on the same device. Safe to share between threads."""

_ONNX_FAULTS: Final = (RuntimeError, ValueError, NotImplementedError)
_HINTS: Final = {"float32": "f32", "bfloat16": "bf16"}


def open_openvino(path: Path, device: str, precision: str) -> Session:
    """A session of OpenVINO on the CPU. Raises ModelError."""
    settings = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    if threads := torch.get_num_threads():
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    try:
        core = _openvino_core()
        request = core.compile_model(core.read_model(path), "CPU", settings).create_infer_request()
    except _ONNX_FAULTS as error:
        raise ModelError(f"OpenVINO cannot run {path.name} of {path.parent.name}.") from error
    turn = Lock()

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        with turn:  # a request's outputs are its own memory
            results = request.infer([tensor.contiguous().numpy() for tensor in inputs], share_inputs=True)
            return tuple(torch.from_numpy(np.array(value)) for value in results.values())

    return run


def open_onnxruntime(path: Path, device: str, precision: str) -> Session:
    """A session of ONNX Runtime, on the CPU or with CUDA. Raises ModelError."""
    cuda = {"device_id": _index(device), "use_tf32": int(precision == "tfloat32")}
    return _open_onnxruntime(path, device, [("CUDAExecutionProvider", cuda)])


def open_tensorrt(path: Path, device: str, precision: str) -> Session:
    """A session of TensorRT in ONNX Runtime, its engines kept beside the file. Raises ModelError."""
    tensorrt = {
        "device_id": _index(device),
        "trt_fp16_enable": precision == "float16",
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(path.parent / "tensorrt"),
    }
    return _open_onnxruntime(path, device, [("TensorrtExecutionProvider", tensorrt)])


def _open_onnxruntime(path: Path, device: str, providers: Sequence[tuple[str, dict[str, Any]]]) -> Session:
    import onnxruntime

    kind = torch.device(device).type
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    chosen: list[Any] = [*providers] if kind == "cuda" else ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(path, options, providers=chosen)
    except Exception as error:
        raise ModelError(f"ONNX Runtime cannot run {path.name} of {path.parent.name}.") from error
    names = [each.name for each in session.get_inputs()]
    outputs = [(each.name, tuple(each.shape)) for each in session.get_outputs()]

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        # Bound by address: on a GPU nothing is copied through the host.
        given = [tensor.contiguous() for tensor in inputs]
        results = [torch.empty(shape, device=device) for _, shape in outputs]
        binding = session.io_binding()
        for name, tensor in zip(names, given, strict=True):
            binding.bind_input(name, kind, _index(device), np.float32, tuple(tensor.shape), tensor.data_ptr())
        for (name, shape), tensor in zip(outputs, results, strict=True):
            binding.bind_output(name, kind, _index(device), np.float32, shape, tensor.data_ptr())
        if kind == "cuda":
            torch.cuda.current_stream(torch.device(device)).synchronize()  # the provider has a stream of its own
        session.run_with_iobinding(binding)
        return tuple(results)

    return run


def _index(device: str) -> int:
    return torch.device(device).index or 0


@cache
def _openvino_core() -> Any:
    import openvino

    return openvino.Core()


def runs_bfloat16() -> bool:
    """Whether OpenVINO has instructions for bfloat16 on this processor; without them it would be slower, not faster."""
    return "BF16" in _openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
