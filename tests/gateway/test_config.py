"""The settings: read from the environment once, checked together, frozen."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cxrshift.config import Settings


def test_settings_come_from_prefixed_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRSHIFT_MODELS", '["a", "b"]')
    monkeypatch.setenv("CXRSHIFT_DEFAULT_DEADLINE", "2.5")
    monkeypatch.setenv("CXRSHIFT_UNRELATED", "1")
    settings = Settings()
    assert (settings.models, settings.default_deadline, settings.rest_port) == (("a", "b"), 2.5, 8000)
    with pytest.raises(ValidationError):
        settings.queue = 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": []},
        {"models": ["a", "a"]},
        {"models": ["a/b"]},
        {"default_deadline": 400.0},
        {"drain_seconds": 0},
        {"grpc_port": -1},
        {"log_level": "LOUD"},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)  # type: ignore[arg-type]
