"""The losses for real radiographs: what is unknown says nothing, and labels are mixed as latents are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrshift.models.compact import CompactAutoencoder, CompactClassifier
from cxrshift.training.augment import Augmentation
from cxrshift.training.compact import to_model_units
from cxrshift.training.failures import TrainingError
from cxrshift.training.fit import Schedule, fit
from cxrshift.training.machine import prepare
from cxrshift.training.measure import autoencoder_measure, classifier_measure, measure_findings
from cxrshift.training.pictures import PictureSet
from cxrshift.training.radiographs import (
    AutoencoderRecipe,
    ClassifierRecipe,
    autoencoder_loss,
    classifier_loss,
    picture_loss,
    prior_logits,
    prior_shift,
)

NOWHERE = Augmentation(0, 0, 0, 0, 0, 0, 0, 0, 0)
STILL = ClassifierRecipe(pixel_noise=0, latent_noise=0, augmentation=NOWHERE)


def draw_pictures(count: int = 12) -> PictureSet:
    generator = torch.Generator().manual_seed(0)
    return PictureSet(
        findings=("Effusion", "Mass"),
        groups=tuple(f"p{i}" for i in range(count)),
        images=torch.randint(0, 256, (count, 32, 32), dtype=torch.uint8, generator=generator),
        labels=torch.randint(0, 2, (count, 2), generator=generator).float(),
        maps=torch.randint(0, 256, (count, 2, 4, 4), dtype=torch.uint8, generator=generator),
        mapped=torch.ones(count, 2, dtype=torch.bool),
    )


def make_networks() -> tuple[CompactAutoencoder, CompactClassifier]:
    torch.manual_seed(1)
    autoencoder = CompactAutoencoder(width=8, latent=8)
    return autoencoder.requires_grad_(False), CompactClassifier(2, width=8)


def loss_and_gradient(pictures: PictureSet, recipe: ClassifierRecipe, *, decoded: bool = True) -> tuple[float, Tensor]:
    """The loss of one batch, and its gradient by the last layer's weights (F, C)."""
    autoencoder, classifier = make_networks()
    loss = (
        classifier_loss(classifier, autoencoder, pictures, recipe)
        if decoded
        else picture_loss(classifier, pictures, recipe)
    )
    value = loss(torch.arange(8), torch.Generator().manual_seed(2))
    value.backward()  # type: ignore[no-untyped-call]
    last = classifier.merge[-1].weight.grad
    assert isinstance(last, Tensor)
    return value.item(), last[:, :, 0, 0]


@pytest.mark.parametrize("decoded", [True, False])
def test_an_unknown_finding_gives_no_gradient(decoded: bool) -> None:
    pictures = draw_pictures()
    pictures.labels[:, 1] = float("nan")
    pictures.mapped[:, 1] = False
    value, gradient = loss_and_gradient(pictures, ClassifierRecipe(picture_mixed=0.5), decoded=decoded)
    assert np.isfinite(value)
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0


def test_a_map_that_is_not_known_says_nothing() -> None:
    pictures = draw_pictures()
    recipe = replace(STILL, mixed=0.0)
    pictures.mapped[:, 1] = False
    before, _ = loss_and_gradient(pictures, recipe)
    after, _ = loss_and_gradient(replace(pictures, maps=pictures.maps.flip(0)), recipe)
    others = pictures.maps.clone()
    others[:, 1] = 255 - others[:, 1]
    unseen, _ = loss_and_gradient(replace(pictures, maps=others), recipe)
    assert unseen == before != after


def test_the_loss_is_the_stated_sum_on_pictures_and_their_reconstructions() -> None:
    """By hand, in numpy, where nothing is drawn: half pictures, half reconstructions."""
    pictures = draw_pictures()
    recipe = replace(STILL, mixed=0.0, map_weight=3.0, positive_weight=1.0, smooth_label=0.1, consistency=2.0)
    value, _ = loss_and_gradient(pictures, recipe)
    autoencoder, classifier = make_networks()
    with torch.no_grad():
        images = to_model_units(pictures.images[:8])
        copies = autoencoder(images)
        evidence = classifier.evidence(torch.cat([images[:4], copies[4:]]))
        logits = classifier.pool(evidence).double().numpy()
        of_copies = classifier.pool(classifier.evidence(copies[:4])).double().numpy()
    labels = pictures.labels[:8].double().numpy()
    share = pictures.labels.double().numpy().mean(0)
    places = evidence.double().numpy()
    maps = pictures.maps[:8].double().numpy() / 255
    presence = entropy(logits, labels * 0.8 + 0.1) * np.where(labels == 1, (1 - share) / share, 1.0)
    wanted = presence.mean() + 3.0 * entropy(places, maps).mean() + 2.0 * np.abs(logits[:4] - of_copies).mean()
    assert value == pytest.approx(wanted, rel=1e-4)


