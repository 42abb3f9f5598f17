"""Every method on the shelf, on the device: the map of the CPU, and how often the host waits for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import xaikit
from helpers import transformers
from helpers.devices import agree, cnn, moved, pictures, waits
from xaikit.registry import Registry

METHODS = [entry.name for entry in Registry().catalogue("method")]
FEW = {
    "sess": {"scales": 2},
    "sscam": {"n": 2},
    "iscam": {"n": 2},
    "featureig": {"steps": 4},
    "dff": {"iterations": 20},
    "integratedgradients": {"steps": 4},
    "expectedgradients": {"samples": 2},
    "guidedgradcam": {"layer": "body"},
    "smoothgrad": {"n": 2},
    "vargrad": {"n": 2},
    "occlusion": {"window": 4, "stride": 4},
    "rise": {"masks": 8},
    "drise": {"masks": 8},
    "kernelshap": {"samples": 16, "cells": 2},
    "lime": {"samples": 16, "cells": 2},
}
"""Options with fewer passes."""


OF_RELUS = ["cam", "liftcam", "fullgrad", "deeplift", "guidedbackprop", "deconvnet", "guidedgradcam"]
ATTENTION = ["rollout", "gae", "legrad", "rawattention"]
NETS: dict[str, Any] = {
    "cnn": (cnn(), pictures(), ["stem", "body"]),
    "vit": (
        transformers.transformer(depth=2).float(),
        transformers.pictures(3, torch.float32),
        ["blocks.0", "blocks.1"],
    ),
}
MOST = {"sess": 3, "smoothgradcampp": 3, "featureig": 3, "liftcam": 3, "shapleycam": 3}
"""How often the host may wait in a batch at two layers; re-scoring methods 3 times, all others once."""


def most(name: str) -> int:
    needs = Registry().find("method", name).cls.needs
    return MOST.get(name, 3 if needs.reruns or needs.replays else 1)


def explained(method: Any, net: Any, inputs: Any, layers: list[str], **more: Any) -> xaikit.Explanation:
    # one kernel of attention, as a device has others
    with sdpa_kernel(SDPBackend.MATH):
        (explanation,) = xaikit.explain(net, inputs, method, layers=layers, target=[1, 2, 0], **more).values()
    return explanation


def served(name: str) -> list[str]:
    if name in ATTENTION:
        return ["vit"]
    return ["cnn"] if name in OF_RELUS else list(NETS)


@pytest.mark.parametrize(("name", "net"), [(name, net) for name in METHODS for net in served(name)])
def test_a_method_gives_the_map_of_the_cpu(name: str, net: str) -> None:
    model, inputs, layers = NETS[net]
    layers = layers[-1:] if name == "cam" else layers
    method = {name: {"use": name, **FEW.get(name, {})}}
    expected = explained(method, model, inputs, layers)
    model, inputs = moved(model), moved(inputs)
    first = explained(method, model, inputs, layers)
    with waits() as names:
        again = explained(method, model, inputs, layers)
    for explanation in (first, again):
        assert explanation.maps.keys() == expected.maps.keys()
        assert all(agree(explanation.maps[layer], expected.maps[layer]) for layer in expected.maps)
        assert agree(explanation.map, expected.map)
        assert agree(explanation.scores, expected.scores)
        assert explanation.warnings == expected.warnings
    assert len(names) <= most(name), names


def test_the_first_batch_of_a_model_waits_a_few_times_more() -> None:
    model, inputs, layers = NETS["cnn"]
    with waits() as names:
        explained("gradcam", moved(model), moved(inputs), layers)
    assert len(names) <= 6, names
