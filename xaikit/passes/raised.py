"""Where in a model its own forward has raised, read off the traceback: nothing runs again."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from xaikit.errors import ModelError, XaikitError
from xaikit.passes.nests import tensors_in

_CALL = nn.Module._call_impl.__code__


def place_of(model: nn.Module, error: BaseException) -> str:
    """The innermost module that was running, and the shapes that it was given; "" where it was not the model that raised.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> try:
    ...     net(torch.zeros(1, 3))
    ... except RuntimeError as error:
    ...     print(place_of(net, error))
    layer '1' (Linear), given (1, 3)
    """
    names = {id(module): name for name, module in model.named_modules()}
    place = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is not _CALL or id(frame.f_locals["self"]) not in names:
            continue
        module, given = frame.f_locals["self"], (frame.f_locals["args"], frame.f_locals["kwargs"])
        name = names[id(module)]
        shapes = ", ".join(str(tuple(tensor.shape)) for _, tensor in tensors_in(given)) or "no tensor"
        place = f"{f'layer {name!r}' if name else 'the model'} ({type(module).__name__}), given {shapes}"
    return place


@contextmanager
def naming_the_layer(model: nn.Module) -> Iterator[None]:
    """Raises ModelError in place of what the model's forward raises inside."""
    try:
        yield
    except (XaikitError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        place = place_of(model, error)
        if not place:
            raise
        raise ModelError(f"model: its forward raises in {place}: {type(error).__name__}: {error}") from error


def error_text(error: Exception, model: nn.Module) -> tuple[str, str]:
    """An error in a line, with the layer that raised it and what was noted about it on its way, and its traceback."""
    place = "" if isinstance(error, XaikitError) else place_of(model, error)
    notes = [f"raised in {place}"] if place else []
    line = "; ".join([f"{type(error).__name__}: {error}", *notes, *getattr(error, "__notes__", [])])
    return line, "".join(traceback.format_exception(error))
