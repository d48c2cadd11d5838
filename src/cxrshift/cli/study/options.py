"""What the commands of a study share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's file, such as study.sqlite.")]
NewStudy = Annotated[Path, typer.Argument(metavar="STUDY", help="The file to make, such as study.sqlite.")]
Power = Annotated[
    float, typer.Option(min=0.5, max=0.99, metavar="SHARE", help="Of the next study, for the pairs that it needs.")
]
