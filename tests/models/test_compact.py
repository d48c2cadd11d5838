"""The embedded models' networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cxrshift.errors import ManifestError
from cxrshift.models import compact
from cxrshift.models.manifest import read_manifest
from cxrshift.models.weights import read_weights
from tests.cli.toy_model import make_model_folder


def test_a_size_that_the_blocks_do_not_fill_is_refused(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path)
    manifest = read_manifest(folder)
    weights = read_weights(folder, manifest)
    assert compact.build(manifest, weights).findings == ("Effusion", "Mass")
    with pytest.raises(ManifestError, match="input_size must be a multiple of 16"):
        compact.build(replace(manifest, input_size=40), weights)
