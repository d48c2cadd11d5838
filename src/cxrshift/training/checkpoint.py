"""Where a training stands, on disk: replaced as a whole, read without running code, refused for other settings."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from .failures import CheckpointError

State = dict[str, object]
"""Tensors, numbers, texts, and lists and dicts of them: what ``weights_only`` reads."""

Settings = Mapping[str, str | int | float | bool]

_VERSION = 1


@dataclass(frozen=True)
class Checkpoints:
    """A run's file: written each ``every`` steps, and asked for ``stop`` after each step."""

    file: Path
    settings: Settings
    """Everything that decides the result; a run goes on only with the same."""
    every: int = 200
    stop: Callable[[], bool] = field(default=lambda: False, compare=False)

    def save(self, state: State) -> None:
        """Replace the file at once: a kill leaves the old one or the new one, never half of one."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_name(self.file.name + ".part")
        with part.open("wb") as stream:
            torch.save({"version": _VERSION, "settings": dict(self.settings), "state": state}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(self.file)

    def load(self, device: str) -> State | None:
        """The state that was saved last, or None before the first. Raises CheckpointError."""
        if not self.file.exists():
            return None
        try:
            stored = torch.load(self.file, map_location=device, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{self.file.name} cannot be read; remove it to start anew.") from error
        if not isinstance(stored, dict) or stored.get("version") != _VERSION:
            raise CheckpointError(f"{self.file.name} is of another version; remove it to start anew.")
        self._refuse_others(stored["settings"])
        state: State = stored["state"]
        return state

    def _refuse_others(self, before: Settings) -> None:
        names = [*self.settings, *(name for name in before if name not in self.settings)]
        changed = [
            f"{name} was {before.get(name, 'not set')} and is {self.settings.get(name, 'not set')}"
            for name in names
            if before.get(name) != self.settings.get(name)
        ]
        if changed:
            raise CheckpointError(
                f"The run was started with other settings: {', '.join(changed)}. "
                f"Give the settings of before, name another folder, or remove its {self.file.name}."
            )
