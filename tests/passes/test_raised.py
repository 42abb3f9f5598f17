"""Which layer of a model has raised, on what."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from xaikit import ModelError
from xaikit.errors import ConfigError
from xaikit.passes.raised import naming_the_layer, place_of


class Picky(nn.Module):
    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        raise ValueError("x: only squares")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.picky = Picky()
        self.head = nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        if x.shape[-1] == 5:
            raise KeyError("five")
        return self.head(x.flatten(1)) if x.shape[-1] == 4 else self.picky(x, scale=torch.ones(2))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (1, 2, 8, 8),
            r"its forward raises in layer 'body\.0' \(Conv2d\), given \(1, 2, 8, 8\): RuntimeError: .*3 channels",
        ),
        ((2, 3, 6, 6), r"in layer 'head' \(Linear\), given \(2, 64\): RuntimeError: mat1 and mat2"),
        ((2, 3, 7, 7), r"in the model \(Net\), given \(2, 3, 7, 7\): KeyError: 'five'"),
        ((2, 3, 9, 9), r"in layer 'picky' \(Picky\), given \(2, 4, 7, 7\), \(2,\): ValueError: x: only squares"),
    ],
)
def test_the_innermost_layer_that_ran_is_named_with_what_it_was_given(shape: tuple[int, ...], message: str) -> None:
    net = Net()
    with pytest.raises(ModelError, match=message) as caught, naming_the_layer(net):
        net(torch.zeros(shape))
    assert caught.value.__cause__ is not None


def test_what_others_raise_is_theirs() -> None:
    net, other = Net(), nn.Linear(3, 2)
    for raised in (ConfigError("no"), KeyError("a target")):
        with pytest.raises(type(raised)) as caught, naming_the_layer(net):
            raise raised
        assert caught.value is raised
    with pytest.raises(RuntimeError) as of_another, naming_the_layer(net):
        other(torch.zeros(1, 2))
    assert place_of(net, of_another.value) == ""
