"""The page of a run inside a notebook: the first photographs by the first trials, in a frame of its own."""

from __future__ import annotations

import html
from collections.abc import Sequence

from xaikit.registry import Registry
from xaikit.report.page.document import document
from xaikit.report.page.payload import payload
from xaikit.report.page.run import PagedRun

PHOTOGRAPHS, TRIALS = 8, 8
MOST_BYTES = 2_000_000
"""Of a frame; fewer photographs are in it where they would be more."""

HEIGHT = 640  # pixels


def embedded(run: PagedRun, images: Sequence[str], trials: Sequence[str], registry: Registry) -> str:
    """A frame whose scripts reach nothing of the notebook; what a run is, in words, where there is nothing to show.

    Args:
        images: the names of all photographs that were explained, in order.
        trials: those of all trials.
    """
    count = min(PHOTOGRAPHS, len(images))
    while count:
        page = _page(run, images[:count], trials[:TRIALS], registry, len(images))
        if len(page) <= MOST_BYTES or count == 1:
            return page
        count //= 2
    return f"<pre>{html.escape(repr(run))}</pre>"


def _page(run: PagedRun, images: Sequence[str], trials: Sequence[str], registry: Registry, count: int) -> str:
    values = payload([run], registry, images=images, trials=trials)
    if len(images) < count:
        values["title"] = f"{values['title']}: the first {len(images)} of {count} photographs"
    # within single quotes, as JSON has double ones everywhere
    page = document(values).replace("&", "&amp;").replace("'", "&#39;")
    style = f"width: 100%; height: {HEIGHT}px; border: 1px solid #8886; border-radius: 6px; resize: vertical"
    return f'<iframe title="xaikit" sandbox="allow-scripts" style="{style}" srcdoc=\'{page}\'></iframe>'
