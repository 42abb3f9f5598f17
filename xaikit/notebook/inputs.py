"""Inputs as a notebook has them, and what to say where they are not what the model takes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointError

from xaikit.errors import ConfigError, Disconnected, LayerNotFound, TapError, XaikitError
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call
from xaikit.passes.modes import Mode
from xaikit.passes.nests import copied, first_tensor, mapped, tensors_in
from xaikit.pictures.window import ShownInputs

_NO_TRANSFORM = (
    "inputs: expected what the model takes, got a picture, of which the model does not tell size and normalization; "
    "give transform=: 'imagenet', that of its weights, such as ResNet50_Weights.DEFAULT.transforms(), or any callable; or "
    'explain what its processor makes of it: processor(picture, return_tensors="pt")'
)


def read_inputs(stated: Any, transform: Any, model: nn.Module, mode: Mode) -> tuple[Any, ShownInputs | None]:
    """What the model takes, of what somebody has: pictures by their transform; else the same nest of tensors, mappings as dicts,
    arrays as tensors, those of floats in the model's type and on its device. A sample alone becomes a batch of one, a list of
    samples a batch, and floats are of the weights' type, where the model takes them so and not as they are.

    Returns:
        The inputs, and the pictures that they were made of, if they were.

    Raises:
        TapError: there is no tensor, no sample, or pictures without a transform.
        ConfigError, DataError: see :func:`xaikit.notebook.pictures.prepare_pictures`.
    """
    if transform is not None:
        # torchvision is imported for pictures alone
        from xaikit.notebook.pictures import prepare_pictures

        prepared = prepare_pictures(stated, transform, model)
        return prepared.inputs, prepared.shown
    if any(isinstance(one, (str, os.PathLike)) for one in (stated if isinstance(stated, list) else [stated])):
        raise TapError(_NO_TRANSFORM)
    like = next((value for value in model.parameters() if value.is_floating_point()), torch.empty(0))
    inputs = _tensors(_stacked(stated, model), like)
    first = first_tensor(inputs)
    if first.dim() == 0 or first.numel() == 0:
        raise TapError(f"inputs: expected one sample at least along the first dimension, got {tuple(first.shape)}")
    forms = list(_forms(inputs, model, like, is_array=isinstance(stated, np.ndarray)))
    taken = (form for form in forms if _takes(model, form, mode))
    return inputs if len(forms) == 1 else next(taken, inputs), None


def picture_by(transform: Any, model: nn.Module) -> Callable[[str], Tensor] | None:
    """From a file that an option names to the model's input, as a batch of one; None where nobody says by which transform."""
    if transform is None:
        return None

    def read(file: str) -> Tensor:
        from xaikit.notebook.pictures import prepare_pictures

        return prepare_pictures([file], transform, model).inputs

    return read


def ids_of(stated: Sequence[str] | None, samples: int) -> tuple[str, ...]:
    """A name of each sample, by itself its row. Raises ConfigError where they are not as many."""
    if not isinstance(stated, Iterable | None):
        raise ConfigError(f"ids: expected {samples} texts, one a sample, got {stated!r}")
    names = tuple(stated) if stated is not None else tuple(map(str, range(samples)))
    if len(names) != samples:
        raise ConfigError(f"ids: expected {samples}, one a sample, got {len(names)}")
    return names


def _stacked(stated: Any, model: nn.Module) -> Any:
    """A list of samples, tensors or arrays of one shape and without an axis of samples, as a batch; anything else as it is.

    Raises:
        TapError: they are of several shapes.
    """
    if not isinstance(stated, list) or not stated or not all(isinstance(one, (Tensor, np.ndarray)) for one in stated):
        return stated
    layer = first_convolution(model)
    shapes = {tuple(one.shape): None for one in stated}
    if len(shapes) > 1:
        raise TapError(
            f"inputs: expected samples of one shape, to be a batch, or pictures (channels, height, width) of several sizes, got "
            f"{', '.join(map(str, shapes))}"
        )
    if layer is None or stated[0].ndim != len(layer.kernel_size) + 1:
        return stated
    if all(isinstance(one, np.ndarray) for one in stated):
        return np.stack(stated)
    return torch.stack([torch.as_tensor(one) for one in stated])


def _forms(inputs: Any, model: nn.Module, like: Tensor, is_array: bool) -> Iterator[Any]:
    """Inputs as they are, and in other forms that are meant where the model does not take them so."""
    floats = [tensor for _, tensor in tensors_in(inputs) if tensor.is_floating_point()]
    forms = [inputs]
    if any(tensor.dtype != like.dtype for tensor in floats):
        forms.append(mapped(lambda tensor: tensor.to(like.dtype) if tensor.is_floating_point() else tensor, inputs))
    yield from forms
    layer = first_convolution(model)
    if layer is None or not isinstance(inputs, Tensor) or inputs.dim() != len(layer.kernel_size) + 1:
        return
    channels = layer.in_channels
    if inputs.shape[0] == channels:
        yield from (form[None] for form in forms)
    elif is_array and inputs.shape[-1] == channels:
        yield from (form.movedim(-1, 0)[None] for form in forms)


def _takes(model: nn.Module, inputs: Any, mode: Mode) -> bool:
    """Whether a forward runs, and returns, where that is a tensor, a row a sample."""
    try:
        with undisturbed(model, mode), torch.no_grad():
            output = call(model, copied(inputs))
    except Exception:
        return False
    return not isinstance(output, Tensor) or (output.dim() > 0 and len(output) == len(first_tensor(inputs)))


def first_convolution(model: nn.Module) -> nn.modules.conv._ConvNd | None:
    """Whose kernel and channels say how many axes and channels a sample has; None where there is none."""
    return next((module for module in model.modules() if isinstance(module, nn.modules.conv._ConvNd)), None)


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
        raise TapError(_NO_TRANSFORM)
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
    layer = first_convolution(model)
    if not first.is_floating_point() and layer is not None:
        return (
            f"it takes {weights.dtype}, in the range and normalized as it was trained: transform='imagenet', or your own, makes "
            "that of pictures"
        )
    if layer is not None and first.dim() == len(layer.kernel_size) + 1:
        last = first.shape[0] != layer.in_channels == first.shape[-1]
        return f"it takes samples along the first dimension: inputs{'.movedim(-1, 0)' if last else ''}[None] is one"
    if layer is not None and first.dim() > 1 and first.shape[1] != layer.in_channels == first.shape[-1]:
        return "its channels come first: inputs.movedim(-1, 1)"
    if first.is_floating_point() and first.dtype != weights.dtype:
        return f"its weights are {weights.dtype}: inputs.to({weights.dtype})"
    if first.device != weights.device:
        return f"its weights are on {weights.device}: inputs.to({str(weights.device)!r})"
    if isinstance(error, TypeError) and "argument" in str(error):
        return "call it until it runs, then explain it"
    return ""
