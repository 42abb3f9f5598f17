"""Gradients at variants of the activations: several in a pass are those of one pass each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import NoGrad, Plain, Skip, images, seeded
from helpers.requests import request_for
from helpers.untouched import untouched
from xaikit import Needs
from xaikit.engine import Batch, explain
from xaikit.evidence.taps import Tap
from xaikit.passes.tally import Tally
from xaikit.reruns import gradients
from xaikit.view import View

COUNT = 7


@dataclass(frozen=True)
class Both:
    """Keeps the gradients at variants, together and one by one, and the slices that were asked for."""

    together: list[Tensor]
    alone: list[Tensor]
    asked: list[slice]
    needs: ClassVar[Needs] = Needs(gradients=1, replays=True)

    def explain(self, view: View) -> Tensor:
        true = view.activations.squeeze(1)

        def make(part: slice) -> Tensor:
            self.asked.append(part)
            return torch.stack([true * (1 + 0.1 * place) for place in range(COUNT)[part]], 1)

        self.together.extend(view.gradients_with(COUNT, make))
        self.alone.extend(view.retrace_with(true * (1 + 0.1 * place)).gradients for place in range(COUNT))
        return true.sum(1, keepdim=True)


def both(model: nn.Module, x: Any, layers: str = "conv2", **more: Any) -> tuple[Both, xaikit.Explanation]:
    method = Both([], [], [])
    with untouched(model, x):
        explanation = xaikit.explain(model, x, {"both": method}, layers=layers, **{"target": [1, 0], **more})["both"]
    assert len(method.together) == len(method.alone) == COUNT
    for one, other in zip(method.together, method.alone, strict=True):
        assert bool(other.any())
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    return method, explanation


@pytest.mark.parametrize(("build", "layer"), [(Plain, "conv2"), (Plain, "input"), (Skip, "conv1"), (NoGrad, "conv2")])
def test_they_are_those_of_one_pass_each(build: Any, layer: str) -> None:
    method, _ = both(seeded(build), images(), layer)
    assert [(part.start, part.stop) for part in method.asked] == [(0, 5), (5, 7)]


def test_several_classes_are_served_at_once() -> None:
    method, _ = both(seeded(Plain), images(), target={"use": "classes", "of": [0, 2]})
    assert method.together[0].shape[1] == 2


def test_a_large_batch_takes_a_variant_at_a_time() -> None:
    method, _ = both(seeded(Plain), images(9, 2, 8, 7), target=1)
    assert [part.stop - part.start for part in method.asked] == [1] * COUNT


def test_passes_are_counted() -> None:
    method, tally = Both([], [], []), Tally()
    explain(seeded(Plain), Batch(images(), ("a", "b")), [request_for(method, [Tap("conv2")])], tally=tally)
    # two passes of several, and five of one
    assert tally.reruns == 2 + COUNT


class Fixed(Plain):
    """Takes batches of two and no others."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(2, *x.shape[1:]))


def test_a_model_of_one_size_of_batch_takes_a_variant_at_a_time() -> None:
    both(seeded(Fixed), images())


class Mixing(Plain):
    """Compares the samples of a batch."""

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits - 0.5 * logits.mean(0)


def test_samples_that_depend_on_each_other_stay_beside_each_other() -> None:
    method, _ = both(seeded(Mixing), images())
    assert [part.stop - part.start for part in method.asked] == [1] * COUNT


def test_a_target_that_knows_its_samples_alone_takes_a_variant_at_a_time() -> None:
    weights = torch.tensor([1.0, 2.0], dtype=torch.float64)
    method, _ = both(seeded(Plain), images(), target=lambda output: output[:, 1] * weights)
    assert len(method.asked) == 3  # several once, which the target refuses; then one by one


def test_where_memory_runs_out_fewer_go_at_once_and_none_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    together = gradients._Passes._together

    def scarce(self: Any, variants: Tensor) -> Tensor:
        if variants.shape[1] > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return together(self, variants)

    monkeypatch.setattr(gradients._Passes, "_together", scarce)
    method, explanation = both(seeded(Plain), images())
    assert [(part.start, part.stop) for part in method.asked] == [(0, 5), (5, 7)]
    assert "out of memory: chunks halved to 2" in {remark.reason for remark in explanation.warnings}


def test_what_a_model_raises_of_one_variant_is_raised() -> None:
    @dataclass(frozen=True)
    class Wrong:
        needs: ClassVar[Needs] = Needs(gradients=1, replays=True)

        def explain(self, view: View) -> Tensor:
            (gradient,) = view.gradients_with(1, lambda part: torch.zeros(2, 1, 1, 1, 1, dtype=torch.float64))
            return gradient.sum(view.channel)

    model, x = seeded(Plain), images()
    with untouched(model, x), pytest.raises(RuntimeError):
        xaikit.explain(model, x, {"wrong": Wrong()}, layers="conv2", target=1)


@pytest.mark.parametrize("layer", ["input", "0"])
def test_what_is_put_in_place_of_a_layer_keeps_the_memory_format_of_the_pass(layer: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    formats = []

    def note(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        formats.append((len(args[0]), args[0].is_contiguous(memory_format=torch.channels_last)))

    net[1].register_forward_pre_hook(note)
    method = Both([], [], [])
    xaikit.explain(net.eval(), torch.rand(1, 3, 9, 9), {"both": method}, layers=layer, target=1)
    assert (COUNT, True) in formats
    assert (COUNT, False) not in formats
