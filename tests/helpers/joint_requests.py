"""Requests that are explained together, and explanations that are to be equal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from xaikit.engine import Request
from xaikit.explanation import Explanation


def labelled(request: Request, label: str, **changed: Any) -> Request:
    return replace(request, label=label, **changed)


def assert_close(explanation: Explanation, expected: Explanation, tolerance: float) -> None:
    assert explanation.maps.keys() == expected.maps.keys()
    for layer, saliency in expected.maps.items():
        assert explanation.maps[layer].shape == saliency.shape
        assert (explanation.maps[layer] - saliency).abs().max() <= tolerance * saliency.abs().max()
    assert torch.equal(explanation.scores, expected.scores)
    assert explanation.warnings == expected.warnings
    assert str(explanation.target) == str(expected.target)
    assert explanation.strides == expected.strides
