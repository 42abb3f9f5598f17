"""Which target suits an output that is no logits of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def suited(output: Any) -> str:
    """What to say to somebody who has not chosen a target; "" of logits, and where nothing is to be told.

    >>> suited([{"boxes": ..., "labels": ..., "scores": ...}])
    "of a detector target 'box' explains its best detection"
    """
    if (
        isinstance(output, (list, tuple))
        and output
        and all(isinstance(one, Mapping) and "boxes" in one for one in output)
    ):
        return "of a detector target 'box' explains its best detection"
    if isinstance(output, Mapping):
        maps = [key for key, part in output.items() if _is_of_places(part)]
        chosen = f" with output {maps[0]!r}" if maps else ""
        return f"of a segmenter target 'region'{chosen} explains what it predicts most" if maps else ""
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return ""
    if output.dim() == 1 or (output.dim() == 2 and output.shape[1] == 1):
        return (
            "of a regression target 'raw' explains its number, of one logit target 'binary' the side that it predicts"
        )
    return "of a segmenter target 'region' explains the class that it predicts most" if _is_of_places(output) else ""


def _is_of_places(part: Any) -> bool:
    """Whether that is a tensor (N, classes, *S)."""
    return isinstance(part, Tensor) and part.dim() > 2 and part.is_floating_point()
