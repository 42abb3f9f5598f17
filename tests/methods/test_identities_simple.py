"""Theorems about methods that look at activations alone, about CAM, and about controls, over nets built on the fly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import xaikit
from helpers.nets import PROPERTY, Net, Spec, distance, of_class, specs
from helpers.views import made_view
from xaikit import ConfigError
from xaikit.registry import Registry

ROUNDING = 1e-12
AGNOSTIC: dict[str, dict[str, Any]] = {
    "fem": {},
    "lafam": {},
    "kpcacam": {"gamma": "scale"},
    "randomcam": {},
    "edges": {},
    "center": {},
    "uniform": {},
}
# a component is as sure as its eigenvalue is above the next
SLACK = {"fem": ROUNDING, "lafam": ROUNDING, "kpcacam": 1e-7}
CONTROLS = ["edges", "center", "uniform"]


def mapped(net: Net, x: Tensor, method: str, target: Any = 0, layer: Any = "features", **options: Any) -> Tensor:
    """The one raw map of a method."""
    explanation = xaikit.explain(net, x, {"it": {"use": method, **options}}, layers=layer, target=target)["it"]
    (saliency,) = explanation.maps.values()
    return saliency


def direct(method: str, activations: Tensor, **options: Any) -> Tensor:
    """The raw map (N, *S) that a method makes of activations alone."""
    saliency: Tensor = Registry().find("method", method).cls(**options).explain(made_view(activations))[:, 0]
    return saliency


def control(method: str, image: Tensor) -> Tensor:
    """The raw map (N, 1, *S) that a method makes of an input alone."""
    view = SimpleNamespace(image=image, activations=image.unsqueeze(1))
    saliency: Tensor = Registry().find("method", method).cls().explain(view)
    return saliency


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@given(specs(head=st.just("gap")))
@PROPERTY
def test_p1_below_global_pooling_cam_over_cells_is_gradcam(spec: Spec) -> None:
    net, x = spec.build()
    saliency = mapped(net, x, "cam", spec.targets)
    assert distance(mapped(net, x, "gradcam", spec.targets) * saliency[0].numel(), saliency) <= ROUNDING


@given(specs(head=st.just("gap")))
@PROPERTY
def test_the_mean_of_cam_is_the_score_less_the_bias(spec: Spec) -> None:
    net, x = spec.build()
    with torch.no_grad():
        score = of_class(spec.targets)(net(x) - net.head(torch.zeros_like(net.features(x))))
    assert (mapped(net, x, "cam", spec.targets).flatten(1).mean(1) - score).abs().max() <= ROUNDING


def test_cam_of_several_classes_is_cam_of_each() -> None:
    net, x = Spec().build()
    together = mapped(net, x, "cam", {"use": "classes", "of": [2, 0]})
    for column, index in enumerate((2, 0)):
        assert distance(together[:, column], mapped(net, x, "cam", index)) <= ROUNDING
    assert distance(together[:, 0], together[:, 1]) > 0.1


@pytest.mark.parametrize(("head", "layer"), [("flatten", "features"), ("gap", "features.conv0")])
def test_cam_refuses_what_is_not_averaged_and_classified(head: str, layer: str) -> None:
    """TorchCAM weighs any layer with as many channels as the classifier reads."""
    net, x = Spec(head=head).build()
    with pytest.raises(ConfigError, match="expected"):
        mapped(net, x, "cam", layer=layer)


@pytest.mark.parametrize("method", AGNOSTIC)
def test_p16_class_agnostic_methods_have_the_same_map_for_every_class(method: str) -> None:
    net, x = Spec(width=5, head="flatten").build()
    options = AGNOSTIC[method]
    plural = mapped(net, x, method, {"use": "classes", "of": [0, 1, 2]}, **options)
    for column in range(3):
        assert torch.equal(plural[:, column], plural[:, 0])
        assert torch.equal(mapped(net, x, method, column, **options), plural[:, 0])
    assert bool(plural.any())


def test_p16_can_fail_seg_eigen_cam_sees_the_class() -> None:
    net, x = Spec(width=5, head="flatten", bias=False).build()
    for layer in ("features.conv0", "features"):
        first, second = (mapped(net, x, "segeigencam", target, layer) for target in (0, 1))
        assert distance(first, second) > 1e-3


@pytest.mark.parametrize("method", ["fem", "lafam", "kpcacam"])
@given(spec=specs(width=st.integers(2, 5)), data=st.data())
@PROPERTY
def test_p17_the_order_of_channels_does_not_matter(method: str, spec: Spec, data: st.DataObject) -> None:
    net, x = spec.build()
    activations = net.features(x).detach()
    order = data.draw(st.permutations(range(spec.width)))
    saliency, expected = (direct(method, one, **AGNOSTIC[method]) for one in (activations[:, order], activations))
    if method == "kpcacam":
        # the sign is open where the component is at right angles to the mean over the channels
        saliency, expected = saliency.abs(), expected.abs()
    assert (saliency - expected).abs().max() <= SLACK[method] * expected.abs().max().clamp_min(1e-3)


def test_p17_a_dead_channel_is_nothing_to_fem_and_kpcacam_and_dilutes_lafam() -> None:
    activations = normal(2, 4, 6, 5)
    more = torch.cat([activations, torch.zeros(2, 1, 6, 5, dtype=torch.float64)], 1)
    for method, options in (("fem", {}), ("kpcacam", {"gamma": 0.2}), ("kpcacam", {"gamma": "scale"})):
        assert distance(direct(method, more, **options), direct(method, activations, **options)) <= 1e-10, method
    assert distance(direct("lafam", more) * 5 / 4, direct("lafam", activations)) <= ROUNDING


def test_p17_all_channels_twice_are_nothing_to_lafam_and_twice_fem() -> None:
    activations = normal(2, 4, 6, 5)
    twice = torch.cat([activations, activations], 1)
    assert distance(direct("lafam", twice), direct("lafam", activations)) <= ROUNDING
    assert distance(direct("fem", twice), 2 * direct("fem", activations)) <= ROUNDING


def test_p17_can_fail_a_channel_twice_counts_twice_whatever_reads_it() -> None:
    """No head plays a part, so that halving its weight on a copy is not seen."""
    activations = normal(2, 4, 6, 5)
    more = torch.cat([activations, activations[:, :1]], 1)
    for method in ("fem", "lafam", "kpcacam"):
        options = AGNOSTIC[method]
        saliency, expected = direct(method, more, **options), direct(method, activations, **options)
        assert distance(saliency / saliency.abs().max(), expected / expected.abs().max()) > 0.05, method


@pytest.mark.parametrize(("kernel", "factor"), [("rbf", 2.0), ("sigmoid", 1 / torch.tensor(1.0).double().cosh() ** 2)])
@pytest.mark.parametrize("space", [(11,), (6, 5), (4, 3, 3)], ids=str)
def test_kpcacam_is_centred_eigencam_where_gamma_is_small(kernel: str, factor: float, space: tuple[int, ...]) -> None:
    """Both kernels are then linear: exp(-g |x - y|^2) is 2 g x.y up to what centring takes away, tanh(1 + g x.y) is
    g x.y / cosh(1)^2."""
    activations, gamma = normal(2, 4, *space), 1e-7
    saliency = direct("kpcacam", activations, kernel=kernel, gamma=gamma)
    expected = direct("eigencam", activations, center=True) * (factor * gamma) ** 0.5
    assert distance(saliency, expected) < 1e-4


def test_lafam_is_cam_of_a_classifier_that_weighs_all_channels_alike() -> None:
    net, x = Spec().build()
    with torch.no_grad():
        net.head[-1].weight.fill_(1 / 4)
    assert distance(mapped(net, x, "cam"), mapped(net, x, "lafam")) <= ROUNDING


def drawn(net: Net, x: Tensor, seed: int) -> Tensor:
    """Random-CAM's map."""
    return xaikit.explain(net, x, "randomcam", layers="features", target=0, seed=seed)["randomcam"].maps["features"]


