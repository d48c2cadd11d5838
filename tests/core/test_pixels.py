"""From radiograph to model units, from model units to stored pixels, and what is measured on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity as reference_similarity

from cxrshift.core.heatmap import make_heatmap
from cxrshift.core.model import FindingSpec, ModelSpec
from cxrshift.core.preprocess import pixel_scale, prepare, store
from cxrshift.core.quality import monotonicity, structural_similarity
from cxrshift.image.radiograph import Radiograph
from cxrshift_api.types import HeatmapKind
from tests.core.toys import noise


def spec_of(size: int, low: float = -1024.0, high: float = 1024.0) -> ModelSpec:
    return ModelSpec("toy", "1", "", size, (low, high), (FindingSpec("A"),))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (40, 25), (7, 90), (300, 200)])
def test_any_radiograph_becomes_a_square_in_model_units(height: int, width: int) -> None:
    image = prepare(noise(0, height, width), spec_of(16))
    assert image.shape == (1, 16, 16)
    assert image.dtype == torch.float32
    assert -1024.0 <= float(image.min()) < float(image.max()) <= 1024.0


def test_the_centre_is_cropped_and_not_squeezed() -> None:
    pixels = np.zeros((16, 40), np.float32)
    pixels[:, 12:28] = 1.0
    assert torch.all(prepare(Radiograph(pixels), spec_of(16)) == 1024.0)
    assert torch.all(prepare(Radiograph(np.ascontiguousarray(pixels.T)), spec_of(16)) == 1024.0)


def test_a_fine_pattern_is_averaged_and_does_not_fold_into_a_coarse_one() -> None:
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (128, 64))
    image = prepare(Radiograph(stripes), spec_of(16))
    assert float(image[:, 2:-2, 2:-2].abs().max()) < 64.0


@given(st.floats(-2000, 2000), st.floats(0.1, 4000), st.integers(0, 10**6))
def test_stored_pixels_give_model_units_back_to_half_a_step(low: float, span: float, seed: int) -> None:
    spec = spec_of(16, low, low + span)
    image = prepare(noise(seed), spec)
    scale = pixel_scale(spec)
    restored = store(image, spec).astype(np.float64) * scale.scale + scale.offset
    slack = 1e-6 * (abs(low) + span)
    assert np.abs(restored - image.numpy()).max() <= scale.scale / 2 + slack


def test_what_lies_beyond_the_window_is_clipped_and_not_wrapped() -> None:
    stored = store(torch.tensor([-5000.0, -1024.0, 0.1, 1024.0, 5000.0]), spec_of(16))
    assert stored.tolist() == [0, 0, 128, 255, 255]
    assert stored.dtype == np.uint8


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("data_range", [1.0, 2048.0])
def test_structural_similarity_equals_scikit_images(seed: int, data_range: float) -> None:
    random = np.random.default_rng(seed)
    first = random.random((40, 33))
    second = 0.7 * first + 0.3 * random.random((40, 33))
    first, second = first * data_range, second * data_range
    _, full = reference_similarity(  # type: ignore[no-untyped-call]
        first, second, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    ours = structural_similarity(torch.from_numpy(first), torch.from_numpy(second), data_range=data_range)
    assert ours == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)


def test_an_image_is_wholly_similar_to_itself_and_to_a_flat_one_hardly() -> None:
    image = torch.from_numpy(noise(0, 32, 32).pixels)
    assert structural_similarity(image, image, data_range=1.0) == pytest.approx(1.0)
    assert structural_similarity(image, torch.full((32, 32), 0.5), data_range=1.0) < 0.1


def test_a_score_follows_the_shift_where_it_does_not_fall() -> None:
    assert monotonicity(np.array([0.1, 0.2, 0.2, 0.15, 0.9], np.float32)) == 0.75
    assert monotonicity(np.array([0.99999, 0.999985, 1.0], np.float32)) == 1.0  # trembling


def test_heatmaps_of_a_few_frames_by_hand() -> None:
    frames = torch.tensor([[[0.0, 4.0]], [[1.0, 1.0]], [[3.0, 0.0]]])
    reconstruction = frames[1]
    expected = {
        HeatmapKind.MAX: [[2.0, 3.0]],
        HeatmapKind.MEAN: [[1.0, 4 / 3]],
        HeatmapKind.FIRST_TO_LAST: [[3.0, 4.0]],
        HeatmapKind.INTEGRATED: [[1.5, 2.0]],
    }
    for kind in HeatmapKind:
        assert make_heatmap(frames, reconstruction, kind).tolist() == [
            [pytest.approx(value) for value in expected[kind][0]]
        ]
