"""Explanations on disk: a folder for each file, in it one for each finding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cxrshift_api.json_codec import dump_json, explain_reply_to_json
from cxrshift_api.types import ExplainReply, Explanation

from ..render.animation import render_gif, render_webp
from ..render.archive import render_npz
from ..render.overlay import render_overlay, render_saliency
from ..render.plot import render_score_curve
from ..render.sheet import render_contact_sheet
from ..render.video import render_mp4

IMAGE_ENDINGS = {".dcm", ".dicom", ".png", ".jpg", ".jpeg", ".npy"}


def write_explanation(
    explanation: Explanation, folder: Path, *, npz: bool = False, mp4: bool = False
) -> tuple[Path, ...]:
    """Write explanation.json, frames.gif, frames.webp, overlay.png and curve.png into ``folder``.

    With ``npz`` also explanation.npz, with ``mp4`` also frames.mp4.

    Each traditional map of the explanation adds a picture of its name, input-gradient.png for one, and all of them
    sheet.png, where they stand beside the frames. The folder is made if it is not there; files of these names in it
    are replaced. explanation.json is an explain reply of the REST service with this one explanation. Raises OSError,
    and VideoUnavailable where there is no PyAV for ``mp4``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reply = ExplainReply((explanation,))
    contents = {
        "explanation.json": dump_json(explain_reply_to_json(reply)),
        "frames.gif": render_gif(explanation),
        "frames.webp": render_webp(explanation),
        "overlay.png": render_overlay(explanation),
        "curve.png": render_score_curve(explanation),
    }
    for saliency in explanation.saliency:
        contents[f"{saliency.kind}.png"] = render_saliency(explanation, saliency)
    if explanation.saliency:
        contents["sheet.png"] = render_contact_sheet(explanation)
    if mp4:
        contents["frames.mp4"] = render_mp4(explanation)
    if npz:
        contents["explanation.npz"] = render_npz(reply)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return tuple(folder / name for name in contents)


def name_folders(files: Sequence[Path]) -> tuple[str, ...]:
    """A folder's name for each file: its own without an image's ending; a number tells equal names apart."""
    names: list[str] = []
    taken: set[str] = set()
    for file in files:
        # "1.2.840.10008" is a DICOM file's name as often as not: only a known ending is one.
        plain = file.stem if file.suffix.lower() in IMAGE_ENDINGS else file.name
        plain = plain if plain.strip(".") else "radiograph"  # ".." would lead out of the output folder
        name, number = plain, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.lower())
        names.append(name)
    return tuple(names)


def name_of_finding(finding: str) -> str:
    """A finding's name as a folder's: a service's words must not lead out of the output folder."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", finding) or "finding"
