"""The card that stands beside the embedded model's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..evaluation.phantom import PhantomReport, Share

if TYPE_CHECKING:
    from .phantom_model import Recipe

_CARD = """# phantom {version}

A small autoencoder and a multi-label classifier, both trained by this project on its own synthetic frontal chest
radiographs. They exist so that a fresh machine can explain an image with nothing to download, and so that explanations
can be scored against the truth: the generator knows every finding to the pixel.

**Not for clinical use.** Neither network has seen a real radiograph; what they say of one means nothing.

| | |
|---|---|
| input | 128 x 128 pixels, one channel, [-1024, 1024] |
| latent | 64 x 8 x 8 |
| findings | {findings} |
| output | probabilities; the manifest holds each finding's operating point (Youden's index, {calibration} phantoms) |
| training data | {phantoms} phantoms of seeds 2000000 and up, and their twins; nothing else |
| autoencoder | {autoencoder_steps} steps of 32: weighted absolute error + 0.15 (1 - SSIM), noise on the latent |
| classifier | {classifier_steps} steps of 32, half of them decoded from between a phantom and its twin |
| repeat the recipe | `make train-phantom`; another machine gives other last digits |

A phantom's twin is the same patient on the same film with one finding more or less. Between the two the classifier
learns to score in proportion, and it is told where each finding is (its mask, at 16 x 16) as well as whether it is
there. A classifier of labels alone may saturate, or point elsewhere: the figures below are no promise for one.

## Measured

`cxrshift evaluate phantom --n {n} --seed {seed}`, on phantoms of seeds not trained on. Reconstruction: SSIM {ssim:.3f},
mean absolute error {mae:.1f} of a range of 2048. Explanations by the `two-sided` profile.

| finding | AUROC | score falls ≥ 0.5 | score rises ≥ 0.3 | peak inside the finding | overlap (IoU) |
|---|---|---|---|---|---|
{rows}

- *score falls*: of positives scored 0.7 or more. *Score rises*: of negatives scored 0.3 or less, one absent finding of
  each phantom.
- *peak inside*: the heatmap's highest value lies within the finding's mask, dilated by 5% of the width; all positives.
- *overlap*: mask against the heatmap's highest values of the same area; mean over all positives.

## Limits

The phantoms vary in anatomy, pose, exposure and noise, but far less than patients do. The mask of Cardiomegaly is the
whole heart, while only its borders move. The autoencoder blurs the finest vessels; every explanation's quality card
says by how much.
"""


def write_card(report: PhantomReport, recipe: Recipe, calibration: int) -> str:
    """The card's Markdown; ``calibration`` is the number of phantoms that set the operating points."""
    rows = [
        f"| {f.finding} | {f.auroc:.3f} | {_share(f.dropped)} | {_share(f.raised)} | {_share(f.pointed)} "
        f"| {f.overlap:.2f} |"
        for f in report.findings
    ]
    pooled = [_share(report.pooled(name)) for name in ("dropped", "raised", "pointed")]
    rows.append(f"| **all** | | {' | '.join(pooled)} | |")
    return _CARD.format(
        version=report.version,
        findings=", ".join(f.finding for f in report.findings),
        calibration=calibration,
        phantoms=recipe.phantoms,
        autoencoder_steps=recipe.autoencoder_steps,
        classifier_steps=recipe.classifier_steps,
        n=report.phantoms,
        seed=report.seed,
        ssim=report.ssim,
        mae=report.mae,
        rows="\n".join(rows),
    )


def _share(share: Share) -> str:
    return f"{share.value:.1%} ({share.reached}/{share.total})"
