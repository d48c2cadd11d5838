"""What the code says of itself: its ports, its settings, its pages, the image's targets."""

from __future__ import annotations

import os
import re
from pathlib import Path
from unittest.mock import patch

from cxrshift.config import Settings
from cxrshift.gateway.metrics import Metrics
from cxrshift.gateway.operator_app import make_operator_app
from cxrshift.gateway.readiness import Readiness
from cxrshift.serving.foreground import ForegroundConfig
from tests.deploy.manifests import ROOT

_TORCHSERVE = ForegroundConfig(models=(), folder=Path())
TORCHSERVE_REST, TORCHSERVE_GRPC = _TORCHSERVE.rest_port, _TORCHSERVE.grpc_port


def settings_of(variables: dict[str, str]) -> Settings:
    """The settings that a gateway with these variables has. Raises where one is no setting, or has no such value."""
    names = {f"CXRSHIFT_{field.upper()}" for field in Settings.model_fields}
    assert set(variables) <= names, sorted(set(variables) - names)
    with patch.dict(os.environ, variables):
        return Settings()


def operator_paths() -> set[str]:
    """The pages of a gateway's operator port."""
    readiness = Readiness.__new__(Readiness)  # no page is asked here, so nothing need answer behind them
    return {getattr(route, "path", "") for route in make_operator_app(Metrics(), readiness, ()).routes}


def image_targets() -> set[str]:
    """The Dockerfile's stages that can be asked for: those with a command of their own."""
    stages = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {stage.split()[2] for stage in stages if "\nCMD " in stage}
