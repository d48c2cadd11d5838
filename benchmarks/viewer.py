"""How soon a reader sees something: from the page's load to the heatmap, and from the slider's move to the frame.

``python -m benchmarks.viewer`` starts the stack with the phantom model and a Chromium, and prints medians and worst
cases. The slider's figure is what the page itself takes, from the event to the end of drawing; the screen shows it at
its next refresh.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from collections.abc import Sequence

from playwright.sync_api import Browser, sync_playwright

from cxrshift.models.folders import find_model
from cxrshift.serving.stack import Stack, StackConfig

SAMPLE = "sample=1-large-heart-and-effusion"
WANTED_LOAD, WANTED_MOVE = 2.0, 0.016
"""Seconds."""
_HEATMAP = "() => performance.getEntriesByName('heatmap')[0]?.startTime"
_DONE = "() => !document.querySelector('#play').disabled && document.querySelector('#progress').hidden"
_MOVE = """async (moves) => {
  const slider = document.querySelector("#sweep input");
  const taken = [];
  for (let i = 0; i < moves; i++) {
    slider.value = i % (Number(slider.max) + 1);
    // Asked for before the page asks for its own drawing, and so called before it.
    const drawing = new Promise((done) =>
      requestAnimationFrame(() => {
        const start = performance.now();
        setTimeout(() => done(performance.now() - start));
      }),
    );
    const began = performance.now();
    slider.dispatchEvent(new Event("input"));
    const handled = performance.now();
    taken.push((handled - began + (await drawing)) / 1000);
  }
  return taken;
}"""


def measure_load(browser: Browser, url: str, times: int) -> list[float]:
    """Seconds from the start of navigation, with an empty cache, until the heatmap is drawn."""
    taken = []
    for _ in range(times):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(f"{url}/#{SAMPLE}")
        page.wait_for_function(_HEATMAP)
        taken.append(page.evaluate(_HEATMAP) / 1e3)
        context.close()
    return taken


def measure_moves(browser: Browser, url: str, moves: int) -> list[float]:
    """Seconds that each move of the slider takes until its frame is drawn, heatmap on both pictures."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{url}/#{SAMPLE}&over=both")
    page.wait_for_function(_DONE)
    taken: list[float] = page.evaluate(_MOVE, moves)
    page.close()
    return taken


def say(what: str, seconds: Sequence[float], wanted: float) -> None:
    """One line of the result."""
    ordered = sorted(seconds)
    marks = {"median": statistics.median(ordered), "p95": ordered[int(0.95 * (len(ordered) - 1))], "worst": ordered[-1]}
    numbers = "  ".join(f"{name} {1e3 * each:7.1f} ms" for name, each in marks.items())
    within = sum(each <= wanted for each in ordered) / len(ordered)
    print(f"{what:34} {numbers}   within {1e3 * wanted:.0f} ms: {within:.1%} of {len(ordered)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 where it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewer", description=__doc__)
    parser.add_argument("--loads", type=int, default=15)
    parser.add_argument("--moves", type=int, default=400)
    given = parser.parse_args(arguments)
    chromium = shutil.which("chromium")
    if chromium is None:
        print("There is no Chromium here; on Debian: apt-get install chromium", file=sys.stderr)
        return 1
    with Stack(StackConfig(models=(find_model("phantom"),))) as stack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        first, *later = measure_load(browser, stack.rest_url, given.loads + 1)
        say("load to heatmap, the very first", [first], WANTED_LOAD)
        say("load to heatmap", later, WANTED_LOAD)
        say("slider to frame", measure_moves(browser, stack.rest_url, given.moves), WANTED_MOVE)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
