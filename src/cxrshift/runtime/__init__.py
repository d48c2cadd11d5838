"""How a model's passes are run: torch as it is, torch on simplified graphs, ONNX Runtime, TensorRT, OpenVINO."""

from .choice import AUTO, RUNTIMES, Speed, available, fastest, measure, with_runtime

__all__ = ["AUTO", "RUNTIMES", "Speed", "available", "fastest", "measure", "with_runtime"]
