"""A model's inputs, whatever nest they come in, and the call of a model on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from weakref import WeakSet

import torch
from torch import Tensor, nn

from xaikit.errors import TapError
from xaikit.layers import module_at, resolve, tensors_in

FEWEST_ROWS = 4
"""From this batch size on, convolutional networks run channels_last: below, converting costs more than it gains."""

_STRIDES = "view size is not compatible"
_contiguous_only: WeakSet[nn.Module] = WeakSet()
T = TypeVar("T")


@dataclass(frozen=True)
class Beside:
    """What a model returned, and what some of its layers did: for targets that are units of a layer."""

    output: Any
    seen: Mapping[str, Tensor]


_read: ContextVar[tuple[str, ...]] = ContextVar("layers whose outputs are kept beside the model's", default=())


@contextmanager
def reading(layers: Iterable[str]) -> Iterator[None]:
    """While the block lasts, every call of a model keeps what these layers returned, where there are any."""
    token = _read.set(tuple(dict.fromkeys(layers)))
    try:
        yield
    finally:
        _read.reset(token)


def call(model: nn.Module, inputs: Any) -> Any:
    """The model on a tensor, a tuple of positional inputs or a mapping of named ones.

    Returns:
        What the model returns; inside :func:`reading`, a :class:`Beside`.
    """
    if not _read.get():
        return _call(model, inputs)
    seen: dict[str, Tensor] = {}
    with ExitStack() as stack:
        for name in _read.get():
            handle = _found(model, name).register_forward_hook(partial(_keep, seen, name))
            stack.callback(handle.remove)
        output = _call(model, inputs)
    return Beside(output, seen)


def _found(model: nn.Module, name: str) -> nn.Module:
    try:
        return module_at(model, name)
    except AttributeError:
        resolve(model, name)  # raises, with the nearest names
        raise


def _keep(seen: dict[str, Tensor], name: str, module: nn.Module, args: Any, output: Any) -> None:
    for _, tensor in tensors_in(output):
        seen[name] = tensor.clone()  # what comes may change it in place
        return


def _call(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def mapped(function: Callable[[Tensor], Tensor], inputs: Any) -> Any:
    """The same nest of inputs with the function applied to every tensor in it."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, dict):
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
    """The tensor that tells batch size, device and space of the inputs.

    Raises:
        TapError: there is none.
    """
    if isinstance(inputs, list):
        raise TapError(
            "inputs: expected N samples along the first dimension, got a list; torch.stack(...) makes it one"
        )
    for _, tensor in tensors_in(inputs):
        return tensor
    raise TapError(f"inputs: expected a tensor, a tuple or a dict of tensors, got {type(inputs).__name__}")


def rows(inputs: Any, index: Tensor) -> Any:
    """The inputs of chosen samples, which may repeat; what has no row a sample stays as it is."""
    samples = len(first_tensor(inputs))
    return mapped(lambda tensor: tensor[index] if tensor.dim() and len(tensor) == samples else tensor, inputs)


def varied(inputs: Any, variants: Tensor) -> Any:
    """The inputs with another first tensor."""
    first = first_tensor(inputs)
    return mapped(lambda tensor: variants if tensor is first else tensor, inputs)


def laid_out(model: nn.Module, inputs: Any, run: Callable[[torch.memory_format], T]) -> T:
    """``run(memory_format)`` in the format that is fastest for this model and these inputs.

    Run once more in the inputs' own format where the forward reads strides (``x.view(n, -1)`` of a map) and refuses the
    faster one; this is remembered for the model.
    """
    wanted = memory_format_for(model, inputs)
    if wanted is torch.preserve_format or model in _contiguous_only:
        return run(torch.preserve_format)
    try:
        return run(wanted)
    except RuntimeError as error:
        if _STRIDES not in str(error):
            raise
    _contiguous_only.add(model)
    return run(torch.preserve_format)


def memory_format_for(model: nn.Module, inputs: Any) -> torch.memory_format:
    """channels_last for at least four pictures in a convolutional network, by rule and never by timing.

    Not in float64, which is for exactness and has no faster kernels there. The model's weights are not converted.
    """
    first = first_tensor(inputs)
    if first.dim() != 4 or len(first) < FEWEST_ROWS or first.dtype == torch.float64:
        return torch.preserve_format
    # one convolution alone is a transformer's patch embedding
    spatial = (m for m in model.modules() if isinstance(m, nn.Conv2d) and max(m.kernel_size) > 1)
    return torch.channels_last if len(list(islice(spatial, 2))) > 1 else torch.preserve_format