def test_randomcam_weighs_by_numbers_between_minus_one_and_one_that_the_seed_and_the_sample_give() -> None:
    """One place a channel is 1, so that the map is the weights."""
    count = 4096
    activation = torch.eye(count)[None].expand(2, -1, -1)
    method = Registry().find("method", "randomcam").cls()
    weights = method.explain(made_view(activation))[:, 0]
    assert not torch.equal(weights[0], weights[1])
    assert weights.min() < -0.99
    assert weights.max() > 0.99
    assert weights.abs().max() <= 1
    assert weights.mean().abs() < 0.05
    assert (weights.square().mean() - 1 / 3).abs() < 0.02


def test_randomcam_comes_again_in_any_precision_and_beside_any_method() -> None:
    net, x = Spec().build()
    once = drawn(net, x, 1)
    beside = xaikit.explain(net, x, ["gradcam", "randomcam"], layers="features", target=0, seed=1)["randomcam"]
    assert torch.equal(once, beside.maps["features"])
    assert distance(drawn(net.float(), x.float(), 1).double(), once) < 1e-5
    assert distance(drawn(net.double(), x, 2), once) > 0.1


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("method", CONTROLS)
def test_a_control_is_a_map_of_the_input_whatever_the_layer_and_the_model(method: str, dims: int) -> None:
    net, x = Spec(dims=dims, stride=2).build()
    other, _ = Spec(dims=dims, stride=2, seed=1).build()
    saliency = mapped(net, x, method)
    assert saliency.shape == (len(x), *x.shape[2:])
    assert torch.equal(saliency, mapped(other, x, method, layer="features.conv0"))


