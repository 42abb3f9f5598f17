"""Nests of tensors: a model's inputs and outputs, whatever tuples, lists and mappings they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from copy import copy as shallow_copy
from typing import Any

import torch
from torch import Tensor

from xaikit.errors import TapError

Path = tuple[str | int, ...]


def tensors_in(value: Any) -> Iterable[tuple[tuple[str | int, ...], Tensor]]:
    """Every tensor in a nest of tuples, lists and mappings, with the way to it."""
    if isinstance(value, Tensor):
        yield (), value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from (((key, *path), tensor) for path, tensor in tensors_in(item))
    elif isinstance(value, (tuple, list)):
        for position, item in enumerate(value):
            yield from (((position, *path), tensor) for path, tensor in tensors_in(item))


def replaced(value: Any, path: tuple[str | int, ...], tensor: Tensor) -> Any:
    """The same nest with another tensor at one place; the nest given is not changed."""
    if not path:
        return tensor
    step, rest = path[0], path[1:]
    if isinstance(value, MutableMapping):
        copy = shallow_copy(value)
        copy[step] = replaced(value[step], rest, tensor)
        return copy
    if not isinstance(step, int):
        raise TapError(f"expected a tuple, list or mapping to replace [{step}] in, got {type(value).__name__}")
    items = [replaced(item, rest, tensor) if place == step else item for place, item in enumerate(value)]
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def mapped(function: Callable[[Tensor], Tensor], inputs: Any) -> Any:
    """The same nest of inputs with the function applied to every tensor in it."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {key: mapped(function, value) for key, value in inputs.items()}
    if isinstance(inputs, (tuple, list)):
        items = [mapped(function, value) for value in inputs]
        return type(inputs)(*items) if hasattr(inputs, "_fields") else type(inputs)(items)
    return inputs


def copied(inputs: Any, memory_format: torch.memory_format = torch.preserve_format) -> Any:
    """Inputs that a model may change in place and that autograd accepts, also where they are inference tensors.

    Args:
        memory_format: of the four-dimensional tensors among them.
    """

    def copy(tensor: Tensor) -> Tensor:
        wanted = memory_format if tensor.dim() == 4 else torch.preserve_format
        return tensor.detach().clone(memory_format=wanted)

    return mapped(copy, inputs)


def first_tensor(inputs: Any) -> Tensor:
    """The tensor that tells batch size, device and space of the inputs: the first of floats with three axes or more, as a
    picture has beside a text; else the first.

    Raises:
        TapError: there is none.
    """
    if isinstance(inputs, list):
        raise TapError(
            "inputs: expected N samples along the first dimension, got a list; torch.stack(...) makes it one"
        )
    tensors = [tensor for _, tensor in tensors_in(inputs)]
    if not tensors:
        raise TapError(f"inputs: expected a tensor, a tuple or a dict of tensors, got {type(inputs).__name__}")
    return next((tensor for tensor in tensors if tensor.is_floating_point() and tensor.dim() > 2), tensors[0])


def rows(inputs: Any, index: Tensor) -> Any:
    """The inputs of chosen samples, which may repeat; what has no row a sample stays as it is."""
    samples = len(first_tensor(inputs))
    return mapped(lambda tensor: tensor[index] if tensor.dim() and len(tensor) == samples else tensor, inputs)


def varied(inputs: Any, variants: Tensor) -> Any:
    """The inputs with another first tensor."""
    first = first_tensor(inputs)
    return mapped(lambda tensor: variants if tensor is first else tensor, inputs)
