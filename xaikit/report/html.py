"""A run in a notebook: a small table of the first photographs by the first trials, in one piece."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence

from PIL import Image

from xaikit.errors import StoreError
from xaikit.report.lookup import file_name

ROWS, COLUMNS, HEIGHT = 4, 6, 140  # photographs, trials, pixels of a picture

Show = Callable[[str, str], Image.Image]
"""The overlay of a photograph by a trial; raises StoreError where there is none."""


def as_html(title: str, images: Sequence[str], names: Sequence[str], show: Show) -> str:
    """What a run is, and the overlays of some of it as JPEGs; names of files are text and nothing else."""
    names = names[:COLUMNS]
    header = "".join(f"<th>{html.escape(word)}</th>" for word in ("", *names))
    rows = "".join(_row(image, names, show) for image in images[:ROWS])
    return f"<pre>{html.escape(title)}</pre><table><tr>{header}</tr>{rows}</table>"


def _row(image: str, names: Sequence[str], show: Show) -> str:
    cells = "".join(f"<td>{_picture(image, name, show)}</td>" for name in names)
    return f"<tr><th>{html.escape(file_name(image))}</th>{cells}</tr>"


def _picture(image: str, name: str, show: Show) -> str:
    """The overlay, or that there is none."""
    try:
        picture = show(image, name)
    except StoreError:
        return "no overlay"
    picture.thumbnail((4 * HEIGHT, HEIGHT))
    data = io.BytesIO()
    picture.save(data, format="JPEG", quality=85)
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"/>'
