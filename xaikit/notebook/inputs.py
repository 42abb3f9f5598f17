"""Inputs as a notebook has them, and what to say where they are not what the model takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xaikit.errors import TapError, XaikitError
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call
from xaikit.passes.modes import Mode
from xaikit.passes.nests import copied, first_tensor


def inputs_of(stated: Any, model: nn.Module) -> Any:
    """The same nest of tensors, mappings as dicts, arrays as tensors: those of floats in the model's type and on its device.

    Raises:
        TapError: there is no tensor, no sample, or a picture, of which only the model's own transform knows what to make.
    """
    weights = (value for value in model.parameters() if value.is_floating_point())
    inputs = _tensors(stated, next(weights, torch.empty(0)))
    first = first_tensor(inputs)
    if first.dim() == 0 or len(first) == 0:
        raise TapError(f"inputs: expected one sample at least along the first dimension, got {tuple(first.shape)}")
    return inputs


def _tensors(stated: Any, like: Tensor) -> Any:
    if isinstance(stated, np.ndarray):
        return _tensor(stated, like)
    if isinstance(stated, Mapping):
        return {key: _tensors(value, like) for key, value in stated.items()}
    if isinstance(stated, (tuple, list)):
        if isinstance(stated, list) and any(isinstance(value, np.ndarray) for value in stated):
            raise TapError(
                "inputs: expected N samples along the first dimension, got a list of arrays; numpy.stack(...) makes it one, "
                'and a processor gives one by return_tensors="pt"'
            )
        items = [_tensors(value, like) for value in stated]
        return type(stated)(*items) if hasattr(stated, "_fields") else type(stated)(items)
    if not isinstance(stated, Tensor) and hasattr(stated, "getbands"):
        raise TapError(
            "inputs: expected what the model takes, got a picture, of which the model does not tell size and normalization; "
            "give transform(picture)[None] by the transform of its weights, such as ResNet50_Weights.DEFAULT.transforms(), or "
            'what its processor makes of it: processor(picture, return_tensors="pt")'
        )
    return stated


def _tensor(array: np.ndarray, like: Tensor) -> Tensor:
    try:
        tensor = torch.tensor(np.ascontiguousarray(array), device=like.device)
    except (TypeError, ValueError) as error:
        raise TapError(f"inputs: expected numbers, got an array of {array.dtype}") from error
    return tensor.to(like.dtype) if tensor.is_floating_point() else tensor


@contextmanager
def explaining_misfits(model: nn.Module, inputs: Any, mode: Mode) -> Iterator[None]:
    """Where something is raised inside, and the model by itself raises on these inputs too, say that, and what to do.

    Raises:
        TapError: in its place.
    """
    try:
        yield
    except (XaikitError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        alone = _raised(model, inputs, mode)
        if alone is None:
            raise
        first = first_tensor(inputs)
        raise TapError(
            f"inputs: the model itself raises on {first.dtype} of shape {tuple(first.shape)}: {type(alone).__name__}: "
            f"{alone}; {_advice(model, first)}"
        ) from error


def _raised(model: nn.Module, inputs: Any, mode: Mode) -> Exception | None:
    """What one forward of the model raises."""
    try:
        with undisturbed(model, mode), torch.no_grad():
            call(model, copied(inputs))
    except Exception as error:
        return error
    return None


def _advice(model: nn.Module, first: Tensor) -> str:
    weights = next((value for value in model.parameters() if value.is_floating_point()), first)
    layer = next((module for module in model.modules() if isinstance(module, nn.modules.conv._ConvNd)), None)
    if layer is not None and first.dim() == len(layer.kernel_size) + 1:
        last = first.shape[0] != layer.in_channels == first.shape[-1]
        return f"it takes samples along the first dimension: inputs{'.movedim(-1, 0)' if last else ''}[None] is one"
    if layer is not None and first.dim() > 1 and first.shape[1] != layer.in_channels == first.shape[-1]:
        return "its channels come first: inputs.movedim(-1, 1)"
    if first.is_floating_point() and first.dtype != weights.dtype:
        return f"its weights are {weights.dtype}: inputs.to({weights.dtype})"
    if first.device != weights.device:
        return f"its weights are on {weights.device}: inputs.to({str(weights.device)!r})"
    if not first.is_floating_point() and layer is not None:
        return f"it takes {weights.dtype}, in the range and normalized as it was trained"
    return "call it until it runs, then explain it"
