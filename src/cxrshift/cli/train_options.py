"""The options of ``cxrshift train``, each with its unit and its range in its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA, HOW, RUN = "Which pictures", "How to learn", "How to run"
"""The panels of the help."""

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        exists=True,
        file_okay=False,
        help="Images and manifest.csv: file, labels joined with |, patient_group or patient, and dataset if mixed. "
        "With --xrv the folder of that dataset's images.",
    ),
]
Datasets = Annotated[
    list[str] | None,
    typer.Option("--dataset", metavar="NAME", help="Only rows of this dataset; may be repeated.", rich_help_panel=DATA),
]
Xrv = Annotated[
    str,
    typer.Option(
        metavar="CLASS",
        help="Read FOLDER with this dataset class of torchxrayvision, for example NIH_Dataset.",
        rich_help_panel=DATA,
    ),
]
XrvTable = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        exists=True,
        dir_okay=False,
        help="With --xrv: the dataset's own table, where the class brings none.",
        rich_help_panel=DATA,
    ),
]
SplitSeed = Annotated[
    int,
    typer.Option(
        metavar="SEED",
        help="Which patients are held back; keep it for autoencoder, classifier and evaluation.",
        rich_help_panel=DATA,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Where decoded pictures are kept.",
        show_default="beside the checkpoint",
        rich_help_panel=DATA,
    ),
]
Steps = Annotated[int, typer.Option(min=1, metavar="N", help="How many at most.", rich_help_panel=HOW)]
Batch = Annotated[int, typer.Option(min=4, metavar="N", help="Pictures in a step.", rich_help_panel=HOW)]
Rate = Annotated[float, typer.Option(min=0, metavar="RATE", help="The highest learning rate.", rich_help_panel=HOW)]
Decay = Annotated[float, typer.Option("--weight-decay", min=0, metavar="W", help="Of AdamW.", rich_help_panel=HOW)]
Average = Annotated[
    float,
    typer.Option(
        min=0,
        max=0.9999,
        metavar="DECAY",
        help="Of the weights' running average, which is kept; 0 = none.",
        rich_help_panel=HOW,
    ),
]
Width = Annotated[
    int, typer.Option(min=8, metavar="N", help="Channels at the finest scale; a multiple of 8.", rich_help_panel=HOW)
]
Size = Annotated[
    int,
    typer.Option(
        min=32, metavar="PIXELS", help="Along each side of a picture; a multiple of 16.", rich_help_panel=DATA
    ),
]
Latent = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Channels of the latent, at a sixteenth of the size.", rich_help_panel=HOW),
]
SsimWeight = Annotated[
    float, typer.Option(min=0, metavar="W", help="Of 1 - SSIM beside the absolute error.", rich_help_panel=HOW)
]
Seed = Annotated[int, typer.Option(min=0, metavar="SEED", help="Of first weights and every draw.", rich_help_panel=HOW)]
Noise = Annotated[
    float, typer.Option(min=0, metavar="SHARE", help="On the latent, of its spread.", rich_help_panel=HOW)
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="cpu or cuda.", rich_help_panel=RUN)]
BFloat = Annotated[bool, typer.Option("--bf16", help="Compute in bfloat16; weights stay float32.", rich_help_panel=RUN)]
Threads = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="0 = torch's own choice. Another number, other last digits.", rich_help_panel=RUN
    ),
]
Every = Annotated[
    int, typer.Option("--validate-every", min=1, metavar="N", help="Steps between validations.", rich_help_panel=RUN)
]
Patience = Annotated[
    int,
    typer.Option(
        min=0, metavar="N", help="Stop after so many validations without a better one; 0 = never.", rich_help_panel=RUN
    ),
]
CheckpointEvery = Annotated[
    int, typer.Option(min=1, metavar="N", help="Steps that a kill may cost.", rich_help_panel=RUN)
]
Workers = Annotated[int, typer.Option(min=1, metavar="N", help="Processes that decode images.", rich_help_panel=RUN)]

Start = Annotated[
    Path | None,
    typer.Option(
        "--start",
        metavar="MODEL",
        exists=True,
        file_okay=False,
        help="A model folder of the kind compact to go on from: its classifier, of the same findings.",
        show_default="random weights",
        rich_help_panel=HOW,
    ),
]
PicturesFirst = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        metavar="SHARE",
        help="Of the steps, before decoded pictures are added.",
        rich_help_panel=HOW,
    ),
]
Mixed = Annotated[
    float,
    typer.Option(
        min=0, max=1, metavar="SHARE", help="Of the decoded pictures, between two patients.", rich_help_panel=HOW
    ),
]
PictureMixed = Annotated[
    float,
    typer.Option(min=0, max=1, metavar="SHARE", help="Of the pictures, with another mixed in.", rich_help_panel=HOW),
]
MapWeight = Annotated[
    float, typer.Option(min=0, metavar="W", help="Of the place, where a mask is known.", rich_help_panel=HOW)
]
PositiveWeight = Annotated[
    float,
    typer.Option(
        min=0, max=1, metavar="POWER", help="Weigh present findings by (absent / present) to it.", rich_help_panel=HOW
    ),
]
Consistency = Annotated[
    float,
    typer.Option(min=0, metavar="W", help="Of how far a reconstruction's logits are off.", rich_help_panel=HOW),
]
SmoothLabel = Annotated[
    float, typer.Option(min=0, max=0.4, metavar="P", help="Labels are P and 1 - P.", rich_help_panel=HOW)
]
Flip = Annotated[
    float, typer.Option(min=0, max=1, metavar="SHARE", help="Of the pictures, mirrored.", rich_help_panel=HOW)
]
Augment = Annotated[
    float, typer.Option(min=0, metavar="TIMES", help="How strongly pictures are moved and warped.", rich_help_panel=HOW)
]
Masks = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        metavar="DIR",
        help="Masks and masks.csv: mask_file, image_file, label.",
        rich_help_panel=DATA,
    ),
]
Findings = Annotated[
    list[str] | None,
    typer.Option("--finding", metavar="NAME", help="A finding to learn; repeat it. None = all.", rich_help_panel=DATA),
]
