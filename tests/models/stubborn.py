"""A kind that does not do what the manifest says."""

from __future__ import annotations

from cxrshift.models.manifest import Manifest
from cxrshift.models.weights import Weights
from tests.models.toy import Halves


def build(manifest: Manifest, weights: Weights) -> Halves:
    return Halves(("Something else",))
