"""Networks for real radiographs from pictures to files: train, measure on held-back patients, draw, write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ..models.compact import CompactAutoencoder, CompactClassifier
from ..models.manifest import CARD_NAME, ManifestFinding
from .checkpoint import Checkpoints, Settings
from .compact import to_model_units
from .failures import TrainingError
from .figures import draw_history
from .fit import Later, Progress, Validated, Validation, fit
from .measure import (
    ReconstructionFigures,
    autoencoder_measure,
    classifier_measure,
    measure_reconstruction,
    score,
)
from .model_folder import Identity, TrainedAutoencoder, TrainedClassifier, write_autoencoder, write_model
from .operating_points import choose_operating_points
from .pictures import PictureSet
from .radiograph_card import CardFacts, write_card
from .radiograph_report import draw_sheet, dump, examine, write_report
from .radiographs import (
    AutoencoderRecipe,
    ClassifierRecipe,
    autoencoder_loss,
    classifier_loss,
    picture_loss,
    prior_logits,
    prior_shift,
)
from .splits import Split

CHECKPOINT = "checkpoint.pt"
REPORT = "report"


@dataclass(frozen=True)
class Conduct:
    """How a training is carried out."""

    run: Path
    """The folder of its checkpoint."""
    device: str = "cpu"
    validate_every: int = 250
    """Steps from one validation to the next."""
    patience: int = 0
    """Number of validations without a better one after which it stops; 0 = never."""
    checkpoint_every: int = 200
    """Steps from one checkpoint to the next."""
    stop: Callable[[], bool] = lambda: False
    report: Callable[[Progress], None] = lambda progress: None
    validated: Callable[[Validated], None] = lambda validated: None


def train_autoencoder(pictures: PictureSet, recipe: AutoencoderRecipe, conduct: Conduct) -> ReconstructionFigures:
    """Train, and write the weights, their description and the report into the run's folder.

    The figures are of the test split's pictures. Raises TrainingError.
    """
    _check_width(recipe.width)
    training, validation, test = _split(pictures, conduct.device)
    torch.manual_seed(recipe.schedule.seed)
    arguments = {"width": recipe.width, "latent": recipe.latent}
    network = CompactAutoencoder(**arguments).to(conduct.device)
    history = fit(
        network,
        len(training),
        autoencoder_loss(network, training, recipe),
        recipe.schedule,
        report=conduct.report,
        validation=Validation(
            autoencoder_measure(validation, recipe.ssim_weight),
            conduct.validate_every,
            conduct.patience,
            conduct.validated,
        ),
        checkpoints=_checkpoints(conduct, asdict(recipe), {"pictures": pictures.digest()}),
        device=conduct.device,
    )
    write_autoencoder(conduct.run, network, pictures.side, arguments)
    figures = measure_reconstruction(network, test)
    write_report(
        conduct.run / REPORT,
        {
            "history.png": draw_history(history, "Autoencoder"),
            "reconstructions.png": draw_sheet(network, test, figures),
            "report.json": dump({"test": asdict(figures), "history": asdict(history)}),
        },
    )
    return figures


def train_classifier(
    pictures: PictureSet,
    autoencoder: TrainedAutoencoder,
    recipe: ClassifierRecipe,
    conduct: Conduct,
    *,
    out: Path,
    identity: Identity,
    start: TrainedClassifier | None = None,
    data_note: str = "",
) -> CardFacts:
    """Train, and write a model folder that serves as it is, with its card and, in ``report``, its pictures.

    The facts are those of the card, measured on the test split. ``start`` is the classifier to go on from, with random
    weights without. ``data_note`` goes into the card: where the pictures are from. Raises TrainingError.
    """
    if pictures.side != autoencoder.side:
        raise TrainingError(f"The autoencoder takes {autoencoder.side} pixels; the pictures have {pictures.side}.")
    _check_width(recipe.width)
    training, validation, test = _split(pictures, conduct.device)
    encoder = autoencoder.network.to(conduct.device)
    torch.manual_seed(recipe.schedule.seed)
    arguments = {"width": recipe.width, "sharpness": recipe.sharpness}
    network = CompactClassifier(len(pictures.findings), width=recipe.width, sharpness=recipe.sharpness)
    network.bias.data = prior_logits(training.labels.cpu())
    network.to(conduct.device)
    if start:
        _go_on_from(start, network, training)
    history = fit(
        network,
        len(training),
        picture_loss(network, training, recipe),
        recipe.schedule,
        later=Later(
            round(recipe.pictures_first * recipe.schedule.steps), classifier_loss(network, encoder, training, recipe)
        ),
        report=conduct.report,
        validation=Validation(
            classifier_measure(validation, encoder), conduct.validate_every, conduct.patience, conduct.validated
        ),
        checkpoints=_checkpoints(
            conduct,
            asdict(recipe),
            {
                "pictures": pictures.digest(),
                "autoencoder": autoencoder.sha256[:16],
                "start": start.sha256[:16] if start else "",
            },
        ),
        device=conduct.device,
    )
    priors = torch.sigmoid(prior_logits(training.labels)).cpu().numpy()
    points = choose_operating_points(
        score(network, to_model_units(validation.images)), validation.labels.cpu().numpy(), priors
    )
    points = centre(network, points)
    findings = [ManifestFinding(name, point) for name, point in zip(pictures.findings, points, strict=True)]
    write_model(out, identity, autoencoder, network, arguments, findings)
    facts, report = examine(network, encoder, (training, validation, test), points, history)
    write_report(out / REPORT, report)
    card = write_card(identity, facts, recipe, autoencoder, start=start, note=data_note)
    (out / CARD_NAME).write_text(card, "utf-8")
    return facts


@torch.no_grad()
def _go_on_from(start: TrainedClassifier, network: CompactClassifier, training: PictureSet) -> None:
    """Give ``network`` the weights of ``start``, its scores on ``training`` as high as the findings are common.

    A model folder's scores are centred, which is not how often a finding is there: the training would first have to
    undo that.
    """
    if start.findings != training.findings:
        raise TrainingError(
            f"The classifier to start from knows {', '.join(start.findings)}; the training is of "
            f"{', '.join(training.findings)}. Name the same findings in the same order with --finding."
        )
    try:
        network.load_state_dict(start.network.state_dict())
    except RuntimeError as error:
        raise TrainingError("The classifier to start from has another width.") from error
    network.eval()
    logits = torch.logit(torch.from_numpy(score(network, to_model_units(training.images))).double(), eps=1e-9)
    network.bias.add_(prior_shift(logits, training.labels.cpu()).to(network.bias))


@torch.no_grad()
def centre(network: CompactClassifier, points: tuple[float, ...]) -> tuple[float, ...]:
    """Shift every logit so that its operating point becomes a score of 0.5; the new points.

    Scores learnt from rare findings are low, and a search that walks down to a floor of 0.05 could end above the point
    that matters. torchxrayvision's scores are centred as well (``op_threshs``). ``points`` are operating points in
    [0, 1].
    """
    network.bias.sub_(torch.logit(torch.tensor(points)).to(network.bias))
    return (0.5,) * len(points)


def _check_width(width: int) -> None:
    if width < 8 or width % 8:
        raise TrainingError("The width must be a multiple of 8: the networks normalise in 8 groups of channels.")


def _split(pictures: PictureSet, device: str) -> tuple[PictureSet, PictureSet, PictureSet]:
    training, validation, test = (
        pictures.part(split).to(device) for split in (Split.TRAIN, Split.VALIDATION, Split.TEST)
    )
    return training, validation, test


def _checkpoints(conduct: Conduct, recipe: Mapping[str, object], more: Settings) -> Checkpoints:
    """The run's checkpoint, bound to everything that decides its result."""
    settings = {
        **_flatten(recipe),
        **more,
        "device": torch.device(conduct.device).type,
        "validate_every": conduct.validate_every,
        "patience": conduct.patience,
    }
    return Checkpoints(conduct.run / CHECKPOINT, settings, conduct.checkpoint_every, conduct.stop)


def _flatten(members: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    """Nested settings by the innermost name: they are told apart by it."""
    flat: dict[str, str | int | float | bool] = {}
    for name, value in members.items():
        if isinstance(value, dict):
            flat |= _flatten(value)
        elif isinstance(value, str | int | float | bool):
            flat[name] = value
    return flat
