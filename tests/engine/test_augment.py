"""Augmented passes: the same as variants by hand, undone and averaged; every method under the same pinned target."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.nets import distance, photographs, random_model
from helpers.untouched import untouched
from xaikit.engine.augment import Variant, variants
from xaikit.errors import ConfigError
from xaikit.finish import resize
from xaikit.layouts import Layout
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import AugmentConfig

RAW = {"rectify": "none", "normalize": "none", "resize": "none"}


class Net(nn.Module):
    """A convolution, ReLU, a second one, pooling: takes any size."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act = nn.Conv2d(3, 5, 3, padding=1), nn.ReLU()
        self.second, self.head = nn.Conv2d(5, 4, 3), nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.second(self.act(self.first(x))).tanh().mean((2, 3)))
        return logits


@pytest.fixture
def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Net().double().eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 10, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def raw(net: nn.Module, x: Tensor, method: Any = "gradcam", **more: Any) -> Tensor:
    more = {"target": [1, 4], **more}
    with untouched(net, x):
        explanation = xaikit.explain(net, x, {"it": method}, layers="act", finish=RAW, **more)["it"]
    return explanation.maps["act"]


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "layercam", "eigencam", "ablationcam", "edges"])
def test_every_method_is_the_mean_of_its_maps_on_the_variants(net: nn.Module, x: Tensor, method: str) -> None:
    layer = "input" if method == "edges" else "act"

    def of(image: Tensor) -> Tensor:
        return xaikit.explain(net, image, method, layers="act", target=[1, 4], finish=RAW)[method].maps[layer]

    saliency = xaikit.explain(
        net, x, method, layers="act", target=[1, 4], finish=RAW, augment={"flip": True, "gain": [1.0, 0.5]}
    )[method].maps[layer]
    expected = [of(x), of(x * 0.5), of(x.flip(-1)).flip(-1), of(x.flip(-1) * 0.5).flip(-1)]
    assert distance(saliency, torch.stack(expected).mean(0)) <= 1e-12
    assert distance(saliency, expected[0]) > 1e-3


def test_sizes_are_brought_back_to_the_grid_of_the_clean_map(net: nn.Module, x: Tensor) -> None:
    small = torch.nn.functional.interpolate(x, size=(5, 6), mode="bilinear", align_corners=False, antialias=True)
    alone = raw(net, small).unsqueeze(1)
    # a quarter of the places, each of which has four times the share
    expected = (raw(net, x) + resize(alone, (10, 12)).squeeze(1) / 4) / 1.25
    assert distance(raw(net, x, augment={"scale": [1, 0.5]}), expected) <= 1e-12


def test_the_class_of_the_clean_pass_is_explained_whatever_wins_elsewhere(net: nn.Module, x: Tensor) -> None:
    augment = {"gain": [0.001]}
    assert net(x).argmax(1).tolist() != net(x * 0.001).argmax(1).tolist()
    likeliest = net(x).argmax(1).tolist()
    assert torch.equal(raw(net, x, augment=augment, target="top1"), raw(net, x, augment=augment, target=likeliest))


def test_noise_is_drawn_from_the_seed_and_the_sample(net: nn.Module, x: Tensor) -> None:
    augment = {"noise": 0.3, "draws": 2}

    def noisy(seed: int, rows: slice = slice(0, 2)) -> Tensor:
        ids = ["a", "b"][rows]
        return raw(net, x[rows], augment=augment, seed=seed, ids=ids, target=[1, 4][rows])

    assert torch.equal(noisy(0), noisy(0))
    assert distance(noisy(0), noisy(1)) > 1e-3
    assert distance(noisy(0)[1:], noisy(0, slice(1, 2))) <= 1e-12
    assert distance(noisy(0), raw(net, x)) > 1e-3


def test_re_runs_are_made_on_every_variant(net: nn.Module, x: Tensor) -> None:
    saliency = raw(net, x, "scorecam", augment={"flip": True})
    assert distance(saliency, (raw(net, x, "scorecam") + raw(net, x.flip(-1), "scorecam").flip(-1)) / 2) <= 1e-12


def test_one_trace_a_variant_serves_all_labels(net: nn.Module, x: Tensor) -> None:
    runs = 0

    def count(*_: Any) -> None:
        nonlocal runs
        runs += 1

    net.register_forward_pre_hook(count)
    methods = ["gradcam", "layercam", "hirescam"]
    xaikit.explain(net, x, methods, layers=["act", "first"], target=1, augment={"flip": True, "gain": [1.0, 0.9]})
    assert runs == 4


def test_a_method_may_say_its_own_beside_others(net: nn.Module, x: Tensor) -> None:
    methods = {"plain": "gradcam", "flipped": {"use": "gradcam", "augment": {"flip": True}}}
    explanations = xaikit.explain(net, x, methods, layers="act", target=1, finish=RAW)
    assert torch.equal(explanations["plain"].maps["act"], raw(net, x, target=1))
    assert torch.equal(explanations["flipped"].maps["act"], raw(net, x, target=1, augment={"flip": True}))


