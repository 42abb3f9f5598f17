"""What ``auto`` found is remembered for a model, and not a moment longer than the model is what it was."""

from __future__ import annotations

import gc
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from xaikit.auto import auto


class Net(nn.Module):
    """Two stages, of which a flag leaves out the second."""

    def __init__(self) -> None:
        super().__init__()
        self.options = {"deep": True}
        self.one = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.one(x)
        maps = self.two(maps) if self.options["deep"] else maps
        scores: Tensor = self.head(maps.mean((2, 3)))
        return scores


@pytest.fixture
def net() -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One for every search."""
    made: list[Any] = []

    def counted(*args: Any, **options: Any) -> Any:
        made.append(args)
        return find(*args, **options)

    find = auto.of
    monkeypatch.setattr(auto, "of", counted)
    return made


def layers(net: nn.Module, side: int = 8, **options: Any) -> list[str]:
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    return list(xaikit.explain(net, images, **options)["gradcam"].maps)


def test_one_search_for_a_model_a_shape_and_a_target(net: Net, searches: list[Any]) -> None:
    assert layers(net) == layers(net) == ["two"]
    assert len(searches) == 1
    layers(net, side=9)
    layers(net, target=3)
    layers(net, target={"use": "top", "k": 2})
    assert len(searches) == 4
    layers(net, target=3)
    layers(net, side=9)
    assert len(searches) == 4


def shallow(net: Net) -> None:
    net.options["deep"] = False


def replaced(net: Net) -> None:
    net.two = nn.Sequential(nn.Identity())


def forwarded(net: Net) -> None:
    net.forward = types.MethodType(lambda self, x: self.head(self.one(x).mean((2, 3))), net)  # type: ignore[method-assign]


def hooked(net: Net) -> None:
    net.two.register_forward_hook(lambda module, args, output: args[0])


@pytest.mark.parametrize("change", [shallow, replaced, forwarded])
def test_a_model_that_changed_is_searched_anew(net: Net, searches: list[Any], change: Callable[[Net], None]) -> None:
    assert layers(net) == ["two"]
    change(net)
    assert layers(net) == layers(net) == ["one"]
    assert len(searches) == 2


def stepped(net: Net) -> None:
    with torch.no_grad():
        net.head.weight.add_(1)


def written(net: Net) -> None:
    net.head.weight.data.mul_(2)


def loaded(net: Net) -> None:
    net.load_state_dict({name: value + 1 for name, value in net.state_dict().items()})


@pytest.mark.parametrize("change", [stepped, written, loaded, hooked, lambda net: net.two.insert(0, nn.Identity())])
def test_changes_of_weights_hooks_and_parts_are_noticed(
    net: Net, searches: list[Any], change: Callable[[Net], None]
) -> None:
    layers(net)
    change(net)
    layers(net)
    assert len(searches) == 2


def test_the_model_is_not_kept_alive() -> None:
    net = Net()
    layers(net)
    layers(net, target=lambda output: output[:, 0])
    alone = weakref.ref(net)
    del net
    gc.collect()
    assert alone() is None


def test_a_function_is_another_target_each_time(net: Net, searches: list[Any]) -> None:
    layers(net, target=lambda output: output[:, 0])
    layers(net, target=lambda output: output[:, 0])
    assert len(searches) == 2


def test_the_mode_of_modules_counts_where_they_keep_it(net: Net, searches: list[Any]) -> None:
    layers(net.train(), mode="as_is")
    layers(net.eval(), mode="as_is")
    layers(net.train())
    layers(net.eval())
    assert len(searches) == 3
