"""Metrics that explain again: nearby photographs, another class, a model at random."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from xaikit.draws import generator, seeded
from xaikit.evaluation.judged import judged
from xaikit.passes.tally import Tally
from xaikit.registry import Registry
from xaikit_metrics._randomised import randomise, stages_of
from xaikit_metrics._similarity import similarity
from xaikit_metrics.emprt import EfficientRandomisation, histogram_entropy
from xaikit_metrics.locallipschitz import LocalLipschitz
from xaikit_metrics.maxsensitivity import MaxSensitivity
from xaikit_metrics.mprt import ParameterRandomisation
from xaikit_metrics.randomlogit import RandomLogit

COUNT, CLASSES = 3, 4


class Net(nn.Module):
    """Two convolutions, a batch normalisation and a linear head behind pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.act = nn.Softplus()
        self.tail = nn.Sequential(nn.Conv2d(5, 4, 3), nn.Softplus())
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.tail(self.act(self.norm(self.conv(x)))).flatten(2).mean(2))
        return output


def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        one = Net().double().eval()
        one.norm.running_mean.normal_()
        one.norm.running_var.uniform_(0.5, 2)
    return one


def images(count: int = COUNT) -> Tensor:
    return torch.rand(count, 2, 9, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def method(name: str = "gradcam") -> Any:
    return Registry().find("method", name).cls()


def gradcam(model: nn.Module, x: Tensor, index: int, name: str = "act") -> Tensor:
    """Of one photograph (1, C, H, W), by plain autograd: (h, w)."""
    outputs: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        outputs.append(output)
        return output

    handle = model.get_submodule(name).register_forward_hook(keep)
    with torch.enable_grad():
        score = model(x.clone().requires_grad_())[0, index]
    handle.remove()
    (gradient,) = torch.autograd.grad(score, outputs)
    return torch.einsum("c,chw->hw", gradient[0].mean((1, 2)), outputs[0][0].detach())


def maps_of(model: nn.Module, x: Tensor, classes: list[int]) -> Tensor:
    return torch.stack([gradcam(model, x[row : row + 1], classes[row]) for row in range(len(x))])


def values(metric: Any, model: nn.Module, x: Tensor, maps: Tensor, **more: Any) -> list[float]:
    options = {"method": method(), "layer": "act", **more}
    return [each.value for each in judged(metric, model, x, maps, **options)]


@pytest.mark.parametrize("kind", [MaxSensitivity, LocalLipschitz])
def test_nearby_photographs_are_explained_for_the_class_that_was(kind: type) -> None:
    model, x, classes = net(), images(), [3, 0, 1]
    maps = maps_of(model, x, classes)
    metric = kind(radius=0.1, draws=4, reads="raw")
    noise = seeded("0|shared neighbours", [f"{row}|0" for row in range(COUNT)], x)
    draws = [noise.uniform(2, 9, 8) for _ in range(4)]
    for row, value in enumerate(values(metric, model, x, maps, classes=classes)):
        reach = float(x[row].max() - x[row].min())
        most = 0.0
        for draw in draws:
            moved = x[row] + 0.1 * reach * (2 * draw[row] - 1)
            change = float((gradcam(model, moved.unsqueeze(0), classes[row]) - maps[row]).norm())
            by = float(maps[row].norm()) if kind is MaxSensitivity else float((moved - x[row]).norm())
            most = max(most, change / by)
        assert value == pytest.approx(most, rel=1e-9)


def test_a_map_that_never_changes_is_the_most_robust() -> None:
    maps = torch.rand(COUNT, 9, 8, dtype=torch.float64)
    center = method("center")
    measures = judged(
        MaxSensitivity(), net(), images(), torch.zeros_like(maps), method=center, layer="act", classes=[0] * COUNT
    )
    assert all(math.isnan(each.value) and each.reason == "the map is 0 everywhere" for each in measures)


def test_a_photograph_of_one_value_has_no_neighbours() -> None:
    x = torch.full((1, 2, 9, 8), 0.5, dtype=torch.float64)
    maps = maps_of(net(), images(1), [0])
    for kind in (MaxSensitivity, LocalLipschitz):
        (measure,) = judged(kind(), net(), x, maps, method=method(), layer="act", classes=[0])
        assert math.isnan(measure.value)
        assert measure.reason == "the photograph is of one value"


def test_the_other_class_is_drawn_for_the_photograph_and_is_another() -> None:
    model, x = net(), images(12)
    classes = [row % CLASSES for row in range(12)]
    maps = maps_of(model, x, classes)
    draws = seeded("0|shared class", [f"{row}|0" for row in range(12)], x).uniform(1)[:, 0]
    others = [(classes[row] + 1 + int(float(draws[row]) * (CLASSES - 1))) % CLASSES for row in range(12)]
    assert all(one != other for one, other in zip(others, classes, strict=True))
    assert len(set(others)) > 1
    tally = Tally()
    got = values(RandomLogit(), model, x, maps, classes=classes, tally=tally)
    for row in range(12):
        other = gradcam(model, x[row : row + 1], others[row])
        expected = spearmanr(maps[row].flatten(), other.flatten()).statistic
        assert got[row] == pytest.approx(expected, abs=1e-9)
    # the clean pass and one for all of the other classes
    assert tally.forwards == 2


def test_a_method_that_asks_for_no_class_has_the_same_map_for_another() -> None:
    model, x = net(), images()
    eigen = method("eigencam")
    maps = xaikit_maps(model, x, eigen)
    assert values(RandomLogit(), model, x, maps, method=eigen, classes=[0] * COUNT) == pytest.approx([1.0] * COUNT)


def xaikit_maps(model: nn.Module, x: Tensor, one: Any) -> Tensor:
    import xaikit

    finish = {stage: "none" for stage in ("rectify", "normalize", "scale", "resize", "fuse")}
    return xaikit.explain(model, x, {"one": one}, layers="act", target=0, finish=finish)["one"].maps["act"]


@pytest.mark.parametrize("metric", [ParameterRandomisation(), EfficientRandomisation()])
def test_the_model_of_the_user_is_left_as_it_is(metric: Any) -> None:
    model, x = net(), images()

    def digest() -> str:
        parts = [name.encode() + value.numpy().tobytes() for name, value in sorted(model.state_dict().items())]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    before = digest()
    got = values(metric, model, x, maps_of(model, x, [0] * COUNT), classes=[0] * COUNT)
    assert all(map(math.isfinite, got))
    assert digest() == before


def restated(model: nn.Module, layers: list[nn.Module], draw: torch.Generator) -> None:
    for layer in layers:
        for weight in layer.parameters(recurse=False):
            mean, deviation = float(weight.detach().mean()), float(weight.detach().std(correction=0))
            weight.data = mean + deviation * torch.randn(weight.shape, generator=draw, dtype=torch.float64)


def test_the_cascade_goes_from_the_top_to_the_bottom() -> None:
    model, x, classes = net(), images(), [1, 2, 3]
    maps = maps_of(model, x, classes)
    measures = judged(
        ParameterRandomisation(steps=9, similarity="spearman"),
        model,
        x,
        maps,
        method=method(),
        layer="act",
        classes=classes,
    )
    other, draw = net(), generator("0|weights mprt")
    assert isinstance(other, Net)
    curves: list[list[float]] = [[] for _ in range(COUNT)]
    for layer in (other.head, other.tail[0], other.norm, other.conv):
        restated(other, [layer], draw)
        for row in range(COUNT):
            again = gradcam(other, x[row : row + 1], classes[row])
            curves[row].append(float(spearmanr(maps[row].flatten(), again.flatten()).statistic))
    for measure, curve in zip(measures, curves, strict=True):
        assert measure.numbers is not None
        assert measure.numbers["similarity"] == pytest.approx(curve)
        assert measure.value == pytest.approx(sum(curve) / 4)


def test_a_head_at_random_changes_methods_of_a_class_and_no_other() -> None:
    model, x = net(), images()
    for name, changes in (("gradcam", True), ("hirescam", True), ("layercam", True), ("eigencam", False)):
        maps = xaikit_maps(model, x, method(name))
        measures = judged(
            ParameterRandomisation(steps=4), model, x, maps, method=method(name), layer="act", classes=[0] * COUNT
        )
        first = [measure.numbers["similarity"][0] for measure in measures if measure.numbers]  # type: ignore[index]
        assert all((similar < 0.999) == changes for similar in first), (name, first)


def test_batch_statistics_are_no_weights() -> None:
    one = net()
    assert isinstance(one, Net)
    before = {name: value.clone() for name, value in one.named_buffers()}
    randomise([module for stage in stages_of(one, 3) for module in stage], generator("x"))
    assert all(torch.equal(value, before[name]) for name, value in one.named_buffers())
    assert [len(stage) for stage in stages_of(one, 3)] == [1, 2, 1]
    assert stages_of(nn.ReLU(), 3) == []


def test_the_rise_of_entropy_is_that_of_numpys_histogram() -> None:
    model, x, classes = net(), images(), [1, 2, 3]
    maps = maps_of(model, x, classes)
    got = values(EfficientRandomisation(bins=20), model, x, maps, classes=classes)
    other, draw = net(), generator("0|weights mprt")
    assert isinstance(other, Net)
    restated(other, [other.head, other.tail[0], other.norm, other.conv], draw)
    for row in range(COUNT):
        after = gradcam(other, x[row : row + 1], classes[row])
        before, then = (scipy_entropy(np.histogram(each.numpy(), bins=20)[0]) for each in (maps[row], after))
        assert got[row] == pytest.approx((then - before) / before)


def test_a_constant_map_has_neither_order_nor_entropy() -> None:
    maps = torch.ones(COUNT, 9, 8, dtype=torch.float64)
    for metric in (ParameterRandomisation(), EfficientRandomisation(), RandomLogit(similarity="ssim")):
        for measure in judged(metric, net(), images(), maps, method=method(), layer="act"):
            assert math.isnan(measure.value)
            assert "the map is constant" in measure.reason
    assert histogram_entropy(maps.unsqueeze(1), 10).isnan().all()


def test_structural_similarity_is_that_of_scikit_image() -> None:
    one, other = (
        torch.rand(2, 1, 12, 11, generator=torch.Generator().manual_seed(s), dtype=torch.float64) for s in (0, 1)
    )
    mixed = one + 0.3 * other
    got = similarity("ssim", one, mixed)
    for row in range(2):
        x, y = (((each - each.min()) / (each.max() - each.min())).numpy() for each in (one[row, 0], mixed[row, 0]))
        assert float(got[row, 0]) == pytest.approx(structural_similarity(x, y, data_range=1.0, win_size=7))


def test_ranks_have_ties_in_the_middle() -> None:
    one = torch.tensor([[[1.0, 1, 2, 5, 5, 0]]], dtype=torch.float64)
    other = torch.tensor([[[3.0, 1, 1, 4, 2, 2]]], dtype=torch.float64)
    assert float(similarity("spearman", one, other)) == pytest.approx(
        spearmanr(one.flatten(), other.flatten()).statistic
    )