def test_a_model_of_one_size_says_what_to_do() -> None:
    model = random_model("vit_b_32")
    with pytest.raises(
        ConfigError, match=r"augment\.scale: expected a model that takes inputs of \(202, 202\), got .*gain"
    ):
        xaikit.explain(
            model, photographs(224), layers="encoder.layers.encoder_layer_10", target=1, augment={"scale": [0.9]}
        )


def test_the_variants_are_all_combinations() -> None:
    combinations = list(variants(AugmentConfig(flip=True, scale=(1.0, 0.5), noise=0.1, draws=2)))
    assert len(combinations) == len(set(combinations)) == 8
    assert not any(one.is_clean for one in combinations)
    assert [one.is_clean for one in variants(AugmentConfig(flip=True))] == [True, False]
    assert str(Variant(flip=True, scale=0.5, draw=0)) == "flip, scale 0.5, noise"


def test_inputs_without_space_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"augment: expected inputs with axes of space, got \(2, 3\)"):
        Variant(flip=True).inputs(torch.zeros(2, 3), Layout(), lambda draw: pytest.fail("nothing is drawn"))


# --- targets of certain places, and of others


class Segmenter(nn.Module):
    """Logits (N, 3, H, W), each of its own place alone."""

    def __init__(self) -> None:
        super().__init__()
        self.act, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.act(x))
        return logits


LEFT = {"use": "region", "of": 1, "mask": [0.0, 0.0, 1.0, 0.5]}
UNIT = {"use": "neuron", "layer": "act", "unit": [1, 2, 1]}


@pytest.mark.parametrize(("model", "target", "layer"), [(Segmenter, LEFT, "act"), (Net, UNIT, "first")])
@pytest.mark.parametrize("augment", [{"flip": True}, {"scale": [1, 0.5]}])
def test_a_picture_is_not_moved_under_a_target_of_certain_places(
    x: Tensor, model: Any, target: Any, layer: str, augment: Any
) -> None:
    with pytest.raises(ConfigError, match=rf"augment\.{next(iter(augment))}: target .* is of certain places"):
        xaikit.explain(model().double(), x, layers=layer, target=target, augment=augment)


def test_what_moves_nothing_serves_them(x: Tensor) -> None:
    saliency = xaikit.explain(
        Segmenter().double(), x, "hirescam", layers="act", target=LEFT, finish=RAW, augment={"gain": [0.5, 1]}
    )["hirescam"].maps["act"]
    assert saliency[..., :6].any()
    assert not saliency[..., 6:].any()


def test_targets_of_labels_that_are_not_augmented_are_not_scored_on_the_variants(x: Tensor) -> None:
    from xaikit.engine import Batch, Request, explain
    from xaikit.evidence.taps import Tap
    from xaikit.registry import Registry
    from xaikit.schema.keys import Use
    from xaikit.schema.sections import Aggregation, AugmentConfig

    registry = Registry()
    gradcam = registry.find("method", "gradcam").cls()

    def request(label: str, target: Any, aggregation: Aggregation) -> Request:
        use = {key: value for key, value in target.items() if key != "use"}
        made = instantiate("target", Use(target["use"], use), registry)
        return Request(label, "gradcam", gradcam, (Tap("act"),), made, None, aggregation=aggregation)

    moved = Aggregation(AugmentConfig(scale=(1.0, 0.5)))
    channel = {"use": "channel", "layer": "head", "channel": 2}
    requests = [request("moved", channel, moved), request("region", LEFT, Aggregation())]
    net = Segmenter().double()
    _, together = explain(net, Batch(x, ("a", "b")), requests)
    _, alone = explain(net, Batch(x, ("a", "b")), requests[:1])
    assert torch.equal(together["moved"].maps["act"], alone["moved"].maps["act"])


def test_noise_on_numbers_that_are_integers_is_no_integer() -> None:
    class Bytes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = self.net(x.float() / 255)
            return logits

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Bytes().eval()
    whole = torch.randint(0, 255, (2, 3, 10, 12), generator=torch.Generator().manual_seed(2), dtype=torch.uint8)
    saliency, expected = (
        xaikit.explain(net, image, layers="net.act", target=1, finish=RAW, augment={"noise": 3.0})["gradcam"].maps[
            "net.act"
        ]
        for image in (whole, whole.float())
    )
    assert distance(saliency, expected) <= 1e-5


def test_a_remark_is_made_once_whatever_the_variants(net: nn.Module, x: Tensor) -> None:
    zero = torch.zeros_like(x)
    alone = xaikit.explain(net, zero, "gradcampp", layers="first", target=1)["gradcampp"].warnings
    several = xaikit.explain(net, zero, "gradcampp", layers="first", target=1, augment={"gain": [1, 0.5]})
    together = several["gradcampp"].warnings
    assert [(one.sample, one.reason) for one in together] == [(one.sample, one.reason) for one in alone]
