"""The demonstration that the README promises, run as a stranger would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from cxrshift import demo


@pytest.mark.timeout(180)
def test_the_demo_explains_a_phantom_and_leaves_its_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(["--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "explained over grpc" in printed
    assert "explained over http" in printed
    (explanation,) = json.loads((tmp_path / "explanation.json").read_text())["explanations"]
    assert explanation["finding"] == demo.FINDINGS[0]
    with Image.open(tmp_path / "frames.gif") as gif, Image.open(tmp_path / "frames.webp") as webp:
        assert gif.n_frames == webp.n_frames > 11  # type: ignore[attr-defined]
    for name in ("radiograph.png", "overlay.png", "curve.png", "sheet.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) >= 128
    assert (tmp_path / demo.FINDINGS[1] / "explanation.json").is_file()
