"""The card that stands beside the weights of a model for real radiographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .measure import FindingFigures, ReconstructionFigures
from .model_folder import Identity, TrainedAutoencoder, TrainedClassifier
from .radiographs import ClassifierRecipe
from .splits import TEST_SHARE, VALIDATION_SHARE

COUNTED = 20
"""The mean AUROC is over findings that are present on at least so many test pictures."""

_CARD = """# {name} {version}

{summary}

**Not for clinical use.** A small network that learnt from few pictures with labels that may be wrong. Its scores and
its explanations are for research and demonstration.

| | |
|---|---|
| input | {side} x {side} pixels, one channel, [-1024, 1024]; the radiograph's central square |
| latent | {latent} x {places} x {places} |
| findings | {findings} |
| output | a score from 0 to 1 for each finding; it ranks, and is no probability of disease |
| autoencoder | absolute error + a share of 1 - SSIM; affine, elastic and tone augmentation; noise on the latent |
| classifier | {steps} steps of {batch}: {first:.0%} of them on pictures, then half of each batch is decoded |
| started from | {start} |
| decoded | {mixed:.0%} from between the latents of two patients, with labels as far between |
| place | where a box or an outline is known, learnt as well as presence (weight {places_told:g}) |
| kept | the classifier after step {kept}, the best on the validation pictures |
| scores | centred: 0.5 is the operating point (Youden's index on the validation pictures, median over resamples) |

## Data

{note}A patient's pictures are all on one side: {test:.0%} of the patients are held back for the figures below,
{validation:.0%} choose the weights and the operating points, the others train both networks.

| split | pictures | patients |
|---|---|---|
{splits}

## Measured on held-back patients

Reconstruction: mean absolute error {mae:.1f} of a range of 2048, SSIM {ssim:.3f}, over {pictures} pictures.
Mean AUROC {mean:.3f} over the {counted} findings present on at least {fewest} of them.

| finding | present | AUROC | of copies | score gap | operating point | sensitivity | specificity |
|---|---|---|---|---|---|---|---|
{rows}

- *present*: on how many pictures of training, validation and test. The others are measured on the test pictures.
- *of copies*: AUROC of the autoencoder's reconstructions of the same pictures.
- *score gap*: median difference between the scores of a picture and of its reconstruction where it is present.
- `report/` has the loss curves, a sheet of reconstructions and the ROC curves.

## Limits

Where few test pictures show a finding, its figures are rough. Labels that were read from reports by a program are
partly wrong, in training and in these figures alike. Other hospitals, projections, ages and devices than those of the
data will be scored worse, and nothing here says by how much. The autoencoder blurs what is fine; every explanation's
quality card says how well it reproduces the radiograph at hand.
"""


@dataclass(frozen=True)
class FindingRow:
    """One finding's line of the card."""

    figures: FindingFigures
    trained_on: int
    """Number of pictures to train on, on which it is present."""
    validated_on: int
    """Number of pictures to validate by, on which it is present."""
    operating_point: float
    """Score, in [0, 1], from which it counts as present."""
    sensitivity: float
    """At the operating point, on the test pictures; in [0, 1]."""
    specificity: float
    """Likewise, in [0, 1]."""


@dataclass(frozen=True)
class CardFacts:
    """What was measured of a model."""

    splits: tuple[tuple[str, int, int], ...]
    """For each split its name, and the numbers of its pictures and patients."""
    findings: tuple[FindingRow, ...]
    reconstruction: ReconstructionFigures
    kept_step: int
    """After so many steps the classifier was best on the validation pictures."""

    @property
    def counted(self) -> tuple[FindingRow, ...]:
        """The findings present on at least 20 test pictures."""
        return tuple(row for row in self.findings if row.figures.present >= COUNTED)

    @property
    def mean_auroc(self) -> float:
        """Mean AUROC over those, in [0, 1]; NaN without any."""
        return float(np.mean([row.figures.auroc for row in self.counted])) if self.counted else float("nan")


def write_card(
    identity: Identity,
    facts: CardFacts,
    recipe: ClassifierRecipe,
    autoencoder: TrainedAutoencoder,
    *,
    start: TrainedClassifier | None,
    note: str,
) -> str:
    """The card's Markdown; ``note`` says where the pictures are from."""
    return _CARD.format(
        name=identity.name,
        version=identity.version,
        summary=identity.summary,
        side=autoencoder.side,
        latent=autoencoder.arguments.get("latent", 64),
        places=autoencoder.side // 16,
        findings=", ".join(row.figures.finding for row in facts.findings),
        steps=recipe.schedule.steps,
        kept=facts.kept_step,
        places_told=recipe.map_weight,
        batch=recipe.schedule.batch,
        first=recipe.pictures_first,
        start=f"the classifier of {start.name}, SHA-256 {start.sha256[:16]}" if start else "random weights",
        mixed=recipe.mixed,
        note=f"{note.strip()}\n\n" if note.strip() else "",
        test=TEST_SHARE,
        validation=VALIDATION_SHARE,
        splits="\n".join(f"| {name} | {pictures} | {patients} |" for name, pictures, patients in facts.splits),
        mae=facts.reconstruction.mae,
        ssim=facts.reconstruction.ssim,
        pictures=facts.reconstruction.pictures,
        mean=facts.mean_auroc,
        counted=len(facts.counted),
        fewest=COUNTED,
        rows="\n".join(_row(row) for row in facts.findings),
    )


def _row(row: FindingRow) -> str:
    figures = row.figures
    numbers = (figures.auroc, figures.auroc_of_reconstructions, figures.gap)
    return (
        f"| {figures.finding} | {row.trained_on}, {row.validated_on}, {figures.present} "
        f"| {' | '.join(f'{number:.3f}' for number in numbers)} | {row.operating_point:.3f} "
        f"| {row.sensitivity:.2f} | {row.specificity:.2f} |"
    )
