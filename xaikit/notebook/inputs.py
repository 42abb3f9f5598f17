"""Inputs as a notebook has them, and what to say where they are not what the model takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointError

from xaikit.errors import Disconnected, LayerNotFound, TapError, XaikitError
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
    """Where something is raised inside that comes of the model or of these inputs, say what to do about it.

    Raises:
        TapError: in its place: the inputs are not what the model takes, or it is quantized, checkpointed or hooks its own
            tensors. What a model raises for reasons of its own is raised as it is.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        reason = _of_kind(model, error) if isinstance(error, XaikitError) else _reason(model, inputs, mode, error)
        if not reason:
            raise
        kind = type(error) if isinstance(error, _OF_GRADIENTS) else TapError
        raise kind(reason) from error


def _of_kind(model: nn.Module, error: Exception) -> str:
    """What to say of a refusal, or of what was raised, by a model that is quantized; nothing of another."""
    quantized = [name for name, module in model.named_modules() if _QUANTIZED.match(type(module).__module__)]
    if not quantized or (isinstance(error, XaikitError) and not isinstance(error, _OF_GRADIENTS)):
        return ""
    return (
        f"{str(error).splitlines()[0]}; the model is quantized ({', '.join(quantized[:3])}), and has neither gradients nor "
        "floating-point numbers there: explain the model that it was made from"
    )


_QUANTIZED = re.compile(r"torch\.(ao\.)?nn\.(intrinsic\.)?quantized\b")

_OF_GRADIENTS = (Disconnected, TapError, LayerNotFound)


def _reason(model: nn.Module, inputs: Any, mode: Mode, error: Exception) -> str:
    first = first_tensor(inputs)
    if alone := _raised(model, inputs, mode, grad=True):
        advice = _advice(model, first, alone)
        if not advice:  # what a model raises by itself is its own, and is known to who wrote it
            return ""
        return (
            f"inputs: the model itself raises on {first.dtype} of shape {tuple(first.shape)}: {type(alone).__name__}: "
            f"{alone}; {advice}"
        )
    if alone := _raised(model, inputs, mode, grad=False):
        return (
            f"model: its forward raises where no gradients are recorded, as in this pass: {type(alone).__name__}: {alone}; of "
            "hooks on tensors and retain_grad write `if x.requires_grad:` before"
        )
    if isinstance(error, CheckpointError):
        return (
            "model: it is checkpointed, and computes again, without being recorded, what it computed before; switch that off: "
            "model.gradient_checkpointing_disable(), or build it without"
        )
    return _of_kind(model, error)


def _raised(model: nn.Module, inputs: Any, mode: Mode, grad: bool) -> Exception | None:
    """What one forward of the model raises."""
    try:
        with undisturbed(model, mode), torch.set_grad_enabled(grad):
            call(model, copied(inputs))
    except Exception as error:
        return error
    return None


def _advice(model: nn.Module, first: Tensor, error: Exception) -> str:
    """What to change of the inputs; nothing where they look like what the model takes."""
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
    if isinstance(error, TypeError) and "argument" in str(error):
        return "call it until it runs, then explain it"
    return ""
