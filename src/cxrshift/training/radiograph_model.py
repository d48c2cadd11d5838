"""Networks for real radiographs from pictures to files: train, measure on held-back patients, draw, write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..models.compact import UNIT, CompactAutoencoder, CompactClassifier
from ..models.manifest import CARD_NAME, ManifestFinding
from .checkpoint import Checkpoints, Settings
from .compact import to_model_units
from .failures import TrainingError
from .figures import draw_history, draw_reconstructions, draw_rocs
from .fit import History, Later, Progress, Validated, Validation, fit
from .measure import (
    ReconstructionFigures,
    autoencoder_measure,
    classifier_measure,
    measure_findings,
    measure_reconstruction,
    reconstruct,
    score,
)
from .model_folder import Identity, TrainedAutoencoder, write_autoencoder, write_model
from .operating_points import choose_operating_points
from .pictures import PictureSet
from .radiograph_card import CardFacts, FindingRow, write_card
from .radiographs import (
    AutoencoderRecipe,
    ClassifierRecipe,
    autoencoder_loss,
    classifier_loss,
    picture_loss,
    prior_logits,
)
from .splits import Split

CHECKPOINT = "checkpoint.pt"
REPORT = "report"
_SHEET = 10
"""Pictures on the sheet of reconstructions."""


@dataclass(frozen=True)
class Conduct:
    """How a training is carried out."""

    run: Path
    """The folder of its checkpoint."""
    device: str = "cpu"
    validate_every: int = 250
    patience: int = 0
    """Validations without a better one after which it stops; 0 = never."""
    checkpoint_every: int = 200
    stop: Callable[[], bool] = lambda: False
    report: Callable[[Progress], None] = lambda progress: None
    validated: Callable[[Validated], None] = lambda validated: None


def train_autoencoder(pictures: PictureSet, recipe: AutoencoderRecipe, conduct: Conduct) -> ReconstructionFigures:
    """Train, and write the weights, their description and the report into the run's folder.

    The figures are of the test split's pictures. Raises TrainingError.
    """
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
    _write_report(
        conduct.run / REPORT,
        {
            "history.png": draw_history(history, "Autoencoder"),
            "reconstructions.png": _draw_sheet(network, test, figures),
            "report.json": _dump({"test": asdict(figures), "history": asdict(history)}),
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
    data_note: str = "",
) -> CardFacts:
    """Train, and write a model folder that serves as it is, with its card and, in ``report``, its pictures.

    The facts are those of the card, measured on the test split. ``data_note`` goes into the card: where the pictures
    are from. Raises TrainingError.
    """
    if pictures.side != autoencoder.side:
        raise TrainingError(f"The autoencoder takes {autoencoder.side} pixels; the pictures have {pictures.side}.")
    training, validation, test = _split(pictures, conduct.device)
    encoder = autoencoder.network.to(conduct.device)
    torch.manual_seed(recipe.schedule.seed)
    arguments = {"width": recipe.width, "sharpness": recipe.sharpness}
    network = CompactClassifier(len(pictures.findings), width=recipe.width, sharpness=recipe.sharpness)
    network.bias.data = prior_logits(training.labels.cpu())
    network.to(conduct.device)
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
            conduct, asdict(recipe), {"pictures": pictures.digest(), "autoencoder": autoencoder.sha256[:16]}
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
    facts, report = _examine(network, encoder, (training, validation, test), points, history)
    _write_report(out / REPORT, report)
    (out / CARD_NAME).write_text(write_card(identity, facts, recipe, autoencoder, data_note), "utf-8")
    return facts


@torch.no_grad()
def centre(network: CompactClassifier, points: tuple[float, ...]) -> tuple[float, ...]:
    """Shift every logit so that its operating point becomes a score of 0.5; the new points.

    Scores learnt from rare findings are low, and a search that walks down to a floor of 0.05 could end above the point
    that matters. torchxrayvision's scores are centred as well (``op_threshs``).
    """
    network.bias -= torch.logit(torch.tensor(points)).to(network.bias)
    return (0.5,) * len(points)


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


def _examine(
    network: CompactClassifier,
    autoencoder: CompactAutoencoder,
    parts: tuple[PictureSet, PictureSet, PictureSet],
    points: tuple[float, ...],
    history: History,
) -> tuple[CardFacts, dict[str, bytes]]:
    """What the card says, and the report's files."""
    training, validation, test = parts
    labels = test.labels.cpu().numpy()
    scores = score(network, to_model_units(test.images))
    of_copies = score(network, reconstruct(autoencoder, test.images))
    measured = measure_findings(test.findings, labels, scores, of_copies)
    reconstruction = measure_reconstruction(autoencoder, test)
    rows = []
    for column, (figures, point) in enumerate(zip(measured, points, strict=True)):
        called = scores[:, column] >= point
        rows.append(
            FindingRow(
                figures,
                training.count(1)[column],
                validation.count(1)[column],
                point,
                sensitivity=_share(called[labels[:, column] == 1]),
                specificity=_share(~called[labels[:, column] == 0]),
            )
        )
    counts = tuple(
        (part, len(pictures), len(set(pictures.groups))) for part, pictures in zip(Split, parts, strict=True)
    )
    facts = CardFacts(counts, tuple(rows), reconstruction)
    areas = [figures.auroc for figures in measured]
    report = {
        "history.png": draw_history(history, "Classifier"),
        "reconstructions.png": _draw_sheet(autoencoder, test, reconstruction),
        "roc.png": draw_rocs(test.findings, labels, scores, areas, f"{len(test)} pictures of held-back patients"),
        "report.json": _dump({"test": asdict(facts), "history": asdict(history)}),
    }
    return facts, report


def _draw_sheet(autoencoder: CompactAutoencoder, test: PictureSet, figures: ReconstructionFigures) -> bytes:
    some = test.images[:: max(1, len(test) // _SHEET)][:_SHEET]
    originals, copies = to_model_units(some)[:, 0].cpu().numpy(), reconstruct(autoencoder, some)[:, 0].cpu().numpy()
    title = f"Held-back patients: MAE {figures.mae:.1f} of {2 * UNIT:.0f}, SSIM {figures.ssim:.3f}"
    return draw_reconstructions(originals, copies, title)


def _share(hits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def _write_report(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _dump(members: Mapping[str, object]) -> bytes:
    """JSON, with what is not a number as null."""
    finite = json.loads(json.dumps(members), parse_constant=lambda constant: None)
    return (json.dumps(finite, indent=1) + "\n").encode()
