"""The whole job once, for real: ``make demo``.

Starts TorchServe and the gateway on free ports, sends them a phantom radiograph over gRPC and over REST, checks that
both give the same explanation, writes the pictures, says how well the heatmap found what the generator drew, and stops
what it started.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cxrshift_api.codec import encode_explanation, to_bytes
from cxrshift_api.types import NOTICE, Explanation
from cxrshift_client import Client

from .cli.files import name_of_finding, write_explanation
from .errors import CxrshiftError
from .evaluation.localisation import overlap, resize_mask
from .models.folders import find_model
from .phantom import Phantom, generate
from .render.sheet import render_contact_sheet
from .serving.stack import Stack, StackConfig

SEED = 18
"""The phantom that the demonstration explains."""
FINDINGS = ("Cardiomegaly", "Effusion")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 if it went well."""
    parser = argparse.ArgumentParser(prog="python -m cxrshift.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the results")
    parser.add_argument("--seed", type=int, default=SEED, help="which phantom patient")
    given = parser.parse_args(arguments)
    console = Console(highlight=False)
    began = time.monotonic()
    phantom = generate(given.seed, findings=FINDINGS)
    try:
        explanations = _explain(phantom, console)
    except CxrshiftError as error:
        console.print(f"failed: {error}", style="red", markup=False)
        return 1
    _report(phantom, explanations, given.out, console)
    console.print(f"done in {time.monotonic() - began:.0f} s. {NOTICE}")
    return 0


def _explain(phantom: Phantom, console: Console) -> tuple[Explanation, ...]:
    """The phantom's explanations by the running service, the same over both protocols. Raises CxrshiftError."""
    image = to_png(phantom)
    with (
        console.status("starting TorchServe and the gateway"),
        Stack(StackConfig(models=(find_model("phantom"),))) as stack,
    ):
        console.print(f"serving: REST {stack.rest_url}, gRPC {stack.grpc_target}")
        replies = []
        for address in (f"grpc://{stack.grpc_target}", stack.rest_url):
            with Client(address) as client:
                began = time.monotonic()
                replies.append(client.explain(image, findings=FINDINGS).explanations)
                console.print(f"explained over {address.split(':')[0]:4} in {time.monotonic() - began:.2f} s")
    over_grpc, over_rest = replies
    if [to_bytes(encode_explanation(e)) for e in over_grpc] != [to_bytes(encode_explanation(e)) for e in over_rest]:
        raise CxrshiftError("gRPC and REST gave different explanations of the same radiograph.")
    return over_grpc


def to_png(phantom: Phantom) -> bytes:
    """The phantom as an 8-bit grey PNG."""
    buffer = BytesIO()
    Image.fromarray(np.round(phantom.pixels * 255.0).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _report(phantom: Phantom, explanations: Sequence[Explanation], out: Path, console: Console) -> None:
    """Write the pictures, the first finding's into ``out`` itself, and print the table."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "radiograph.png").write_bytes(to_png(phantom))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("finding", "score", "λ range", "drop", "rise", "overlap*", "files"):
        table.add_column(heading, justify="left" if heading in ("finding", "files") else "right", no_wrap=True)
    for number, explanation in enumerate(explanations):
        folder = out if number == 0 else out / name_of_finding(explanation.finding)
        write_explanation(explanation, folder)
        (folder / "sheet.png").write_bytes(render_contact_sheet(explanation))
        mask = resize_mask(phantom.masks[explanation.finding], explanation.heatmap.shape[0])
        table.add_row(
            explanation.finding,
            f"{explanation.score:.2f}",
            f"{explanation.lambdas[0]:.0f} to {explanation.lambdas[-1]:.0f}",
            f"{explanation.quality.drop:.2f}",
            f"{explanation.quality.rise:.2f}",
            f"{overlap(explanation.heatmap, mask):.0%}",
            str(folder),
        )
        for warning in explanation.quality.warnings:
            console.print(f"{explanation.finding}: {warning}", style="yellow", markup=False, soft_wrap=True)
    console.print(table)
    console.print("* of the heatmap with the finding's true mask: intersection over union, at the mask's area")
    names = sorted(file.name for file in out.iterdir() if file.is_file())
    console.print(f"in {out}: {', '.join(names)}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
