"""The weight sets that the installed torchxrayvision lists: what each predicts, and where its files are.

No weights are in that package, only their addresses and the operating points that its authors measured.
"""

from __future__ import annotations

import importlib
import math
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from types import ModuleType
from typing import Final

from ..errors import ModelError
from .manifest import ManifestFinding

PREFIX: Final = "xrv-"
AUTOENCODER: Final = "101-elastic"
CLASSIFIERS: Final = ("densenet121-res224", "resnet50-res512")
_WEIGHTS_RELEASE: Final = "1"


@dataclass(frozen=True)
class Release:
    """One classifier with the autoencoder, as released."""

    name: str
    """Of the model: the library's own name behind ``xrv-``."""
    architecture: str
    """Of the classifier: densenet121 or resnet50."""
    classifier_size: int
    """Pixels along each side of the square that the classifier was trained on."""
    findings: tuple[ManifestFinding, ...]
    """The classifier's outputs, in order."""
    thresholds: tuple[float, ...]
    """The probability at each finding's operating point; NaN where it was not trained."""
    classifier_url: str
    """Where its file is released."""
    autoencoder_url: str
    """Where the autoencoder's file is released."""

    @property
    def version(self) -> str:
        """Of the released weights, and of the library whose thresholds calibrate them."""
        return f"{_WEIGHTS_RELEASE}+xrv{version('torchxrayvision')}"


def library(module: str) -> ModuleType:
    """``torchxrayvision.<module>``. Raises ModelError where it is not installed."""
    try:
        with warnings.catch_warnings():  # its import turns off every warning of the whole process
            return importlib.import_module(f"torchxrayvision.{module}")
    except ImportError as error:
        raise ModelError("Models of the kind xrv need torchxrayvision: install cxrshift[xrv].") from error


def release_names() -> tuple[str, ...]:
    """Names of all models that can be pulled or imported. Raises ModelError where torchxrayvision is not installed."""
    listed = library("models").model_urls
    return tuple(PREFIX + key for key in listed if key.startswith(CLASSIFIERS))


def find_release(name: str) -> Release:
    """The weight set of that name. Raises ModelError, which lists the names."""
    if name not in release_names():
        raise ModelError(f"torchxrayvision has released no model of that name; it has {', '.join(release_names())}.")
    key = name.removeprefix(PREFIX)
    models = library("models")
    facts = models.model_urls[key]
    thresholds = tuple(float(threshold) for threshold in facts["op_threshs"])
    # An output that a weight set was not trained on has no label of its own; every classifier has the same columns.
    labels = [label or column for label, column in zip(facts["labels"], models.DenseNet.targets, strict=True)]
    return Release(
        name=name,
        architecture=key.partition("-")[0],
        classifier_size=int(facts["input_resolution"]),
        findings=tuple(
            ManifestFinding(label, trained=not math.isnan(threshold))
            for label, threshold in zip(labels, thresholds, strict=True)
        ),
        thresholds=thresholds,
        classifier_url=str(facts["weights_url"]),
        autoencoder_url=str(library("autoencoders").model_urls[AUTOENCODER]["weights_url"]),
    )