def entropy(logits: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.logaddexp(0, logits) - logits * targets)


def test_mixing_moves_labels_and_recipes_agree_only_without_it() -> None:
    pictures = draw_pictures()
    plain, _ = loss_and_gradient(pictures, replace(STILL, mixed=0.0))
    mixed, _ = loss_and_gradient(pictures, replace(STILL, mixed=1.0))
    assert plain != mixed
    same = replace(pictures, images=pictures.images[:1].expand(12, -1, -1))
    same = replace(same, labels=same.labels[:1].expand(12, -1), maps=same.maps[:1].expand(12, -1, -1, -1))
    plain, _ = loss_and_gradient(same, replace(STILL, mixed=0.0))
    mixed, _ = loss_and_gradient(same, replace(STILL, mixed=1.0))
    assert plain == pytest.approx(mixed, rel=1e-5)  # between two that are alike lies the same


def test_the_start_is_how_often_each_finding_is_present() -> None:
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [float("nan"), 0.0], [1.0, 0.0]])
    shares = torch.sigmoid(prior_logits(labels))
    assert shares.tolist() == pytest.approx([2 / 3, 1 / 8])  # never seen: half a picture, not never


def test_the_shift_makes_the_mean_score_the_share_of_the_known_that_are_present() -> None:
    generator = torch.Generator().manual_seed(4)
    logits = 3.0 * torch.randn(200, 2, generator=generator, dtype=torch.float64)
    labels = (torch.rand(200, 2, generator=generator) < torch.tensor([0.1, 0.7])).float()
    labels[:50, 1] = float("nan")
    means = torch.sigmoid(logits + prior_shift(logits, labels))
    assert means[:, 0].mean().item() == pytest.approx(labels[:, 0].mean().item(), abs=1e-6)
    assert means[50:, 1].mean().item() == pytest.approx(labels[50:, 1].mean().item(), abs=1e-6)


@pytest.mark.parametrize("bf16", [False, True])
def test_both_networks_learn_on_the_cpu(bf16: bool) -> None:
    learns("cpu", bf16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_both_networks_learn_on_a_gpu() -> None:
    learns("cuda", bf16=True)


def learns(device: str, bf16: bool) -> None:
    prepare(device)
    pictures = draw_pictures().to(device)
    torch.manual_seed(0)
    autoencoder = CompactAutoencoder(width=8, latent=8).to(device)
    measure = autoencoder_measure(pictures, 0.15)
    before = measure(autoencoder)
    loss = autoencoder_loss(autoencoder, pictures, AutoencoderRecipe(bf16=bf16))
    fit(autoencoder, 12, loss, Schedule(30, batch=8, peak_rate=5e-3), device=device)
    after = measure(autoencoder)
    assert after.value < before.value
    assert after.figures["MAE"] < before.figures["MAE"]
    autoencoder.requires_grad_(False)
    classifier = CompactClassifier(2, width=8).to(device)
    judge = classifier_measure(pictures, autoencoder)
    untrained = judge(classifier)
    recipe = ClassifierRecipe(bf16=bf16, consistency=0.1, picture_mixed=0.2, augmentation=NOWHERE)
    loss = classifier_loss(classifier, autoencoder, pictures, recipe)
    fit(classifier, 12, loss, Schedule(60, batch=8, peak_rate=1e-2), device=device)
    assert judge(classifier).figures["AUROC"] > untrained.figures["AUROC"]


def test_figures_leave_out_what_is_unknown_and_say_where_there_is_nothing_to_measure() -> None:
    nan = float("nan")
    labels = np.array([[1, nan], [0, nan], [nan, nan], [1, nan], [0, nan]], dtype=np.float32)
    scores = np.array([[0.9, 0], [0.1, 0], [0.0, 0], [0.4, 0], [0.5, 0]], dtype=np.float32)
    one, other = measure_findings(("Effusion", "Mass"), labels, scores, 1 - scores)
    assert (one.present, one.absent, one.auroc, one.auroc_of_reconstructions) == (2, 2, 0.75, 0.25)
    assert one.gap == pytest.approx((0.8 + 0.2) / 2)
    assert (other.present, other.absent) == (0, 0)
    assert np.isnan([other.auroc, other.gap]).all()


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(TrainingError, match="must be cpu or cuda"):
        prepare("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="no CUDA"):
            prepare("cuda")