@pytest.mark.parametrize("method", CONTROLS)
def test_a_control_refuses_an_input_that_is_no_picture(method: str) -> None:
    model = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)).eval()
    with pytest.raises(ConfigError, match=r"^inputs: expected .* got \(2, 7\)"):
        xaikit.explain(model, torch.ones(2, 7), method, layers="0", target=0)


@pytest.mark.parametrize("method", CONTROLS)
def test_a_control_of_whole_numbers_and_of_half_precision_is_in_float32(method: str) -> None:
    image = torch.arange(2 * 3 * 5 * 4).reshape(2, 3, 5, 4)
    for dtype in (torch.uint8, torch.bfloat16, torch.float16):
        assert control(method, image.to(dtype)).dtype is torch.float32
    assert control(method, image.double()).dtype is torch.float64


def test_edges_is_sobels_filter() -> None:
    """Against SciPy's, whose one filter smooths by (1, 2, 1) and repeats the border too."""
    ndimage = pytest.importorskip("scipy.ndimage")
    for dims in (1, 2, 3):
        net, x = Spec(dims=dims).build()
        for row, saliency in enumerate(mapped(net, x, "edges")):
            gray = x[row].mean(0).numpy()
            sides = [torch.from_numpy(ndimage.sobel(gray, axis, mode="nearest")) for axis in range(dims)]
            assert distance(saliency[None], torch.stack(sides).square().sum(0).sqrt()[None]) <= ROUNDING


def test_edges_of_a_flat_picture_are_none_and_of_a_small_one_do_not_underflow() -> None:
    net, x = Spec().build(torch.float32)
    assert not mapped(net, torch.ones_like(x), "edges").any()
    assert distance(mapped(net, x * 1e-25, "edges") * 1e25, mapped(net, x, "edges")) < 1e-5


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_center_is_a_bump_in_the_middle_the_same_from_all_sides(dims: int) -> None:
    net, x = Spec(dims=dims).build()
    saliency = mapped(net, x, "center")
    for axis in range(1, dims + 1):
        assert distance(saliency.flip(axis), saliency) <= ROUNDING
    middle = tuple(side // 2 for side in saliency.shape[1:])
    assert saliency[(0, *middle)] >= saliency[0].max() * (1 - ROUNDING)
    corner = [((0.5 / side - 0.5) / 0.25) ** 2 for side in saliency.shape[1:]]
    assert abs(saliency[0].flatten()[0].log() + sum(corner) / 2) <= ROUNDING
    assert mapped(net, x, "center", std=0.5).sum() > saliency.sum()


def test_uniform_is_one_everywhere() -> None:
    net, x = Spec().build()
    assert torch.equal(mapped(net, x, "uniform"), torch.ones(2, 7, 6, dtype=torch.float64))
