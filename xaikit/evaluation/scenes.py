"""Photographs of which it is known where the evidence is, a net that sees it, and methods that show it, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from xaikit.evaluation.judged import judged, maps_of
from xaikit.evaluation.judging import Measure
from xaikit.metric import Annotation
from xaikit.needs import Needs
from xaikit.view import View

COLOURS, SIDE, PATCH, SMALL = 5, 48, 12, 6
LAYER = "act"


class Patches(nn.Module):
    """Class c is how much of colour c there is above a threshold, less a fifth of what there is of others. All of it is done
    place by place and in the mean, so that a mirrored photograph has a mirrored map.

    Args:
        mixed: two of the other classes share their evidence evenly: no logit and no probability of a third one changes.
        colours: that a photograph has, the first ones.
        volumes: whether it is one of volumes.
    """

    def __init__(self, mixed: bool = False, colours: int = COLOURS, volumes: bool = False) -> None:
        super().__init__()
        self.mixed = mixed
        place_by_place = nn.Conv3d if volumes else nn.Conv2d
        self.first, self.second = (place_by_place(channels, COLOURS, 1) for channels in (colours, COLOURS))
        self.act = nn.ReLU()
        self.head = nn.Linear(COLOURS, COLOURS)
        same = torch.eye(COLOURS)
        with torch.no_grad():
            for layer in (self.first, self.second):
                layer.weight.copy_(same[:, : layer.in_channels].reshape_as(layer.weight))
                nn.init.zeros_(cast(Tensor, layer.bias))
            nn.init.constant_(cast(Tensor, self.first.bias), -0.3)
            self.head.weight.copy_(150 * (1.2 * same - 0.2))
            self.head.bias.copy_(torch.linspace(0, 0.1, COLOURS))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.act(self.second(self.first(x).relu())).flatten(2).mean(2))
        if not self.mixed:
            return logits
        both = torch.logaddexp(logits[:, 1], logits[:, 2]) - torch.tensor(2.0).log()
        return torch.stack([logits[:, 0], both, both, *logits[:, 3:].unbind(1)], 1)


@dataclass(frozen=True)
class Exact:
    """The evidence itself, place by place: sum_k dy/dA_k A_k."""

    needs: ClassVar[Needs] = Needs(gradients=1)

    def explain(self, view: View) -> Tensor:
        """(N, T, *S)"""
        return (view.gradients * view.activations).sum(view.channel)


@dataclass(frozen=True)
class Noise:
    """What knows nothing: a number a place, drawn for the photograph."""

    needs: ClassVar[Needs] = Needs()

    def explain(self, view: View) -> Tensor:
        """(N, T, *S)"""
        return view.generator.normal(*view.shape[1:])


@dataclass(frozen=True)
class Constant:
    """What says nothing: the same number everywhere."""

    needs: ClassVar[Needs] = Needs()

    def explain(self, view: View) -> Tensor:
        """(N, T, *S)"""
        return view.activations.new_ones(view.shape)


@dataclass(frozen=True, eq=False)
class Scene:
    """Photographs with a large patch of the colour of their class and a small one of every other.

    images  (N, COLOURS, SIDE, SIDE)
    boxes   of the patches, (N, COLOURS, 4), each at the place of its class
    others  photographs of other classes, for a metric that asks for some
    """

    net: nn.Module
    images: Tensor
    classes: tuple[int, ...]
    boxes: Tensor
    others: Tensor
    ids: tuple[str, ...]

    @property
    def annotations(self) -> list[Annotation]:
        """A box a patch, with its class."""
        return [Annotation(boxes, tuple(range(len(boxes)))) for boxes in self.boxes]

    def maps(self, method: Any) -> Tensor:
        """The raw maps of a method, (N, SIDE, SIDE)."""
        return maps_of(method, LAYER, self.net, self.images, self.classes, self.ids)

    def mirrored(self) -> Scene:
        """All of it turned by half."""
        boxes = SIDE - self.boxes[..., [2, 3, 0, 1]]
        return replace(self, images=self.images.flip(2, 3), boxes=boxes, others=self.others.flip(2, 3))

    def of(self, rows: Sequence[int]) -> Scene:
        """Some of the photographs."""
        chosen = list(rows)
        return replace(
            self,
            images=self.images[chosen],
            boxes=self.boxes[chosen],
            classes=tuple(self.classes[row] for row in chosen),
            ids=tuple(self.ids[row] for row in chosen),
        )

    def judge(self, metric: Any, maps: Tensor, method: Any = None, **more: Any) -> list[Measure]:
        """What a metric says of one map a photograph, which are of that method."""
        options = {"classes": self.classes, "annotations": self.annotations, "others": self.others, "ids": self.ids}
        return judged(metric, self.net, self.images, maps, method=method or Exact(), layer=LAYER, **options | more)


def scene(
    count: int, classes: Sequence[int] = (0, 1), reach: int = SIDE - PATCH, net: nn.Module | None = None
) -> Scene:
    """So many photographs, the same every time.

    Args:
        classes: of the photographs, in turns.
        reach: large patches begin below this row and column.
    """
    draw = torch.Generator().manual_seed(0)
    net = (Patches() if net is None else net).double().eval()
    drawn = [_photograph(classes[row % len(classes)], reach, draw) for row in range(count)]
    others = torch.stack([_photograph(2 + row % 3, SIDE - PATCH, draw)[0] for row in range(8)])
    return Scene(
        net,
        torch.stack([image for image, _ in drawn]),
        tuple(classes[row % len(classes)] for row in range(count)),
        torch.stack([box for _, box in drawn]),
        others,
        tuple(f"photograph {row}" for row in range(count)),
    )


def _photograph(label: int, reach: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    image = 0.25 * torch.rand(COLOURS, SIDE, SIDE, generator=draw, dtype=torch.float64)
    boxes = []
    for colour in range(COLOURS):
        side = PATCH if colour == label else SMALL
        top, left = torch.randint(reach if colour == label else SIDE - SMALL, (2,), generator=draw).tolist()
        bright = 0.95 + 0.05 * torch.rand(side, side, generator=draw, dtype=torch.float64)
        image[colour, top : top + side, left : left + side] = bright
        boxes.append([left, top, left + side, top + side])
    return image, torch.tensor(boxes, dtype=torch.float64)


def blank(one: Scene) -> Scene:
    """The same with nothing in the photographs."""
    return replace(one, images=torch.zeros_like(one.images))


def grey(one: Scene) -> Scene:
    """The same of one channel, the evidence for the first class."""
    net = Patches(colours=1).double().eval()
    classes = (0,) * len(one.images)
    return replace(one, net=net, images=one.images[:, :1], others=one.others[:, :1], classes=classes)


def volumes(one: Scene) -> Scene:
    """The same as volumes of one channel and one slice, of which no objects are stated."""
    net, flat = Patches(colours=1, volumes=True).double().eval(), grey(one)
    images, others = flat.images.unsqueeze(2), flat.others.unsqueeze(2)
    return replace(flat, net=net, images=images, others=others, boxes=one.boxes[:, :0])


def judged_maps(count: int) -> Iterator[tuple[str, Scene, Tensor, Any]]:
    """What is judged: the evidence itself, noise, maps that say nothing, a photograph of nothing, and other inputs; each of so
    many photographs, with its method."""
    one = scene(count)
    evidence = one.maps(Exact())
    yield "the true evidence", one, evidence, Exact()
    yield "noise", one, one.maps(Noise()), Noise()
    yield "a constant map", one, torch.ones_like(evidence), Constant()
    yield "a map that is negative everywhere", one, -1 - evidence.abs(), Exact()
    yield "a map that is 0 everywhere", one, torch.zeros_like(evidence), Exact()
    yield "a photograph of nothing", blank(one), evidence, Exact()
    for what, other in (("a photograph of one channel", grey(one)), ("a volume of one channel", volumes(one))):
        yield what, other, other.maps(Exact()), Exact()


@dataclass(frozen=True)
class Total:
    """A target that is no class: the sum of all logits."""

    plural: ClassVar[bool] = False

    def pin(self, output: Tensor, labels: Tensor | None) -> PinnedTotal:
        """Nothing is chosen."""
        return PinnedTotal()


@dataclass(frozen=True)
class PinnedTotal:
    """The sum of all logits."""

    plural: ClassVar[bool] = False

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        return output.sum(1, keepdim=True)

    @property
    def rows(self) -> Callable[[Tensor], PinnedTotal]:
        """The same for any samples."""
        return lambda index: self
