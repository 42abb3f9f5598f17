"""SS-CAM, IS-CAM, Group-CAM and SESS restated slowly: loops, float64, no xaikit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import xaikit
from helpers.mask_formulas import (
    EXACT,
    LAYERS,
    MASKS,
    Sample,
    each_sample,
    maps_of,
    mask_of,
    scorer,
    stretched,
    upsampled,
)
from helpers.nets import CHANNELS, PROPERTY, SIZES, Net, Spec, distance, evidence, of_class, specs
from helpers.slow_formulas import Array, weighted
from xaikit.draws import SampleGenerator

N = 3
VARIANTS = {"normalized": MASKS[0], "torchcam": MASKS[1]}
"""Of SS-CAM with a softmax over the channels, and how their masks are made."""


def softmax_weighted(scores: dict[int, float], a: Array) -> Array:
    """sum_k softmax_k(scores) A_k; channels without a score weigh 0."""
    total = sum(np.exp(score) for score in scores.values())
    return weighted([float(np.exp(scores[k]) / total) if k in scores else 0.0 for k in range(len(a))], a)


def live(a: Array, top: int | None) -> list[int]:
    """The channels that vary, the most varied ones of them."""
    varying = [k for k in range(len(a)) if a[k].max() > a[k].min()]
    return sorted(varying, key=lambda k: -a[k].std())[:top]


def sscam(one: Sample, noise: Array, on: str, masks: str, top: int | None) -> Array:
    """w = softmax_k(1/n sum_i y(x (M_k + e_i))), or of y((x + e_i) M_k)."""
    scores = {}
    for k in live(one.a, top):
        mask, total = mask_of(one.a[k], one.x.shape[1:], masks), 0.0
        for field in noise:
            noisy = one.x * (mask + field) if on == "mask" else (one.x + field) * mask
            total += float(one.model(noisy)[one.c])
        scores[k] = total / len(noise)
    return softmax_weighted(scores, one.a)


def authors_sscam(one: Sample, noise: Array, on: str, std: float, top: int | None) -> Array:
    """w_k = 1/n sum_i p(x (U_k + (std / range U_k)^2 e_i)), or p(x M_k + (std / range x M_k)^2 e_i): no softmax over k."""
    weights = np.zeros(len(one.a))
    for k in live(one.a, top):
        large = upsampled(one.a[k], one.x.shape[1:])
        base = large if on == "mask" else one.x * stretched(large)
        strength = (std / (base.max() - base.min())) ** 2
        for field in noise:
            noisy = one.x * (base + strength * field) if on == "mask" else base + strength * field
            weights[k] += probability(one.model(noisy), one.c) / len(noise)
    return weighted(list(weights), one.a)


def iscam(one: Sample, strengths: list[float], masks: str, top: int | None) -> Array:
    """w = softmax_k of the mean of y(x s M_k) over strengths s (Naidu et al. 2020)."""
    scores = {}
    for k in live(one.a, top):
        mask, total = mask_of(one.a[k], one.x.shape[1:], masks), 0.0
        for strength in strengths:
            total += float(one.model(one.x * strength * mask)[one.c])
        scores[k] = total / len(strengths)
    return softmax_weighted(scores, one.a)


def groupcam(one: Sample, groups: int, variant: str) -> Array:
    """sum_g relu(w_g) R_g with w_g = p(x M_g + b(x) (1 - M_g)) - p(b(x)), or sum_g w_g M_g above a percentile; at the input's
    size (Zhang et al. 2021)."""
    blurred = np.stack([smoothed(channel, 25, 50.0) for channel in one.x])
    base = probability(one.model(blurred), one.c)
    size = -(-len(one.a) // groups)
    saliency = np.zeros(one.x.shape[1:])
    for start in range(0, len(one.a), size):
        group = np.zeros(one.a.shape[1:])
        for k in range(start, min(start + size, len(one.a))):
            group += one.g[k].mean() * one.a[k]
        group = np.maximum(group, 0.0)
        if variant == "june2021":
            group = np.where(group > np.percentile(group, 70), group, 0.0)
        large = upsampled(group, one.x.shape[1:])
        mask = stretched(large)
        gain = probability(one.model(one.x * mask + blurred * (1 - mask)), one.c) - base
        saliency += max(gain, 0.0) * large if variant == "current" else gain * mask
    return saliency


def probability(logits: Array, c: int) -> float:
    return float(np.exp(logits[c]) / np.exp(logits).sum())


def smoothed(array: Array, radius: int, sigma: float) -> Array:
    """A Gaussian cut off at a radius, less than the side; mirrored at the border, which is not repeated."""
    for axis, side in enumerate(array.shape):
        reach = min(radius, side - 1)
        kernel = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
        lines = np.pad(np.moveaxis(array, axis, 0), [(reach, reach)] + [(0, 0)] * (array.ndim - 1), mode="reflect")
        rows = [sum(kernel[j] * lines[i + j] for j in range(2 * reach + 1)) / kernel.sum() for i in range(side)]
        array = np.moveaxis(np.stack(rows), 0, axis)
    return array


def sess(net: Net, layer: str, x: Array, c: int, scales: int, pool: str) -> Array:
    """Windows of Grad-CAM, weighed by p / max p, pooled where positive, smoothed (Tursun et al. 2022); at the input's size."""
    sides, maps, chances = x.shape[1:], [], []
    for scale in range(scales):
        lengths = tuple(side + scale * round(2 * side / 7) for side in sides)
        scaled = np.stack([upsampled(channel, lengths) for channel in x])
        starts = [range(0, length, side) for side, length in zip(sides, lengths, strict=True)]
        for corner in product(*starts):
            ends = [min(start + side, length) for start, side, length in zip(corner, sides, lengths, strict=True)]
            window = tuple(slice(end - side, end) for end, side in zip(ends, sides, strict=True))
            patch = torch.from_numpy(scaled[(slice(None), *window)].copy())
            a, g = (one[0].numpy() for one in evidence(net, patch[None], layer, of_class([c])))
            placed = np.zeros(lengths)
            placed[window] = stretched(upsampled(np.maximum(weighted([one.mean() for one in g], a), 0), sides))
            maps.append(upsampled(placed, sides))
            chances.append(probability(scorer(net)(patch.numpy()), c))
    shares = [chance / max(chances) * one for chance, one in zip(chances, maps, strict=True)]
    if pool == "max":
        return smoothed(np.max(shares, 0), 5, 5.0)
    covering = np.sum([one > 0 for one in shares], 0)
    return smoothed(np.sum(shares, 0) / np.maximum(covering, 1), 5, 5.0)


