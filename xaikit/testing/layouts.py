"""The contract of layouts: a tensor becomes a map and the same tensor again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from xaikit.testing.checks import COMMON, Work, expect, for_each, instances
from xaikit.testing.subjects import Subject

SPACE = (12, 8)
SHAPES = ((2, 5, 6, 4), (2, 6, 4, 5), (2, 24, 5), (2, 25, 5), (2, 29, 5), (2, 24, 1), (3, 5, 12, 8), (2, 12, 8, 5))
"""Of tensors that a model could compute from inputs of two dimensions of space."""


def _served(subject: Subject) -> Iterator[tuple[Any, Tensor]]:
    """Every layout that is found for one of the shapes, and a tensor of it; where none is, those that the class names."""
    for arrangement in subject.instances():
        for shape in (*SHAPES, *getattr(subject.cls, "example_shapes", ())):
            layout = arrangement.layout(shape, SPACE)
            if layout is not None:
                yield layout, torch.arange(float(torch.Size(shape).numel())).reshape(shape)


def serves_something(subject: Subject) -> None:
    """At least one tensor is such a map; a class names shapes of its own in ``example_shapes``, for inputs of 12 x 8."""
    expect(any(True for _ in _served(subject)), f"expected a layout for one of {SHAPES}; name others in example_shapes")


def a_map_has_channels_before_space(layout: Any, tensor: Tensor) -> None:
    """``to_map`` gives (N, C, *S), and ``space`` its S."""
    shape, space = tuple(layout.to_map(tensor).shape), tuple(layout.space(tuple(tensor.shape)))
    expect(len(shape) == 2 + len(SPACE), f"to_map: expected (N, C, *S), got {shape}")
    expect(shape[0] == len(tensor), f"to_map: expected {len(tensor)} samples, got {shape[0]}")
    expect(space == shape[2:], f"space: expected {shape[2:]}, got {space}")


def a_map_becomes_the_same_tensor_again(layout: Any, tensor: Tensor) -> None:
    """``from_map(to_map(t), t)`` is t, and of twice the samples it is t for both."""
    there = layout.to_map(tensor)
    back = layout.from_map(there, tensor)
    expect(torch.equal(back, tensor), f"from_map: expected the tensor {tuple(tensor.shape)} again, got another")
    twice = layout.from_map(there.repeat_interleave(2, 0), tensor)
    expect(torch.equal(twice, tensor.repeat_interleave(2, 0)), "from_map: expected two variants of every sample")


def a_gradient_goes_through(layout: Any, tensor: Tensor) -> None:
    """``to_map`` loses no place but those before the grid, and mixes none."""
    leaf = tensor.clone().requires_grad_()
    layout.to_map(leaf).sum().backward()
    assert leaf.grad is not None
    expect(set(leaf.grad.flatten().tolist()) <= {0.0, 1.0}, "to_map: expected every number at most once")


def other_tensors_are_no_map(arrangement: Any) -> None:
    """None for logits and numbers."""
    for shape in ((2,), (2, 7)):
        layout = arrangement.layout(shape, SPACE)
        expect(layout is None, f"layout: expected None for a tensor {shape}, got {layout}")


CHECKS: tuple[Work, ...] = (
    *COMMON,
    serves_something,
    *for_each(_served, a_map_has_channels_before_space, a_map_becomes_the_same_tensor_again, a_gradient_goes_through),
    *for_each(instances, other_tensors_are_no_map),
)
