"""The general truth check: evidence that is known to lie in one place is where every layout, target and augmentation finds it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.planted_nets import (
    ARRANGEMENTS,
    CLASSES,
    GRID,
    PATCH,
    PLACES,
    Planted,
    PlantedAttention,
    largest_place,
    planted_picture,
)
from xaikit.registry import Registry

REGISTRY = Registry()
FEW: dict[str, dict[str, Any]] = {
    "sess": {"scales": 2},
    "sscam": {"n": 4, "std": 0.05},
    "fullgrad": {"rescale": "layer"},
    "smoothgradcampp": {"n": 2},
    "featureig": {"steps": 3},
    "iscam": {"n": 3},
    "expectedgradients": {"samples": 8},
    "guidedgradcam": {"layer": "last"},
    "occlusion": {"window": 4, "stride": 2},
    "rise": {"masks": 1000},
    "drise": {"masks": 1000},
    "kernelshap": {"samples": 400, "cells": 8, "baseline": "zero"},
    "lime": {"samples": 400, "cells": 8, "baseline": "zero"},
}
VARYING = {"vargrad"}
"""Methods that look at what changes under noise, of which a network of one ReLU has next to nothing."""
OF_WEIGHTS = {"deconvnet"}
"""Methods whose map, without max pooling, is what the weights look like, whatever the ReLUs have stopped (Nie et al. 2018)."""
METHODS = [
    name
    for name in sorted(REGISTRY.names("method"))
    if (needs := REGISTRY.find("method", name).cls.needs).uses_target
    and not needs.attention
    and name not in VARYING | OF_WEIGHTS
]
"""Every method on the shelf that a target plays a part in; those that read attention have a net of their own below."""

A_WAY_OF_EACH_KIND = ["gradcam", "layercam", "ablationcam", "scorecam", "smoothgradcampp"]


def option(name: str) -> dict[str, Any]:
    return {"use": name, **FEW.get(name, {})}


def place_of(model: nn.Module, method: str, **more: Any) -> tuple[int, int]:
    """The cell in which the map of the one layer, or of the input, is largest."""
    more = {"layers": "last", "finish": {"resize": "none"}, **more}
    explanation = xaikit.explain(model.eval(), planted_picture(), {"planted": option(method)}, **more)["planted"]
    assert explanation.map is not None
    return largest_place(explanation.with_targets(explanation.map)[:, 0])


@pytest.mark.parametrize("arranged", ARRANGEMENTS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_its_class_in_every_layout(method: str, arranged: str) -> None:
    arrangement = ARRANGEMENTS[arranged]
    model = Planted(arrangement)
    places = [place_of(model, method, target=target, layout=arrangement.stated) for target in range(CLASSES)]
    assert places == list(PLACES)


ATTENDING = [
    name
    for name in sorted(REGISTRY.names("method"))
    if (needs := REGISTRY.find("method", name).cls.needs).uses_target and needs.attention
]


@pytest.mark.parametrize("method", ATTENDING)
def test_every_method_that_reads_attention_finds_its_class(method: str) -> None:
    model = PlantedAttention()
    # a dark patch tells nothing of where its token lies
    stated = {"use": "tokens", "prefix": 1, "grid": list(GRID)}
    places = [place_of(model, method, target=target, layers="auto", layout=stated) for target in range(CLASSES)]
    assert places == list(PLACES)


TARGETS: dict[str, dict[str, Any]] = {
    "logit": {"index": 1},
    "classes": {"of": [1]},
    "label": {},
    "top": {"k": 1},
    "softmax": {"of": 1},
    "rest": {"of": 1},
    "margin": {"of": 1},
    "contrast": {"of": 1, "against": {"top": 2}},
    "raw": {"index": 1},
    "similarity": {"to": [-1.0, 3.0, -1.0]},
    "neuron": {"layer": "head", "unit": [1, 0, 0]},
    "channel": {"layer": "head", "channel": 1},
}


@pytest.mark.parametrize("method", A_WAY_OF_EACH_KIND)
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_of_a_classifier_is_found_at_its_place(target: str, method: str) -> None:
    model = Planted(ARRANGEMENTS["channels first"])
    place = place_of(model, method, target={"use": target, **TARGETS[target]}, labels=[1])
    assert place == PLACES[0 if target == "top" else 1]


class Positive(Planted):
    """One logit, of the second class."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, 1]


class Detector(Planted):
    """A detection a cell: its place, its likeliest class, and how likely it is."""

    def forward(self, x: Tensor) -> Any:
        logits = super().forward(x).flatten(2)
        cells = PATCH * torch.cartesian_prod(torch.arange(GRID[0]), torch.arange(GRID[1])).flip(1).float()
        boxes = torch.cat([cells, cells + PATCH], 1)
        best = (logits / 100).softmax(1).max(1)
        return [
            {"boxes": boxes, "labels": labels, "scores": scores}
            for labels, scores in zip(best.indices, best.values, strict=True)
        ]


OUTPUTS: dict[str, tuple[type[Planted], Any]] = {
    "binary": (Positive, {"use": "binary", "positive": True}),
    "callable": (Positive, lambda output: output * 2),
    "region": (Planted, {"use": "region", "of": 1}),
    "region of all": (Planted, {"use": "region", "of": 1, "mask": "all"}),
    "box": (Detector, {"use": "box", "of": 1}),
}
SCORED = [
    (output, method)
    for output in OUTPUTS
    for method in A_WAY_OF_EACH_KIND
    if (output, method) != ("box", "ablationcam")
]
"""Without what jumps: with a channel less another box may be the best."""


@pytest.mark.parametrize(("output", "method"), SCORED)
def test_targets_of_other_outputs_are_found_at_their_place(output: str, method: str) -> None:
    model, target = OUTPUTS[output]
    net = model(ARRANGEMENTS["channels first"], dense=model is not Positive)
    assert place_of(net, method, target=target) == PLACES[1]


AUGMENTS: dict[str, dict[str, Any]] = {
    "flip": {"flip": True},
    "scale": {"scale": [0.75, 1.0, 1.25]},
    "gain": {"gain": [0.8, 1.2]},
    "noise": {"noise": 0.02, "draws": 2},
    "all": {"flip": True, "scale": [1.0, 1.5], "gain": [0.9], "noise": 0.01},
}


@pytest.mark.parametrize("arranged", ["channels first", "channels last", "rows, channels, columns", "tokens"])
@pytest.mark.parametrize("augment", AUGMENTS)
@pytest.mark.parametrize("method", A_WAY_OF_EACH_KIND)
def test_evidence_is_undone_to_where_it_lies(method: str, augment: str, arranged: str) -> None:
    arrangement, stated = ARRANGEMENTS[arranged], AUGMENTS[augment]
    layout = {"use": "tokens"} if arranged == "tokens" else arrangement.stated  # a stated grid would have one size
    places = [
        place_of(Planted(arrangement), method, target=target, layout=layout, augment=stated)
        for target in range(CLASSES)
    ]
    assert places == list(PLACES)
