"""A training that is cut off and started again: the same weights, the same history, and only with the same settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cxrshift.training.checkpoint import Checkpoints, Settings
from cxrshift.training.failures import CheckpointError, Interrupted, TrainingError
from cxrshift.training.fit import History, Later, Measured, Schedule, Validation, fit

SCHEDULE = Schedule(steps=90, batch=7, peak_rate=0.05, seed=3, average=0.9)


def make_network() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def train(checkpoints: Checkpoints | None, schedule: Schedule = SCHEDULE) -> tuple[nn.Module, History]:
    """A small network on 40 points; its loss draws from the generator, and changes at step 50."""
    points = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    values = points.sin().sum(1, keepdim=True)
    network = make_network()

    def loss_of(noise: float) -> Callable[[Tensor, torch.Generator], Tensor]:
        def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
            inputs = points[batch] + noise * torch.randn(len(batch), 2, generator=generator)
            error: Tensor = (network(inputs) - values[batch]).square().mean()
            return error

        return loss

    def measure(measured: nn.Module) -> Measured:
        with torch.no_grad():
            return Measured(float((measured(points) - values).square().mean()), {"rows": 40.0})

    history = fit(
        network,
        40,
        loss_of(0.3),
        schedule,
        later=Later(50, loss_of(0.1)),
        validation=Validation(measure, every=20),
        checkpoints=checkpoints,
    )
    return network, history


def weights(network: nn.Module) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in network.state_dict().values()])


def stop_after(calls: int) -> Callable[[], bool]:
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= calls


@pytest.mark.parametrize("cuts", [(1,), (33, 20, 7), (49, 1), (89,)])
def test_a_run_cut_off_anywhere_ends_as_an_undisturbed_one(tmp_path: Path, cuts: tuple[int, ...]) -> None:
    straight, history = train(None)
    step = 0
    for cut in cuts:
        step += cut
        with pytest.raises(Interrupted, match=f"Stopped at step {step} of 90"):
            train(Checkpoints(tmp_path / "c.pt", {"a": 1}, every=10, stop=stop_after(cut)))
    resumed, again = train(Checkpoints(tmp_path / "c.pt", {"a": 1}, every=10))
    assert torch.equal(weights(resumed), weights(straight))
    assert again == history
    assert [v.step for v in history.validations] == [20, 40, 60, 80, 90]


def test_work_after_the_last_checkpoint_is_done_again_with_the_same_result(tmp_path: Path) -> None:
    """What SIGKILL leaves: an older file."""
    straight, _ = train(None)
    with pytest.raises(Interrupted):
        train(Checkpoints(tmp_path / "c.pt", {}, every=10, stop=stop_after(30)))
    old = (tmp_path / "c.pt").read_bytes()
    with pytest.raises(Interrupted):
        train(Checkpoints(tmp_path / "c.pt", {}, every=10, stop=stop_after(25)))
    (tmp_path / "c.pt").write_bytes(old)
    (tmp_path / "c.pt.part").write_bytes(b"half a file")
    resumed, _ = train(Checkpoints(tmp_path / "c.pt", {}, every=10))
    assert torch.equal(weights(resumed), weights(straight))


def test_a_finished_run_only_gives_its_result_again(tmp_path: Path) -> None:
    network, history = train(Checkpoints(tmp_path / "c.pt", {}))
    before = (tmp_path / "c.pt").stat().st_mtime_ns
    again, same = train(Checkpoints(tmp_path / "c.pt", {}))
    assert torch.equal(weights(again), weights(network))
    assert same == history
    assert (tmp_path / "c.pt").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0.2, "steps": 9}, "rate was 0.1 and is 0.2"),
        ({"steps": 9}, "rate was 0.1 and is not set"),
        ({"rate": 0.1, "steps": 9, "flip": 0.5}, "flip was not set and is 0.5"),
    ],
)
def test_a_run_is_not_continued_with_other_settings(tmp_path: Path, settings: Settings, message: str) -> None:
    train(Checkpoints(tmp_path / "c.pt", {"rate": 0.1, "steps": 9}))
    with pytest.raises(CheckpointError, match=message):
        train(Checkpoints(tmp_path / "c.pt", settings))


def test_a_damaged_checkpoint_is_named_and_nothing_in_it_is_run(tmp_path: Path) -> None:
    file = tmp_path / "c.pt"
    file.write_bytes(b"\x80\x02cos\nsystem\n")
    with pytest.raises(CheckpointError, match=r"c\.pt cannot be read; remove it"):
        train(Checkpoints(file, {}))
    torch.save([1], file)
    with pytest.raises(CheckpointError, match="another version"):
        train(Checkpoints(file, {}))


def fit_towards(values: list[float], patience: int) -> tuple[nn.Linear, History, list[float]]:
    """Ten steps, each validated as the next of ``values``; also the weight at each validation."""
    line = nn.Linear(1, 1)
    seen: list[float] = []

    def measure(network: nn.Linear) -> Measured:
        seen.append(network.weight.item())
        return Measured(values[len(seen) - 1])

    history = fit(
        line,
        4,
        lambda batch, generator: (line.weight - 5).square().sum(),
        Schedule(steps=10, batch=2, peak_rate=0.1),
        validation=Validation(measure, every=1, patience=patience),
    )
    return line, history, seen


def test_early_stopping_waits_its_patience_and_keeps_the_best() -> None:
    line, history, seen = fit_towards([5, 3, 4, 3, 6, 7, 1, 1, 1, 1], patience=3)
    assert [v.value for v in history.validations] == [5, 3, 4, 3, 6]
    assert history.best is not None
    assert history.best.step == 2
    assert line.weight.item() == seen[1]


def test_without_patience_the_best_of_all_is_kept() -> None:
    line, history, seen = fit_towards([5, 3, 4, 3, 6, 7, 1, 2, 2, 2], patience=0)
    assert len(history.validations) == 10
    assert line.weight.item() == seen[6]


def test_the_average_of_the_weights_lags_behind_them() -> None:
    averaged, _ = train(None)
    last, _ = train(None, replace(SCHEDULE, average=0.0))
    assert not torch.equal(weights(averaged), weights(last))


def test_a_loss_that_is_no_number_ends_the_training_with_a_word() -> None:
    line = nn.Linear(1, 1)
    with pytest.raises(TrainingError, match="no number any more at step 25; a lower rate"):
        fit(line, 4, lambda batch, generator: line.weight.sum() * float("nan"), Schedule(steps=30, batch=2))
