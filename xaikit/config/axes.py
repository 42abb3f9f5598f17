"""Axes of the command line: ``seed=0..4``, ``methods.sharp.top_channels=16,64``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import yaml

from xaikit.config.layering import Layer, layer_of, merge
from xaikit.config.marks import Fault, Mark, path_of
from xaikit.config.text import read_value

_RANGE = re.compile(r"\s*-?\d+\.\.-?\d+\s*")
_QUOTED = re.compile(r"""\s*("(\\.|[^"\\])*"|'(''|[^'])*')""")


def split_axes(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Overrides and axes, told apart: the value of an axis is a range, or has a comma outside brackets and quotes.

    >>> split_axes(["seed=0..4", "layers=[a],[a, b]", "device=cpu", "target={use: top, k: 2}"])
    (('device=cpu', 'target={use: top, k: 2}'), ('seed=0..4', 'layers=[a],[a, b]'))
    """
    axes = tuple(text for text in texts if _is_axis(text))
    return tuple(text for text in texts if text not in axes), axes


def _is_axis(text: str) -> bool:
    key, equals, value = text.partition("=")
    if not equals or re.match(r"\s*sweep\b", key):  # below sweep an override says an axis whole
        return False
    return _RANGE.fullmatch(value) is not None or next(_commas(value), None) is not None


def with_axes(below: Layer, texts: Sequence[str], faults: list[Fault]) -> Layer:
    """``below`` with axes of the command line in its sweep, in place of those of the same key."""
    for text in texts:
        mark = Mark(f"axis {text!r}")
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or path_of(key) is None:
            faults.append(Fault(mark, (), f"expected key=value,value or key=0..4, got {text!r}"))
            continue
        try:
            said = _said(value)
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or error
            faults.append(Fault(mark, ("sweep", key), f"the values are not valid YAML: {problem}"))
            continue
        layer = layer_of({"sweep": {key: said}}, {(): mark, ("sweep", key): mark}, faults)
        below = merge(below, layer, faults)
    return below


def _said(text: str) -> Any:
    """A range as it is, else what stands between the commas; a comma at the end makes a list of one."""
    if _RANGE.fullmatch(text):
        return text
    cuts = [-1, *_commas(text), len(text)]
    pieces = [text[start + 1 : end] for start, end in pairwise(cuts)]
    if len(pieces) > 1 and not pieces[-1].strip():
        pieces.pop()
    return [read_value(piece) for piece in pieces]


def _commas(text: str) -> Iterator[int]:
    """The places of commas outside brackets and quotes; a quote opens only where a value begins."""
    depth, place, before = 0, 0, ","
    while place < len(text):
        quoted = _QUOTED.match(text, place) if before in "[{,:" else None
        letter = text[place]
        if letter == "," and depth == 0:
            yield place
        depth += (letter in "[{" and not quoted) - (letter in "]}" and not quoted)
        before = "'" if quoted else before if letter.isspace() else letter
        place = quoted.end() if quoted else place + 1
