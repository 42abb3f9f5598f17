"""Requests that are explained together, and explanations that are to be equal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from xaikit.engine import Request
from xaikit.explanation import Explanation


def labelled(request: Request, label: str, **changed: Any) -> Request:
    return replace(request, label=label, **changed)


def assert_close(found: Explanation, expected: Explanation, tolerance: float) -> None:
    assert found.maps.keys() == expected.maps.keys()
    for layer, saliency in expected.maps.items():
        assert found.maps[layer].shape == saliency.shape
        assert (found.maps[layer] - saliency).abs().max() <= tolerance * saliency.abs().max()
    assert torch.equal(found.scores, expected.scores)
    assert found.warnings == expected.warnings
    assert str(found.target) == str(expected.target)
    assert found.strides == expected.strides