# --- against the references


@contextmanager
def fixed_noise(fields: Tensor) -> Iterator[None]:
    """Whoever draws gets these, (N, *shape)."""

    def normal(self: SampleGenerator, *shape: int) -> Tensor:
        assert fields.shape[1:] == shape
        return fields

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SampleGenerator, "normal", normal)
        yield


@pytest.mark.parametrize("variant", ["authors", *VARIANTS])
@pytest.mark.parametrize("on", ["mask", "input"])
@given(spec=specs(), top=st.sampled_from((None, 2)))
@PROPERTY
def test_sscam_is_its_formula(on: str, variant: str, spec: Spec, top: int | None) -> None:
    net, x = spec.build()
    shape = [CHANNELS] * (on == "input") + list(SIZES[spec.dims])
    fields = torch.randn(spec.batch, N, *shape, generator=torch.Generator().manual_seed(spec.seed), dtype=torch.float64)
    method = {"use": "sscam", "n": N, "std": 0.5, "noise_on": on, "variant": variant, "top_channels": top}

    def formula(one: Sample, noise: Array) -> Array:
        if variant == "authors":
            return authors_sscam(one, noise, on, 0.5, top)
        return sscam(one, 0.5 * noise, on, VARIANTS[variant], top)

    with fixed_noise(fields):
        explanation = xaikit.explain(net, x, {"s": method}, layers=LAYERS, target=spec.targets)["s"]
    for layer in LAYERS:
        noise = iter(fields.numpy())
        expected = each_sample(spec, net, x, layer, lambda one, noise=noise: formula(one, next(noise)))
        assert distance(explanation.maps[layer], expected) <= EXACT


@pytest.mark.parametrize(
    ("variant", "strengths", "masks"),
    [("paper", [0.25, 0.5, 0.75, 1.0], MASKS[0]), ("torchcam", [0.25, 0.75, 1.5, 2.5], MASKS[1])],
)
@given(spec=specs(), top=st.sampled_from((None, 2)))
@PROPERTY
def test_iscam_is_its_formula(variant: str, strengths: list[float], masks: str, spec: Spec, top: int | None) -> None:
    net, x = spec.build()
    method = {"use": "iscam", "n": 4, "variant": variant, "top_channels": top}
    explanation = xaikit.explain(net, x, {"s": method}, layers=LAYERS, target=spec.targets)["s"]
    for layer in LAYERS:
        expected = each_sample(spec, net, x, layer, lambda one: iscam(one, strengths, masks, top))
        assert distance(explanation.maps[layer], expected) <= EXACT


