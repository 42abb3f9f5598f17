"""drise: the paper's formula restated, on detectors whose evidence is known."""

from __future__ import annotations

import torch
from torch import Tensor

import xaikit
from helpers.detector_nets import WithObjectness, YoloShaped, picture

RAW = {"rectify": "none", "normalize": "none", "scale": "none", "resize": "none"}
RED, GREEN = 0, 1
MASKS, CELLS, SHARE = 40, 4, 0.5


class Seeing(WithObjectness):
    """Remembers what it has been shown, and what it made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        output = super().forward(x)
        self.seen.append((x.detach().clone(), output.detach()))
        return output


def corners(row: Tensor) -> Tensor:
    return torch.cat([row[:2] - row[2:4] / 2, row[:2] + row[2:4] / 2])


def similarity(row: Tensor, reference: Tensor) -> Tensor:
    """Their Eq. 4, 5 and 6: localization, class and objectness."""
    one, other = corners(row), corners(reference)
    sides = (torch.minimum(one[2:], other[2:]) - torch.maximum(one[:2], other[:2])).clamp(min=0)
    union = row[2:4].prod() + reference[2:4].prod() - sides.prod()
    cosine = row[5:] @ reference[5:] / (row[5:].norm() * reference[5:].norm())
    return sides.prod() / union * cosine * row[4]


def test_it_is_the_sum_of_masks_by_the_similarity_to_the_detection() -> None:
    model = Seeing()
    # every pixel is bright, so that what the model was shown tells the mask
    x = 0.2 + 0.8 * picture((RED, 0, 16, 8), (GREEN, 24, 8, 8))
    method = {"use": "drise", "masks": MASKS, "cells": CELLS, "share": SHARE}
    target = {"use": "box", "rank": [1, 2], "format": "anchors"}
    explanation = xaikit.explain(model, x, {"drise": method}, target=target, finish=RAW)["drise"]
    (clean,) = (output[0] for shown, output in model.seen[:1] if torch.equal(shown, x))
    variants = [pair for each in model.seen[1:] for pair in zip(*each, strict=True)]
    assert len(variants) == MASKS
    for column in range(2):
        box = explanation.target.boxes[0, column]  # type: ignore[attr-defined]
        reference = next(row for row in clean if torch.equal(corners(row), box))
        expected = torch.zeros(x.shape[2:], dtype=x.dtype)
        for shown, output in variants:
            weight = max(similarity(row, reference) for row in output)
            expected += weight * (shown / x[0]).mean(0)
        torch.testing.assert_close(
            explanation.maps["input"][0, column], expected / (SHARE * MASKS), rtol=1e-5, atol=1e-7
        )


def test_it_has_the_defaults_of_its_paper() -> None:
    """Section 4: 5,000 masks of 16 x 16 cells, each there with probability 0.5."""
    method = xaikit.Registry().find("method", "drise").cls
    assert method() == method(masks=5000, cells=16, share=0.5)


def test_its_map_is_largest_where_the_detection_is() -> None:
    method = {"use": "drise", "masks": 600, "cells": 8}
    for y, x in ((8, 16), (16, 0)):
        target = {"use": "box", "format": "anchor_free"}
        explanation = xaikit.explain(YoloShaped(), picture((RED, y, x, 8)), {"one": method}, target=target)["one"]
        assert explanation.map is not None
        inside = torch.zeros(32, 32, dtype=torch.bool)
        inside[y : y + 8, x : x + 8] = True
        saliency = explanation.map[0]
        assert saliency[inside].mean() > saliency[~inside].mean() + 3 * saliency[~inside].std()
