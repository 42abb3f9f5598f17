"""What attributions of the input are on models that tell: linear ones, and ones whose parts add up."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from xaikit.ops import superpixels
from xaikit.registry import Registry

RAW = {"rectify": "none", "normalize": "none", "resize": "none", "fuse": "none"}
SIDE = 6


class Linear(nn.Module):
    """Two scores that are linear in the photograph."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        self.weight = nn.Parameter(torch.randn(2, 2, SIDE, SIDE, generator=draw, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", x, self.weight) + 0.5


class Product(nn.Module):
    """A score that multiplies the means of quarters, which add up to nothing."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x[..., : SIDE // 2, :].mean((1, 3)).mean(1), x[..., SIDE // 2 :, : SIDE // 2].mean((1, 2, 3))
        return torch.stack([first * second + second, first], 1)


def images() -> Tensor:
    return torch.randn(2, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def first_score(output: Tensor) -> Tensor:
    return output[:, 0]


def explained(use: str, model: nn.Module | None = None, target: Any = 0, **options: Any) -> xaikit.Explanation:
    method = {use: {"use": use, **options}}
    return xaikit.explain(model or Linear(), images(), method, target=target, finish=RAW)[use]


def map_of(use: str, model: nn.Module | None = None, target: Any = 0, **options: Any) -> Tensor:
    (saliency,) = explained(use, model, target, **options).maps.values()
    return saliency


PRODUCT = (images() * Linear().weight.detach()[0]).sum(1)
"""What each place adds to the score."""


@pytest.mark.parametrize(
    ("use", "options"),
    [
        ("inputxgradient", {}),
        ("integratedgradients", {"steps": 1}),
        ("integratedgradients", {"steps": 3, "quadrature": "midpoint"}),
        ("deeplift", {}),
        ("occlusion", {"window": 1, "stride": 1}),
        ("kernelshap", {"cells": SIDE, "samples": 100, "baseline": "zero"}),
        ("lime", {"cells": SIDE, "samples": 100, "baseline": "zero", "ridge": 0.0}),
    ],
)
def test_of_a_linear_model_all_are_what_each_place_adds(use: str, options: dict[str, Any]) -> None:
    assert torch.allclose(map_of(use, **options), PRODUCT, atol=1e-8)


@pytest.mark.parametrize("baseline", ["mean", "blur"])
def test_from_another_baseline_only_what_differs_counts(baseline: str) -> None:
    explanation = explained("integratedgradients", steps=2, baseline=baseline)
    (saliency,) = explanation.maps.values()
    x = images()
    other = x.mean((2, 3), keepdim=True) if baseline == "mean" else None
    if other is not None:
        assert torch.allclose(saliency, ((x - other) * Linear().weight.detach()[0]).sum(1), atol=1e-8)
    assert explanation.numbers["residual"]["input"].abs().max() < 1e-10
    assert not torch.allclose(saliency, PRODUCT, atol=1e-3)


def test_the_gradient_of_a_linear_model_is_its_weight_whatever_the_noise() -> None:
    weight = Linear().weight.detach()[0].abs().amax(0).expand(2, SIDE, SIDE)
    assert torch.allclose(map_of("gradient"), weight)
    assert torch.allclose(map_of("smoothgrad", n=3), weight)
    assert torch.allclose(map_of("smoothgrad", n=3, squared=True), weight**2)
    assert float(map_of("vargrad", n=3).abs().max()) < 1e-20


def test_channels_are_summed_or_the_largest_is_taken() -> None:
    weight = Linear().weight.detach()[0]
    assert torch.allclose(map_of("gradient", channels="sum")[0], weight.abs().sum(0))
    assert torch.allclose(map_of("gradient", channels="sum", absolute=False)[0], weight.sum(0))
    signed = map_of("gradient", absolute=False)[0]
    assert torch.allclose(signed.abs(), weight.abs().amax(0))
    assert torch.equal(signed.sign(), weight.gather(0, weight.abs().argmax(0, keepdim=True))[0].sign())


def test_rise_is_unbiased_on_what_adds_up() -> None:
    """With a cell a pixel, E L_q = p sum_j a_j + (1 - p) a_q."""
    share, count = 0.4, 40_000
    made = map_of("rise", target=first_score, masks=count, cells=SIDE, share=share) - 0.5
    total = PRODUCT.sum((1, 2), keepdim=True)
    expected = share * total + (1 - share) * PRODUCT
    error = (PRODUCT.square().sum((1, 2)).sqrt() + total.abs().flatten() + 0.5) / count**0.5
    assert bool(((made - expected).abs().amax((1, 2)) < 6 * error).all())


def test_masks_of_rise_are_there_as_often_as_said_and_between_nothing_and_all() -> None:
    method = Registry().find("method", "rise").cls(masks=200, cells=3, share=0.3)
    seen: list[Tensor] = []

    class Seeing(Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach())
            return super().forward(x)

    xaikit.explain(Seeing(), torch.ones_like(images()), {"rise": method}, target=0, finish=RAW)
    masks = torch.cat([each for each in seen if not bool((each == 1).all())])
    assert float(masks.min()) >= 0
    assert float(masks.max()) <= 1
    assert float(masks.mean()) == pytest.approx(0.3, abs=0.03)


def test_kernel_shap_is_the_shapley_value_where_parts_interact() -> None:
    """By its definition, over all orders of four cells."""
    model, x = Product(), images()
    corner = [
        (slice(0, 3), slice(0, 3)),
        (slice(0, 3), slice(3, 6)),
        (slice(3, 6), slice(0, 3)),
        (slice(3, 6), slice(3, 6)),
    ]

    def score(there: tuple[int, ...]) -> Tensor:
        image = torch.zeros_like(x)
        for cell in there:
            image[(..., *corner[cell])] = x[(..., *corner[cell])]
        return model(image)[:, 0]

    expected = torch.zeros(2, SIDE, SIDE, dtype=torch.float64)
    for cell in range(4):
        others = [each for each in range(4) if each != cell]
        for size in range(4):
            weight = factorial(size) * factorial(3 - size) / factorial(4)
            for chosen in combinations(others, size):
                gain = score((*chosen, cell)) - score(chosen)
                expected[(slice(None), *corner[cell])] += weight * gain[:, None, None]
    made = map_of("kernelshap", model, cells=2, samples=14, baseline="zero")
    assert torch.allclose(made, expected, atol=1e-10)
    drawn = map_of("kernelshap", model, cells=2, samples=13, baseline="zero")
    assert torch.allclose(drawn[:, ::3, ::3].sum((1, 2)), score((0, 1, 2, 3)) - score(()), atol=1e-10)


def unlike() -> Tensor:
    """Noise, which is one superpixel as it has no edges to follow, and a photograph of several."""
    noise = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return torch.cat([noise, (torch.arange(12) > 5).expand(1, 3, 12, 12).double()])


class Large(nn.Module):
    """Linear in photographs of 12 x 12."""

    weight = torch.randn(3, 12, 12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([(x * self.weight).sum((1, 2, 3)), x.sum((1, 2, 3))], 1)


@pytest.mark.parametrize(
    ("use", "options", "count"),
    [
        ("kernelshap", {"cells": 2, "samples": 14}, 16),
        ("kernelshap", {"cells": 2, "samples": 100}, 16),
        ("kernelshap", {"cells": 2, "samples": 13}, 15),
        ("kernelshap", {"cells": 4, "samples": 20}, 22),
        ("kernelshap", {"cells": 4, "samples": 21}, 23),
        ("lime", {"cells": 2, "samples": 13}, 13),
    ],
)
def test_the_plan_knows_how_many_scores_a_photograph_takes(use: str, options: dict[str, Any], count: int) -> None:
    rows: list[int] = []
    model = Linear()
    model.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    method = Registry().find("method", use).cls(**options)
    explained(use, model, **options)
    # behind the clean pass, and one photograph alone
    assert sum(rows[2:]) == len(images()) * count
    assert method.further(2, SIDE**2) == count


def test_a_kernel_that_reaches_no_choice_is_refused() -> None:
    message = r"width: expected a kernel that reaches some choice of parts, got 0\.001, .* the nearest at D = 0\.\d"
    with pytest.raises(xaikit.ConfigError, match=message):
        map_of("lime", cells=3, samples=20, width=0.001)
    assert bool(map_of("lime", cells=3, samples=20, width=0.01).isfinite().all())


@pytest.mark.parametrize("use", ["kernelshap", "lime"])
def test_superpixels_have_what_lies_in_them(use: str) -> None:
    """Each photograph has superpixels of its own, and its map is the same beside one that has others."""
    x, model = unlike(), Large()
    labels = superpixels(x, 9)
    assert int(labels[0].max()) + 1 == 1 < int(labels[1].max()) + 1
    options = {"use": use, "segments": "slic", "cells": 3, "samples": 200, "baseline": "zero"}
    method = {"m": options | ({"ridge": 0.0} if use == "lime" else {})}
    made = xaikit.explain(model, x, method, target=0, finish=RAW, ids=["a", "b"])["m"].maps["input"]
    for row in range(2):
        share = (x * model.weight)[row].sum(0)
        expected = torch.zeros(12, 12, dtype=torch.float64)
        for segment in range(int(labels[row].max()) + 1):
            expected[labels[row] == segment] = share[labels[row] == segment].sum()
        assert torch.allclose(made[row], expected, atol=1e-8)
        alone = xaikit.explain(model, x[[row]], method, target=0, finish=RAW, ids=["ab"[row]])["m"].maps["input"]
        assert torch.allclose(made[row], alone[0], rtol=0, atol=1e-10)


def test_occlusion_is_the_mean_over_windows() -> None:
    model, x = Product(), images()
    expected, count = torch.zeros(2, SIDE, SIDE, dtype=torch.float64), torch.zeros(SIDE, SIDE, dtype=torch.float64)
    starts = (0, 2, 3)  # the last one ends where the input does
    for top in starts:
        for left in starts:
            occluded = x.clone()
            occluded[..., top : top + 3, left : left + 3] = 0
            expected[:, top : top + 3, left : left + 3] += (model(x) - model(occluded))[:, 0, None, None]
            count[top : top + 3, left : left + 3] += 1
    assert torch.allclose(map_of("occlusion", model, window=3, stride=2), expected / count, atol=1e-12)


@pytest.mark.parametrize(("window", "stride"), [(4, 2), (3, 1), (1, 1)])
def test_windows_begin_every_half_of_one_where_nothing_else_is_said(window: int, stride: int) -> None:
    model = Product()
    stated = map_of("occlusion", model, window=window, stride=stride)
    assert torch.equal(map_of("occlusion", model, window=window), stated)


def test_smoothgrad_draws_by_sample_and_seed() -> None:
    model = Product()
    made = map_of("smoothgrad", model, n=4)
    both = xaikit.explain(model, images(), {"s": {"use": "smoothgrad", "n": 4}}, target=0, finish=RAW, seed=1)["s"]
    assert not torch.allclose(made, both.maps["input"])


@pytest.mark.parametrize(
    ("use", "options", "message"),
    [
        ("gradient", {"channels": "mean"}, "channels: expected 'max' or 'sum', got 'mean'"),
        ("smoothgrad", {"n": 0}, "n: expected at least 1, got 0"),
        ("vargrad", {"n": 1}, "n: expected at least 2, got 1"),
        ("integratedgradients", {"baseline": "black"}, "baseline: expected zero, mean, blur, uniform or"),
        ("occlusion", {"window": 2, "stride": 3}, "stride: expected at most the window, 2, got 3"),
        (
            "rise",
            {"cells": 10**6, "masks": 1},
            "masks, cells: expected at most 268,435,456 cells in all masks, got 1,0",
        ),
        ("rise", {"share": 1.0}, "share: expected above 0 and below 1, got 1.0"),
        ("lime", {"width": 0.0}, "width: expected a number above 0, got 0.0"),
        ("kernelshap", {"cells": 1}, "cells: expected at least 2, got 1"),
    ],
)
def test_options_that_are_none(use: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, xaikit.ConfigError), match=message):
        explained(use, **options)
