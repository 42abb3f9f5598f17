from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from xaikit import Needs


@dataclass(frozen=True)
class Half:
    """A method of the notebook's own."""

    share: float = 0.5
    needs: ClassVar[Needs] = Needs(gradients=1)

    def explain(self, view: Any) -> Tensor:
        return self.share * (view.gradients * view.activations).sum(view.channel)


@pytest.fixture
def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 5)
        )


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_names_lists_mappings_and_instances(net: nn.Module, images: Tensor) -> None:
    one = xaikit.explain(net, images, "hirescam")
    many = xaikit.explain(net, images, ["hirescam", "gradcam"])
    mixed = xaikit.explain(net, images, {"mine": Half(share=1.0), "again": {"use": "hirescam"}, "gradcam": None})
    assert list(mixed) == ["mine", "again", "gradcam"]
    assert torch.equal(one["hirescam"].map, many["hirescam"].map)
    torch.testing.assert_close(mixed["mine"].maps["3"], one["hirescam"].maps["3"])
    assert torch.equal(mixed["gradcam"].map, many["gradcam"].map)


def test_layers_by_name_glob_module_and_auto(net: nn.Module, images: Tensor) -> None:
    assert list(xaikit.explain(net, images)["gradcam"].maps) == ["3"]
    assert list(xaikit.explain(net, images, layers=["1", net[3]])["gradcam"].maps) == ["1", "3"]
    stages = nn.Sequential()
    stages.add_module("stage1", net[:2])
    stages.add_module("stage2", net[2:4])
    stages.add_module("head", net[4:])
    assert list(xaikit.explain(stages, images, layers="stage*")["gradcam"].maps) == ["stage1", "stage2"]
    assert list(xaikit.explain(stages, images, layers="stage2.*")["gradcam"].maps) == ["stage2.2", "stage2.3"]
    with pytest.raises(xaikit.LayerNotFound, match=r"no layer 'relu'; known: 0, 1"):
        xaikit.explain(net, images, layers="relu")


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        ("top1", (3,)),
        (2, (3,)),
        ([0, 1, 4], (3,)),
        (torch.tensor([0, 1, 4]), (3,)),
        ({"use": "top", "k": 2}, (3, 2)),
        ({"use": "classes", "of": [1, 3]}, (3, 2)),
        (lambda output: output[:, 0] - output[:, 1], (3,)),
        (lambda output: output[:, :3], (3, 3)),
    ],
)
def test_targets(net: nn.Module, images: Tensor, target: Any, shape: tuple[int, ...]) -> None:
    explanation = xaikit.explain(net, images, target=target)["gradcam"]
    assert explanation.scores.shape == shape
    assert explanation.map.shape == (*shape, 8, 8)
    assert explanation.maps["3"].shape == (*shape, 4, 4)


def test_scores_are_the_logits_of_the_target(net: nn.Module, images: Tensor) -> None:
    logits = net(images).detach()
    assert torch.equal(xaikit.explain(net, images, target=[0, 1, 4])["gradcam"].scores, logits[[0, 1, 2], [0, 1, 4]])
    top = xaikit.explain(net, images, target={"use": "top", "k": 2})["gradcam"]
    assert torch.equal(top.target.indices, logits.topk(2).indices)


def test_finish(net: nn.Module, images: Tensor) -> None:
    signed = xaikit.explain(net, images, finish={"rectify": "none", "normalize": "none", "resize": "none"})["gradcam"]
    assert torch.equal(signed.map, signed.maps["3"])
    sized = xaikit.explain(net, images, finish={"resize": [5, 6]})["gradcam"]
    assert sized.map.shape == (3, 5, 6)
    apart = xaikit.explain(net, images, layers=["1", "3"], finish={"fuse": "none"})["gradcam"]
    assert apart.map is None
    assert apart.finished["1"].shape == (3, 8, 8)
    with pytest.raises(xaikit.ConfigError, match=r"expected maps of one size, got 1 \(6, 6\), 3 \(4, 4\)"):
        xaikit.explain(net, images, layers=["1", "3"], finish={"resize": "none"})


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"methods": "gradcm"}, xaikit.ConfigError, "no method 'gradcm'; did you mean 'gradcam'"),
        ({"methods": {"a": {"use": "gradcampp", "varaint": "x"}}}, xaikit.ConfigError, "did you mean 'variant'"),
        ({"target": 5}, xaikit.ConfigError, r"expected a class index in 0 \.\.\. 4, got 5"),
        ({"target": -1}, xaikit.ConfigError, r"expected a class index in 0 \.\.\. 4, got -1"),
        ({"target": [1]}, xaikit.ConfigError, "expected 3 class indices, one a sample, got 1"),
        ({"target": "top0"}, xaikit.ConfigError, "expected at least 1, got 0"),
        ({"target": {"use": "top", "k": 9}}, xaikit.ConfigError, "expected k of at most 5 classes, got 9"),
        ({"finish": {"scael": "tanh"}}, xaikit.ConfigError, "did you mean 'scale'"),
        ({"layers": 4}, xaikit.LayerNotFound, "expected names, modules or 'auto', got 4"),
        ({"ids": ["a"]}, xaikit.ConfigError, "expected 3, one a sample, got 1"),
        ({"methods": {"mine": object()}}, xaikit.PluginContract, "expected a frozen dataclass"),
    ],
)
def test_mistakes(net: nn.Module, images: Tensor, arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        xaikit.explain(net, images, **arguments)


def test_draws_depend_on_seed_and_id_and_nothing_else(net: nn.Module, images: Tensor) -> None:
    def noisy(**changes: Any) -> Tensor:
        return xaikit.explain(net, images, "smoothgradcampp", layers="1", **changes)["smoothgradcampp"].maps["1"]

    assert torch.equal(noisy(), noisy())
    assert not torch.equal(noisy(), noisy(seed=1))
    assert not torch.equal(noisy(), noisy(ids=["x", "y", "z"]))
    relabelled = xaikit.explain(net, images, {"other": {"use": "smoothgradcampp"}, "gradcam": None}, layers="1")[
        "other"
    ].maps["1"]
    assert torch.equal(noisy(), relabelled)


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions(dims: int) -> None:
    conv = {1: nn.Conv1d, 3: nn.Conv3d}[dims]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(conv(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 6**dims, 4))
        x = torch.rand(2, 2, *[6] * dims)
    explanations = xaikit.explain(
        net, x, ["gradcam", "gradcampp", "xgradcam", "layercam", "hirescam", "smoothgradcampp"], layers="1"
    )
    for explanation in explanations.values():
        assert explanation.map.shape == (2, *[6] * dims)


def test_a_map_that_positive_gradients_alone_would_make_is_called_negative(net: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        net[5].weight.copy_(-net[5].weight.abs())
    explanations = xaikit.explain(net, images, ["layercam", "gradcampp"], layers="3", target=0)
    for explanation in explanations.values():
        reasons = {remark.reason for remark in explanation.warnings}
        assert reasons == {"all-negative gradients: nothing is left of them"}
