"""Small nets that make a tap's life hard, seeded and in float64, and the gradient of an uncut graph to compare with."""

from __future__ import annotations

import copy
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

CLASSES = 3
Pair = namedtuple("Pair", ["left", "right"])


def seeded(build: Callable[[], nn.Module], dtype: torch.dtype = torch.float64) -> nn.Module:
    """A module in evaluation mode, the same every time; the global random state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().eval().to(dtype)


def images(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers of a shape, (2, 2, 8, 7) if none is given."""
    shape = shape or (2, 2, 8, 7)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


class Plain(nn.Module):
    """conv1, act1, conv2, act2, pool, head; what a subclass does with them is its own."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.act1 = nn.ReLU(inplace)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.act2 = nn.ReLU(inplace)
        self.head = nn.Linear(4, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        return self.act2(self.conv2(self.act1(self.conv1(x))))

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.mean((2, 3)))

    def forward(self, x: Tensor) -> Any:
        return self.classify(self.features(x))


class Stochastic(Plain):
    """Batch normalization and dropout, to be met in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.drop(self.norm(self.features(x))))


class NoGrad(Plain):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Inference(Plain):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class FrozenBackbone(Plain):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.features(x)
        return self.classify(features)


class FrozenMiddle(Plain):
    """conv1 -> (conv2 without gradient) -> conv3, and conv1's output added to what goes in there."""

    def __init__(self) -> None:
        super().__init__()
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.act1(self.conv1(x))
        with torch.no_grad():
            middle = self.act2(self.conv2(first))
        return self.classify(self.conv3(first + middle).sigmoid())


class Twice(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.act2(self.conv2(self.conv2(self.act1(self.conv1(x))))))


class Unused(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.conv1(x))


class Beside(Plain):
    """conv2 runs and its result is thrown away."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.act1(self.conv1(x))
        self.conv2(first)
        return self.classify(first)


class Packing(nn.Module):
    """Two convolutions whose results come in a nest."""

    def __init__(self, pack: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 1)
        self.pack = pack

    def forward(self, x: Tensor) -> Any:
        return self.pack(self.left(x), self.right(x))


class Nested(Plain):
    """``block`` returns a nest; ``take`` gets its two tensors out again."""

    def __init__(self, pack: Callable[[Tensor, Tensor], Any], take: Callable[[Any], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.block = Packing(pack)
        self.take = take

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.take(self.block(x))
        return self.classify(self.conv2(left.sigmoid() * right))


class Branches(Plain):
    """Two branches from one input, concatenated by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(2, 4, 5, padding=2)
        self.join = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.join(torch.cat([self.conv1(x).relu(), self.other(x).sigmoid()], 1)).tanh())


class Skip(Plain):
    """A skip from conv1's output around conv2."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.act1(self.conv1(x))
        return self.classify((self.conv2(first) + first).sigmoid())


class FrozenStem(Skip):
    """conv1 without gradient; its output is used before and behind conv2."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            first = self.act1(self.conv1(x))
        return self.classify((self.conv2(first) + first).sigmoid())


class Wrapped(Plain):
    """``stage``, ``stage.0`` and ``after`` return the same tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1))
        self.after = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.after(self.stage(x)).sigmoid())


class Remembering(nn.Conv2d):
    """Keeps what it returns in a list that others can reach."""

    def __init__(self) -> None:
        super().__init__(2, 4, 3, padding=1)
        self.returned: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.returned[:] = [super().forward(x)]
        return self.returned[0]


class Aliased(Plain):
    """conv1's output is changed through another reference to it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Remembering()

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(x)
        self.conv1.returned.pop().relu_()
        return self.classify(self.conv2(first))


class Raising(Plain):
    """Raises between conv1 and conv2."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        self.conv1(x)
        raise self.error("on the way")


class TwoInputs(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(5, 4)

    def forward(self, image: Tensor, extra: Tensor) -> Tensor:
        return self.head(self.features(image).mean((2, 3)) + self.other(extra).tanh())


class Scribbling(Plain):
    """Changes its input in place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(2))


def uncut(
    model: nn.Module,
    inputs: Any,
    names: Sequence[str],
    classes: Sequence[int],
    pick: Callable[[Any], Tensor] = lambda output: output,
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Output, activations and gradients by one full graph: everything differentiable, a plain hook, no xaikit.

    The hook hands a clone on, so that an operation in place behind the module leaves its output alone.
    ``pick`` takes the scores (N, classes) out of what the model returns.
    """
    model = copy.deepcopy(model).eval().requires_grad_()
    activations: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., Tensor]:
        return lambda module, args, output: activations.setdefault(name, output).clone()

    for name in names:
        model.get_submodule(name).register_forward_hook(keep(name))
    output = model(**inputs) if isinstance(inputs, dict) else model(*inputs if isinstance(inputs, tuple) else (inputs,))
    output = pick(output)
    scores = output[torch.arange(len(classes)), torch.tensor(classes)]
    gradients = torch.autograd.grad(scores.sum(), [activations[name] for name in names])
    return (
        output.detach(),
        {name: activations[name].detach() for name in names},
        dict(zip(names, gradients, strict=True)),
    )
