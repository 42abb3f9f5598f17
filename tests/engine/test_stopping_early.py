"""Where no method needs a score, the forward stops at the layer; the map is the one it would have been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import xaikit
from helpers.hard_nets import Nested, Plain, Twice, images, seeded
from helpers.untouched import counted, untouched
from xaikit.errors import TapError


def reached(model: torch.nn.Module) -> list[str]:
    """The names of the modules that run from now on."""
    ran: list[str] = []
    for name, module in model.named_children():
        module.register_forward_pre_hook(lambda *_, name=name: ran.append(name))
    return ran


def test_nothing_behind_the_last_layer_runs_once_a_whole_forward_has_shown_that_layers_run_once() -> None:
    model, x = seeded(Plain), images()
    ran = reached(model)
    first = xaikit.explain(model, x, "eigencam", layers=["conv2", "conv1"])["eigencam"]
    assert ran.pop() == "head"
    ran.clear()
    with untouched(model, x):
        alone = xaikit.explain(model, x, "eigencam", layers=["conv2", "conv1"])["eigencam"]
    assert ran == ["conv1", "act1", "conv2"]
    assert alone.map is not None
    assert alone.map.shape == (2, 8, 7)
    assert alone.scores.shape == (2,)
    assert alone.scores.isnan().all()
    assert first.scores.isnan().all()
    assert torch.equal(first.map, alone.map)


def test_a_layer_that_runs_more_often_later_is_noticed() -> None:
    class Repeating(Plain):
        """Its second layer runs so often, and once more on a large image."""

        times = 1

        def features(self, x: Tensor) -> Tensor:
            x = self.act1(self.conv1(x))
            for _ in range(self.times + (x.shape[-1] > 7)):
                x = self.act2(self.conv2(x))
            return x

    model, x = seeded(Repeating), images()
    model.conv2 = seeded(lambda: torch.nn.Conv2d(4, 4, 3, padding=1))
    for _ in range(2):
        xaikit.explain(model, x, "eigencam", layers="conv2")
    with pytest.raises(TapError, match="conv2 ran 2 times in one forward"):
        xaikit.explain(model, torch.cat([x, x], 3), "eigencam", layers="conv2")
    model.times = 2
    with pytest.raises(TapError, match="conv2 ran 2 times in one forward"):
        xaikit.explain(model, x, "eigencam", layers="conv2")


def test_the_map_is_the_same_beside_a_method_that_needs_the_score() -> None:
    model, x = seeded(Plain), images()
    alone = xaikit.explain(model, x, "eigencam", layers="conv2")["eigencam"]
    shared = xaikit.explain(model, x, ["gradcam", "eigencam"], layers="conv2")["eigencam"]
    assert torch.equal(alone.maps["conv2"], shared.maps["conv2"])
    assert shared.scores.isfinite().all()


@pytest.mark.parametrize(
    ("methods", "more"),
    [
        (["eigencam", "gradcam"], {}),
        ("reciprocam", {}),
        ("eigencam", {"target": {"use": "top", "k": 2}}),
        ("eigencam", {"target": {"use": "classes", "of": [1]}}),
        ("eigencam", {"target": lambda output: output[:, 0]}),
        ("eigencam", {"layers": "conv2+"}),
    ],
)
def test_the_forward_goes_on_where_something_behind_is_needed(methods: Any, more: dict[str, Any]) -> None:
    model = seeded(Plain)
    ran = reached(model)
    xaikit.explain(model, images(), methods, **{"layers": "conv2", **more})
    assert "head" in ran


@pytest.mark.parametrize("target", ["top1", 2, [1, 0]])
def test_targets_that_declare_one_score_a_sample_are_not_waited_for(target: Any) -> None:
    model = seeded(Plain)
    ran = reached(model)
    xaikit.explain(model, images(), "eigencam", layers="conv2")
    ran.clear()
    xaikit.explain(model, images(), "eigencam", layers="conv2", target=target)
    assert "head" not in ran


def test_a_module_that_runs_twice_is_an_error_alone_as_it_is_beside_others() -> None:
    model = seeded(Twice)
    for methods in ("eigencam", ["gradcam", "eigencam"], "eigencam"):
        with pytest.raises(xaikit.TapError, match="layer conv2 ran 2 times"):
            xaikit.explain(model, images(), methods, layers="conv2")


def test_which_of_several_tensors_is_meant_does_not_depend_on_who_else_is_explained() -> None:
    """The first that the score depends on; for that a method that needs no score has the forward run to the end."""

    def build(pack: Callable[..., Any]) -> torch.nn.Module:
        return seeded(lambda: Nested(pack, lambda nest: (nest[1], nest[2])))

    model, x = build(lambda left, right: (left.detach() * 2, left, right)), images()
    alone = xaikit.explain(model, x, "eigencam", layers="block")["eigencam"]
    shared = xaikit.explain(model, x, ["gradcam", "eigencam"], layers="block")["eigencam"]
    named = xaikit.explain(model, x, "eigencam", layers="block[1]")["eigencam"]
    assert torch.equal(alone.maps["block"], shared.maps["block"])
    assert torch.equal(alone.maps["block"], named.maps["block[1]"])


def test_one_forward_and_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    model = seeded(Plain)
    counts = counted(monkeypatch, model)
    xaikit.explain(model, images(), "eigencam", layers=["conv1", "conv2"])
    assert counts == {"forwards": 1, "gradient calls": 0}


def test_a_method_that_looks_at_no_layer_keeps_nobody_going() -> None:
    model, x = seeded(Plain), images()
    ran = reached(model)
    xaikit.explain(model, x, "fem", layers="conv1")
    ran.clear()
    xaikit.explain(model, x, ["fem", "edges", "center"], layers="conv1")
    assert ran == ["conv1"]
