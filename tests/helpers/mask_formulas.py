"""Slow formulas of masked inputs: the masks, and how a sample is scored, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import xaikit
from helpers.nets import Net, Spec, evidence, of_class
from helpers.slow_formulas import Array

Scores = Callable[[Array], Array]
EXACT = 1e-10


LAYERS = ["features.conv0", "features"]


MASKS = ("upsample_first", "normalize_first")


@dataclass(frozen=True)
class Sample:
    """One sample: activation and gradient (C, *S), input, class, and the scores of all classes from either end."""

    a: Array
    g: Array
    x: Array
    c: int
    tail: Scores
    model: Scores


def mask_of(channel: Array, size: tuple[int, ...], order: str) -> Array:
    if order == "normalize_first":
        return upsampled(stretched(channel), size)
    return stretched(upsampled(channel, size))


def stretched(array: Array) -> Array:
    span = array.max() - array.min()
    return (array - array.min()) / span if span else np.zeros_like(array)


def upsampled(array: Array, size: tuple[int, ...]) -> Array:
    """Linear between the centres of cells, one axis after the other."""
    for axis, length in enumerate(size):
        cells = np.moveaxis(array, axis, 0)
        lines = []
        for i in range(length):
            place = max((i + 0.5) * len(cells) / length - 0.5, 0.0)
            low = int(place)
            high = min(low + 1, len(cells) - 1)
            lines.append(cells[low] + (place - low) * (cells[high] - cells[low]))
        array = np.moveaxis(np.stack(lines), 0, axis)
    return array


def scorer(module: Callable[[Tensor], Tensor]) -> Scores:
    """A module as a function of one sample."""

    def scores(sample: Array) -> Array:
        with torch.no_grad():
            return module(torch.from_numpy(sample)[None])[0].numpy()

    return scores


def tail_of(net: Net, layer: str) -> Scores:
    names = list(dict(net.features.named_children()))
    stop = names.index(layer.removeprefix("features.")) + 1 if "." in layer else len(names)
    return scorer(lambda activation: net.head(net.features[stop:](activation)))


def each_sample(spec: Spec, net: Net, x: Tensor, layer: str, formula: Callable[[Sample], Any]) -> Tensor:
    activations, gradients = evidence(net, x, layer, of_class(spec.targets))
    tail, model = tail_of(net, layer), scorer(net)
    arrays = zip(activations.numpy(), gradients.numpy(), x.numpy(), spec.targets, strict=True)
    return torch.from_numpy(np.stack([formula(Sample(*one, tail, model)) for one in arrays]))


def maps_of(net: Net, x: Tensor, methods: dict[str, Any], target: Any, layer: str = "features.conv0") -> list[Tensor]:
    explanations = xaikit.explain(net, x, methods, layers=layer, target=target)
    return [one.maps[layer] for one in explanations.values()]
