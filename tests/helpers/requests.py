"""Requests put to the engine, inside the kit, and methods that do one thing each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from helpers.untouched import untouched
from xaikit.engine import Batch, Request, explain
from xaikit.evidence.taps import Tap
from xaikit.explanation import Explanation
from xaikit.finish import Finish
from xaikit.needs import Needs
from xaikit.passes.tally import Tally
from xaikit.registry import Registry
from xaikit.view import View

REGISTRY = Registry()
ONE_PASS = [
    *("gradcam", "gradcampp", "xgradcam", "layercam", "hirescam"),
    *("elementcam", "eigencam", "eigengradcam"),
]
ALL = [*ONE_PASS, "smoothgradcampp", "reciprocam", "ablationcam", "scorecam"]
TAPS = (Tap("conv1"), Tap("conv2"), Tap("act2"))


def target(use: str = "top", **options: Any) -> Any:
    return REGISTRY.find("target", use).cls(**options)


def request_for(
    method: Any, taps: Sequence[Tap] = TAPS, wanted: Any = None, label: str | None = None, seed: int = 0, **options: Any
) -> Request:
    """For a method by name, or for an instance, labelled "mine"."""
    name = method if isinstance(method, str) else "mine"
    instance = REGISTRY.find("method", name).cls(**options) if isinstance(method, str) else method
    return Request(label or name, name, instance, tuple(taps), wanted or target(), Finish(), seed)


def batch(inputs: Any, labels: Sequence[int] | None = None, ids: Sequence[str] = ("a", "b")) -> Batch:
    return Batch(inputs, tuple(ids), None if labels is None else torch.tensor(labels))


def explain_all(
    model: nn.Module, given: Batch, requests: Sequence[Request], tally: Tally | None = None, **more: Any
) -> dict[str, Explanation]:
    with untouched(model, given.inputs, given.labels):
        return explain(model, given, requests, tally=tally, **more)[1]


def assert_equal_maps(explanation: Explanation, expected: Explanation) -> None:
    assert explanation.maps.keys() == expected.maps.keys()
    for layer, saliency in explanation.maps.items():
        assert bool(saliency.any())
        assert torch.equal(saliency, expected.maps[layer])


@dataclass(frozen=True)
class Mean:
    """Looks at activations alone."""

    needs: ClassVar[Needs] = Needs()

    def explain(self, view: View) -> Tensor:
        return view.activations.mean(view.channel)


@dataclass(frozen=True)
class Probe(Mean):
    """Shows the view to a function first; may see everything."""

    look: Callable[[View], Any]

    needs: ClassVar[Needs] = Needs(gradients=1, inputs=True, module=True, reruns=True)

    def explain(self, view: View) -> Tensor:
        self.look(view)
        return super().explain(view)


@dataclass(frozen=True)
class Sneak(Probe):
    """Shows the view to a function without having asked for anything."""

    needs: ClassVar[Needs] = Needs()


@dataclass(frozen=True)
class Returning(Mean):
    value: Any

    def explain(self, view: View) -> Any:
        return self.value
