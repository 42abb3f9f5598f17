"""How long a page of many maps takes in Chromium: until the maps in view are drawn, until all are, as they are for printing, and
until one has scrolled through all.

``python -m benchmarks.chromium`` in the folder ``tests``: photographs of 224 pixels by eight methods, maps of 7 x 7.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.browsing import Tab, find_chromium, start_chromium
from helpers.page_runs import page_run
from xaikit.registry import Registry
from xaikit.report.page.document import document
from xaikit.report.page.payload import payload
from xaikit.store.pictures import picture_name, save_picture

LABELS = tuple(f"method{place}" for place in range(8))
SIDE = 224

LINES = """
const done = arguments[arguments.length - 1] ?? ((result) => { window.result = result; });
const lines = [...document.querySelectorAll("x-grid .line:not(.header)")];
const isShown = (line) => line.getBoundingClientRect().bottom > 0 && line.getBoundingClientRect().top < innerHeight;
const isDone = (part) => part.width && part.drawn && part.drawn === part.painted;
const isPainted = (line) => line.childElementCount > 1 && [...line.querySelectorAll(".photo canvas, .view")].every(isDone);
"""
IN_VIEW = f"""{LINES}
const wait = () => {{
  const shown = lines.filter(isShown);
  if (shown.length && shown.every(isPainted)) done([performance.now(), 8 * shown.length]);
  else setTimeout(wait, 5);
}};
wait();
"""
ALL = f"""{LINES}
const start = performance.now();
dispatchEvent(new Event("beforeprint"));
let count = 0;
const wait = () => {{
  while (count < lines.length && isPainted(lines[count])) count++;
  if (count === lines.length) done([performance.now() - start, 8 * count]);
  else setTimeout(wait, 5);
}};
wait();
"""
THROUGH = f"""{LINES}
const start = performance.now();
let seen = 0;
const wait = () => {{
  let end = seen;
  while (end < lines.length && isShown(lines[end])) end++;
  if (!lines.slice(seen, end).every(isPainted)) return requestAnimationFrame(wait);
  seen = end;
  if (seen === lines.length) return done([performance.now() - start, 8 * seen]);
  lines[seen].scrollIntoView({{ block: "start" }});
  requestAnimationFrame(wait);
}};
wait();
"""
"""Scrolls through the page, a window at a time, each when all maps of the one before are drawn."""


def build(folder: Path, photographs: int) -> Path:
    """The page of a run whose pictures compress as photographs do: noise, smoothed."""
    report, draw = (
        page_run(folder / "run", photographs, LABELS, layers=["layer4"], side=SIDE, metrics=()),
        np.random.default_rng(0),
    )
    for number in range(photographs):
        coarse = Image.fromarray(draw.integers(0, 256, (28, 28, 3), np.uint8)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        save_picture(report.index.store.folder, picture_name(f"p{number}"), coarse)
    page = folder / "report.html"
    start = time.perf_counter()
    page.write_text(document(payload([report], Registry().lazy())), encoding="utf-8")
    print(
        f"{photographs * len(LABELS)} maps: written in {time.perf_counter() - start:.1f} s, {page.stat().st_size / 1e6:.2f} MB"
    )
    return page


def measure(tab: Tab, page: Path) -> None:
    """Seconds since the page was asked for; of all maps, since somebody asked for them."""
    tab.load(page)
    ready = tab.run("return performance.now()")
    in_view, some = tab.browser.execute_async_script(IN_VIEW)
    seen = wait_for(tab, THROUGH)
    tab.load(page)
    drawn = wait_for(tab, ALL)
    print(
        f"  ready {ready / 1e3:.2f} s, the {some} in view {in_view / 1e3:.2f} s; all {drawn[1]} drawn in {drawn[0] / 1e3:.2f} s, "
        f"scrolled through in {seen[0] / 1e3:.2f} s",
        flush=True,
    )


def wait_for(tab: Tab, script: str) -> tuple[float, int]:
    """Milliseconds and maps: what a script leaves that takes longer than a driver waits for an answer."""
    tab.run(script)
    while (result := tab.run("return window.result ?? null")) is None:
        time.sleep(0.5)
    return result[0], result[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, nargs="*", default=[125, 1250])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    programs = find_chromium()
    if programs is None:
        raise SystemExit("there is no Chromium with its driver: apt-get install chromium chromium-driver")
    browser = start_chromium(*programs)
    browser.set_script_timeout(300)
    try:
        for photographs in options.photographs:
            with tempfile.TemporaryDirectory() as folder:
                page = build(Path(folder), photographs)
                for _ in range(options.rounds):
                    measure(Tab(browser), page)
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