@pytest.mark.parametrize("variant", ["current", "june2021"])
@pytest.mark.parametrize("groups", [2, 32])
@given(spec=specs())
@PROPERTY
def test_groupcam_upsampled_is_the_authors_formula(groups: int, variant: str, spec: Spec) -> None:
    net, x = spec.build()
    method = {"use": "groupcam", "groups": groups, "variant": variant}
    explanation = xaikit.explain(net, x, {"g": method}, layers=LAYERS, target=spec.targets)["g"]
    for layer in LAYERS:
        expected = each_sample(spec, net, x, layer, lambda one: groupcam(one, groups, variant))
        large = np.stack([upsampled(one.numpy(), tuple(x.shape[2:])) for one in explanation.maps[layer]])
        # probabilities near 1/3 are subtracted: rounding is of these
        assert (torch.from_numpy(large) - expected).abs().max() <= 1e-13 + EXACT * expected.abs().max()


@pytest.mark.parametrize("pool", ["mean", "max"])
@given(spec=specs(depth=st.integers(1, 2)), scales=st.integers(1, 4))
@PROPERTY
def test_sess_is_its_formula_averaged_to_cells(pool: str, spec: Spec, scales: int) -> None:
    net, x = spec.build()
    method = {"use": "sess", "scales": scales, "pool": pool}
    explanation = xaikit.explain(net, x, {"s": method}, layers=LAYERS, target=spec.targets)["s"]
    for layer in LAYERS:
        whole = [sess(net, layer, one.numpy(), c, scales, pool) for one, c in zip(x, spec.targets, strict=True)]
        large = torch.from_numpy(np.stack(whole)).unsqueeze(1)
        expected = torch.nn.functional.interpolate(large, size=spec.grid, mode="area").squeeze(1)
        assert distance(explanation.maps[layer], expected) <= EXACT


# --- what may not change anything, and what must


@pytest.mark.parametrize("name", ["sscam", "iscam", "groupcam", "sess"])
def test_a_sample_that_is_not_finite_spoils_no_other(name: str) -> None:
    net, x = Spec(batch=3).build()
    method = {"m": {"use": name, **({"scales": 3} if name == "sess" else {})}}
    (clean,) = maps_of(net, x, method, 0)
    x[1, 0, 2, 2] = torch.nan
    (saliency,) = maps_of(net, x, method, 0)
    assert distance(saliency[[0, 2]], clean[[0, 2]]) <= EXACT
    assert not torch.equal(saliency[1], clean[1])


@pytest.mark.parametrize("name", ["sscam", "iscam", "groupcam", "sess"])
def test_a_layer_that_is_constant_is_zero(name: str) -> None:
    net, x = Spec(bias=False).build()
    with torch.no_grad():
        net.get_parameter("features.conv1.weight").zero_()
    (saliency,) = maps_of(net, x, {"m": name}, 0, "features")
    assert torch.equal(saliency, torch.zeros(2, 7, 6, dtype=torch.float64))


@pytest.mark.parametrize("name", ["sscam", "iscam"])
def test_a_channel_that_is_constant_costs_no_pass(name: str) -> None:
    net, x = Spec(bias=False).build()
    with torch.no_grad():
        net.get_parameter("features.conv1.weight")[[0, 2]] = 0.0
    received: list[int] = []
    handle = net.register_forward_pre_hook(lambda _, inputs: received.append(len(inputs[0])))
    maps_of(net, x, {"m": {"use": name, "n": N}}, 0, "features")
    handle.remove()
    assert sum(received[1:]) == 2 * N * len(x)


@pytest.mark.parametrize(
    ("name", "option", "value", "expected"),
    [
        ("sscam", "n", 0, "n: expected at least 1, got 0"),
        ("sscam", "std", -1.0, "std: expected at least 0, got -1.0"),
        ("sscam", "noise_on", "map", "noise_on: expected one of mask, input, got 'map'"),
        ("sscam", "top_channels", 0, "top_channels: expected at least 1 or none, got 0"),
        ("iscam", "n", 0, "n: expected at least 1, got 0"),
        ("iscam", "variant", "sum", "variant: expected one of paper, torchcam, got 'sum'"),
        ("groupcam", "groups", 0, "groups: expected at least 1, got 0"),
        ("groupcam", "variant", "2020", "variant: expected one of current, june2021, got '2020'"),
        ("sscam", "variant", "paper", "variant: expected one of authors, normalized, torchcam, got 'paper'"),
        ("sess", "scales", 0, "scales: expected at least 1, got 0"),
        ("sess", "pool", "sum", "pool: expected one of mean, max, got 'sum'"),
    ],
)
def test_an_option_that_is_rejected_is_named(name: str, option: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match="^" + expected + "$"):
        xaikit.registry.Registry().find("method", name).cls(**{option: value})
