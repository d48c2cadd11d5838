"""Write the pages' colour maps: ``python tools/colours.py``. Perceptually even ones, 256 steps each, as hexadecimal."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

FILE = Path(__file__).parents[1] / "src/cxrshift/web/common/colours.js"
MAPS = ("inferno", "viridis", "magma", "cividis")
HEAD = """\
// Perceptually even colour maps. Written by tools/colours.py; do not edit.

const STEPS = {
"""
TAIL = """\
};

export const COLOUR_MAPS = Object.keys(STEPS);

const tables = new Map();

/** The map `name` as 256 triples of red, green and blue. */
export function coloursOf(name) {
  if (!tables.has(name)) {
    const pairs = STEPS[name].match(/../g);
    tables.set(name, Uint8Array.from(pairs, (pair) => parseInt(pair, 16)));
  }
  return tables.get(name);
}
"""


def colours_js() -> str:
    """The module's text."""
    lines = []
    for name in MAPS:
        table = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3]
        lines.append(f'  {name}:\n    "{table.astype(np.uint8).tobytes().hex()}",\n')
    return HEAD + "".join(lines) + TAIL


if __name__ == "__main__":
    FILE.write_text(colours_js(), "utf-8")
