"""Whether a map tells a classifier that reads a shortcut from one that reads the finding: the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .intervals import RESAMPLES, Bootstrap, Interval, interval
from .localisation import auroc
from .maps import MapOptions
from .shortcut_classifiers import World


@dataclass(frozen=True)
class Case:
    """One map of one picture that shows both finding and device."""

    patient: int
    """Index, from 0, of the patient."""
    world: str
    """The data that the explained classifier was trained on."""
    method: str
    """The map."""
    share: float
    """Of the map's energy, how much lies on the device; in [0, 1]."""


@dataclass(frozen=True)
class ClassifierRow:
    """What a classifier has learnt: AUROC of the finding, by what the device has to do with it in the test pictures."""

    world: str
    """The data that it was trained on."""
    with_finding: float
    """AUROC where the device is in every picture with the finding and in no other."""
    independent: float
    """AUROC where it is as common with the finding as without."""
    against_finding: float
    """AUROC where it is in every picture without the finding and in no other; near 0 for one that reads the device."""
    neither: float
    """Mean score of pictures with neither finding nor device."""
    device_alone: float
    """Mean score of pictures with the device alone."""
    finding_alone: float
    """Mean score of pictures with the finding alone."""
    both: float
    """Mean score of pictures with both."""


@dataclass(frozen=True)
class MethodRow:
    """How much of a method's energy falls on the device, under either classifier, and whether that tells them apart."""

    method: str
    """The map."""
    cases: int
    """Number of pictures explained under both classifiers."""
    clean: Interval
    """Mean share under the classifier of clean data."""
    shortcut: Interval
    """Mean share under the classifier of the data with the shortcut."""
    auroc: Interval
    """Of the share as a sign of the shortcut; 0.5 tells nothing."""


@dataclass(frozen=True)
class ShortcutReport:
    """What ``evaluate shortcut`` prints and writes."""

    model: str
    """Name of the model whose autoencoder it is."""
    version: str
    """Its version."""
    finding: str
    """The finding that the device marks."""
    seed: int
    """What chose patients and resamples, from 0."""
    trained_on: int
    """Number of patients to train on; each is drawn with and without finding and device."""
    steps: int
    """Steps of training."""
    tested_on: int
    """Number of other patients."""
    area: float
    """Mean share of the picture that counts as the device: the share of a map that knows nothing."""
    refused: int
    """Number of pictures without an explanation under one classifier or the other; they are left out."""
    options: MapOptions
    """How the maps were made."""
    classifiers: tuple[ClassifierRow, ...]
    """What each classifier has learnt."""
    methods: tuple[MethodRow, ...]
    """How each map fares."""
    cases: tuple[Case, ...]
    """Every map of every picture."""

    def method(self, name: str) -> MethodRow:
        """That method's row. Raises KeyError."""
        for row in self.methods:
            if row.method == name:
                return row
        raise KeyError(name)

    def shares(self, method: str, world: World) -> NDArray[np.float64]:
        """(n,) in [0, 1]: the shares of that method under that classifier, in the order of patients."""
        return np.array([c.share for c in self.cases if (c.method, c.world) == (method, world)], dtype=np.float64)


def describe_classifier(world: World, scores: NDArray[np.float32]) -> ClassifierRow:
    """The row of a classifier from its ``scores`` (N, 2, 2) in [0, 1], by patient, finding and device."""
    n = len(scores)
    labels = np.arange(2 * n) >= n

    def separated(without: int, with_it: int) -> float:
        return auroc(np.concatenate([scores[:, 0, without], scores[:, 1, with_it]]), labels)

    means = scores.mean(0, dtype=np.float64)
    return ClassifierRow(
        world=world,
        with_finding=separated(0, 1),
        independent=auroc(scores.transpose(1, 0, 2).ravel(), np.repeat(labels, 2)),
        against_finding=separated(1, 0),
        neither=float(means[0, 0]),
        device_alone=float(means[0, 1]),
        finding_alone=float(means[1, 0]),
        both=float(means[1, 1]),
    )


def describe_methods(cases: Sequence[Case], methods: Sequence[str], *, seed: int = 0) -> tuple[MethodRow, ...]:
    """A row for each method; every picture must have been explained under both classifiers."""
    return tuple(_row(method, [case for case in cases if case.method == method], seed) for method in methods)


def _row(method: str, cases: Sequence[Case], seed: int) -> MethodRow:
    shares = {world: {c.patient: c.share for c in cases if c.world == world} for world in World}
    patients = sorted(shares[World.CLEAN])
    clean, shortcut = ([shares[world][patient] for patient in patients] for world in (World.CLEAN, World.SHORTCUT))
    names = [str(patient) for patient in patients]
    bootstrap = Bootstrap(names, seed=seed)
    return MethodRow(
        method=method,
        cases=len(patients),
        clean=interval(float(np.mean(clean)), bootstrap.means(clean, names)),
        shortcut=interval(float(np.mean(shortcut)), bootstrap.means(shortcut, names)),
        auroc=separation(clean, shortcut, seed=seed),
    )


def separation(clean: Sequence[float], shortcut: Sequence[float], *, seed: int = 0) -> Interval:
    """AUROC of telling ``shortcut`` (n,) from ``clean`` (n,), shares in [0, 1] of the same patients, in their order.

    AUROC = mean over pairs (i, j) of [shortcut_i > clean_j] + ½ [shortcut_i = clean_j]; Hanley and McNeil, Radiology
    143 (1982); the interval resamples patients, each with both of its values.
    """
    higher = np.subtract.outer(np.asarray(shortcut), np.asarray(clean))
    wins = 0.5 * (np.sign(higher) + 1.0)
    n = len(wins)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES)
    draws = np.einsum("bi,ij,bj->b", counts, wins, counts, optimize=True) / n**2
    return interval(float(wins.mean()), draws)
