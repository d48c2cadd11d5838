"""The promise of the quality card, held on real images; and the count that it is held with.

Of images that are no chest radiograph and of noise 95% at least are warned of, of held-back chest radiographs 5% at
most, all warnings together, no finding named.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cxrshift.core.engine import Engine
from cxrshift.errors import ModelError, RequestError
from cxrshift.evaluation.quality_study import WarnedShare, count_warned, draw_noises
from cxrshift.image.decode import decode_radiograph
from cxrshift.image.radiograph import Radiograph
from cxrshift.models.loader import load_model
from cxrshift.phantom import generate
from cxrshift.training.splits import Split, split_of
from tests.core.toys import CurveModel, grey, logistic

NO_CHEST = ("not chest", "veterinary", "spine", "mammogram")
"""Words of the notes of files that are radiographs of something else."""
EVERY = 4
"""Of the held-back radiographs; a whole one takes a second."""


@pytest.fixture(scope="module")
def real() -> Engine:
    try:
        model = load_model("cxr-small")
    except ModelError:
        pytest.skip("the model cxr-small is not installed")
    if model.familiarity is None:
        pytest.skip("cxr-small states no limits; learn them: cxrshift train quality")
    return Engine(model)


def strangers(folder: Path) -> Iterator[Radiograph]:
    """The DICOM images that decode and are no radiograph of a chest, each once: many are one picture in two codings."""
    with (folder / "dicoms.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    seen: set[bytes] = set()
    for row in rows:
        other = row["category"] == "radiograph" and any(word in row["note"] for word in NO_CHEST)
        if not (other or row["category"] == "other image"):
            continue
        try:
            radiograph = decode_radiograph((folder / row["file"]).read_bytes())
        except RequestError:
            continue  # refused, which tells more than a warning
        if (pixels := radiograph.pixels.tobytes()) not in seen:
            seen.add(pixels)
            yield radiograph


def held_back(folder: Path) -> Iterator[Radiograph]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["dataset"].startswith("NIH")]
    test = [row["file"] for row in rows if split_of(row["patient_group"]) is Split.TEST]
    yield from (decode_radiograph((folder / file).read_bytes()) for file in test[::EVERY])


def test_images_of_no_chest_are_warned_of(real: Engine, shared_data: Path) -> None:
    found = count_warned(real, strangers(shared_data / "dicom"))
    assert found.total >= 15
    assert found.share >= 0.95


def test_noise_is_warned_of(real: Engine) -> None:
    assert count_warned(real, draw_noises(70)).share >= 0.95


def test_held_back_chest_radiographs_are_seldom_warned_of(real: Engine, shared_data: Path) -> None:
    found = count_warned(real, held_back(shared_data / "cxr"))
    assert found.total >= 100
    assert found.share <= 0.05


def test_the_embedded_model_warns_of_strangers_and_not_of_phantoms(shared_data: Path) -> None:
    engine = Engine(load_model("phantom"))
    assert count_warned(engine, (generate(seed).to_radiograph() for seed in range(60))).warned <= 3
    assert count_warned(engine, draw_noises(28)).share >= 0.95
    assert count_warned(engine, strangers(shared_data / "dicom")).share >= 0.95


def test_one_warning_or_a_refusal_counts_once() -> None:
    engine = Engine(CurveModel((logistic(0.5, 200.0),)))
    unresponsive, calm = grey(1.0), grey(0.5)
    assert count_warned(engine, [unresponsive, calm, calm]) == WarnedShare(total=3, warned=1, refused=1)
    assert np.isnan(count_warned(engine, []).share)


def test_noises_are_pictures_that_differ_and_repeat_with_their_seed() -> None:
    first, again, other = (list(draw_noises(14, seed=seed, side=32)) for seed in (0, 0, 1))
    for one in first:
        assert one.pixels.shape == (32, 32)
        assert one.pixels.dtype == np.float32
        assert 0 <= one.pixels.min() <= one.pixels.max() <= 1
    np.testing.assert_array_equal([one.pixels for one in first], [one.pixels for one in again])
    assert not any(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, other, strict=True))
