"""Nests of tensors: a model's inputs and outputs, whatever tuples, lists and mappings they come in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
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
    return _listed(items, type(value))


def mapped(function: Callable[[Tensor], Tensor], inputs: Any) -> Any:
    """The same nest of inputs with the function applied to every tensor in it."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        items = {key: mapped(function, value) for key, value in inputs.items()}
        return Reordered(items, inputs.kind) if isinstance(inputs, Reordered) else items
    if isinstance(inputs, (tuple, list)):
        return _listed([mapped(function, value) for value in inputs], type(inputs))
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


def rows(inputs: Any, index: Tensor, shared: Collection[Path] = ()) -> Any:
    """The inputs of chosen samples, which may repeat; what has no row a sample stays as it is.

    Args:
        shared: the ways to tensors that have none, however long they are.
    """
    for path in sample_paths(inputs):
        if path not in shared:
            inputs = replaced(inputs, path, tensor_at(inputs, path)[index])
    return inputs


def sample_paths(inputs: Any) -> list[Path]:
    """The ways to all tensors that are as long as the first, which leads, and so may have a row a sample."""
    first = first_tensor(inputs)
    tensors = [(path, tensor) for path, tensor in tensors_in(inputs) if tensor.dim() and len(tensor) == len(first)]
    return [path for path, tensor in sorted(tensors, key=lambda one: one[1] is not first)]


def tensor_at(inputs: Any, path: Path) -> Tensor:
    """The tensor at the end of a way."""
    for step in path:
        inputs = inputs[step]
    tensor: Tensor = inputs
    return tensor


class Reordered(dict[Any, Any]):
    """The items of a tuple or list by their places, in another order than the model takes them in."""

    def __init__(self, items: dict[Any, Any], kind: type) -> None:
        super().__init__(items)
        self.kind = kind


def led_by(inputs: Any, path: Path) -> Any:
    """The same inputs with the tensor at a path as the first; see :func:`in_order`.

    >>> list(led_by((torch.zeros(1), torch.zeros(1)), (1,)))
    [1, 0]
    """
    if not path or path == next(iter(tensors_in(inputs)))[0]:
        return inputs
    is_listed = isinstance(inputs, (tuple, list))
    items = dict(enumerate(inputs)) if is_listed else inputs
    items = {path[0]: led_by(inputs[path[0]], path[1:]), **{key: items[key] for key in items if key != path[0]}}
    kind = type(inputs) if is_listed else getattr(inputs, "kind", None)
    return items if kind is None else Reordered(items, kind)


def in_order(inputs: Any) -> Any:
    """The inputs as the model takes them, whatever is first in them."""
    if not isinstance(inputs, dict):
        return inputs
    items = {key: in_order(value) for key, value in inputs.items()}
    return _listed([items[place] for place in sorted(items)], inputs.kind) if isinstance(inputs, Reordered) else items


def _listed(items: list[Any], kind: type) -> Any:
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def signature(inputs: Any) -> tuple[Any, ...]:
    """The shapes and types of all tensors, and where they are."""
    return tuple((path, tuple(tensor.shape), tensor.dtype) for path, tensor in tensors_in(inputs))


def varied(inputs: Any, variants: Tensor) -> Any:
    """The inputs with another first tensor."""
    first = first_tensor(inputs)
    return mapped(lambda tensor: variants if tensor is first else tensor, inputs)
