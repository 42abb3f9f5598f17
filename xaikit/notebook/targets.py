"""Targets and labels as a notebook states them: numbers, arrays, lists a sample, functions, options that are arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from xaikit.bench.named import by_indices
from xaikit.config.arguments import read_target, read_target_of_arrays
from xaikit.errors import ConfigError, DataError
from xaikit.notebook.sample_targets import ClassesOfSamples, FunctionsOfSamples
from xaikit.registry import Registry, check_class
from xaikit.schema.classes import Classes
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.schema.shorthand import of_class
from xaikit.targets import FunctionTarget, Target

UNNAMED = Classes()
FORMS = (
    "one class index a sample, (N,); several a sample, (N, K) or lists of any length; or truths of all classes, "
    "booleans (N, classes)"
)


def target_of(
    stated: Any, labels: Tensor | None, samples: int, registry: Registry, classes: Classes = UNNAMED
) -> tuple[Target, Tensor | None]:
    """The target, and the labels, which it may be itself.

    Args:
        labels: class indices (N,), where somebody states them.
        samples: N
        classes: what the outputs are called.

    Raises:
        ConfigError: it is no target, or not of so many samples.
        UnknownPlugin, PluginConflict, PluginContract: the target cannot be used.
    """
    if _is_array(stated) and stated.ndim == 0:
        stated = stated.item()
    if hasattr(stated, "pin"):
        check_class("target", stated if isinstance(stated, type) else type(stated), "target")
        if isinstance(stated, type):
            raise ConfigError(f"target: expected an instance, got the class; write {stated.__name__}(...)")
        return stated, labels
    if callable(stated):
        return FunctionTarget(stated), labels
    if isinstance(stated, Mapping):
        return _from_options(stated, registry, classes), labels
    if _is_array(stated) or (isinstance(stated, Iterable) and not isinstance(stated, (str, Set))):
        return _of_each_sample(indexed("target", stated, classes), labels, samples, registry)
    if isinstance(stated, str) and stated in (classes.names or ()) and stated in registry.names("target"):
        raise ConfigError(
            f"target: {stated!r} is a target and a class of this model; write {{'use': {stated!r}}}, the target, or "
            f"{of_class(stated)}, the class"
        )
    return named_target(read_target(stated, registry), classes, registry), labels


def named_target(use: Use, classes: Classes, registry: Registry) -> Target:
    """A target that may name classes. Raises ConfigError where there is no class of a name."""
    target: Target = instantiate("target", by_indices(use, classes, "target", registry), registry)
    return target


def indexed(name: str, stated: Any, classes: Classes) -> Any:
    """Classes by their indices, where some of a list, or of the lists in it, are by name. Raises ConfigError where there is no
    class of a name."""
    if isinstance(stated, np.ndarray) and stated.dtype.kind == "U":
        stated = stated.tolist()
    if _is_array(stated) or not isinstance(stated, Iterable):
        return stated
    listed = [indexed(name, each, classes) if isinstance(each, (list, tuple)) else each for each in stated]
    try:
        return [classes.index(each, name) if isinstance(each, str) else each for each in listed]
    except DataError as error:
        raise ConfigError(str(error)) from error


def class_labels(name: str, stated: Any, samples: int) -> Tensor:
    """Class indices (N,), or (N, K) with -1 behind the last of a sample that has fewer; or truths (N, classes).

    Raises:
        ConfigError: it is none of these, or not of so many samples.
    """
    rows = _as_indices(name, stated)
    if len(rows) != samples:
        raise ConfigError(f"{name}: expected {samples} class indices, one a sample, got {len(rows)}")
    if rows.dim() == 2 and not (rows.any() if rows.dtype == torch.bool else (rows != -1).any()):
        raise ConfigError(f"{name}: expected a class of one sample at least, got none of any")
    return rows


def labels_of(stated: Any, samples: int) -> Tensor:
    """One class a sample, (N,). Raises ConfigError where it is none of each."""
    classes = class_labels("labels", stated, samples)
    if classes.dim() > 1:
        raise ConfigError("labels: expected one class a sample, (N,), got several; give them as target")
    return classes


def _of_each_sample(
    stated: Any, labels: Tensor | None, samples: int, registry: Registry
) -> tuple[Target, Tensor | None]:
    if not _is_array(stated) and any(map(callable, stated := list(stated))):
        if len(stated) != samples or not all(map(callable, stated)):
            raise ConfigError(
                f"target: expected {samples} functions, one a sample, got {sum(map(callable, stated))} in a list of "
                f"{len(stated)}; one function of the whole output may return several scores (N, T)"
            )
        return FunctionsOfSamples(tuple(stated)), labels
    indices = class_labels("target", stated, samples)
    if labels is not None:
        raise ConfigError("target: expected labels or one class index a sample, got both; write target='label'")
    return (instantiate("target", Use("label"), registry) if indices.dim() == 1 else ClassesOfSamples()), indices


def _from_options(stated: Mapping[str, Any], registry: Registry, classes: Classes) -> Any:
    plain = {
        option: value.item() if _is_array(value) and value.ndim == 0 else value for option, value in stated.items()
    }
    arrays = {option: plain.pop(option) for option in stated if _is_array(plain[option])}
    if not arrays:
        return named_target(read_target(plain, registry), classes, registry)
    tensors = {option: torch.as_tensor(value) for option, value in arrays.items()}
    return read_target_of_arrays(plain, tensors, Tensor, registry)


def _is_array(value: object) -> bool:
    return isinstance(value, (Tensor, np.ndarray, np.generic))


def _as_indices(name: str, stated: Any) -> Tensor:
    rows = _tensor(name, stated) if _is_array(stated) else _stacked(name, stated)
    if rows.dim() == 2 and rows.is_floating_point() and bool(((rows == 0) | (rows == 1)).all()):
        return rows.bool()
    is_integral = (
        not rows.is_floating_point() and not rows.is_complex() and (rows.dtype != torch.bool or rows.dim() == 2)
    )
    if rows.dim() not in (1, 2) or not is_integral:
        raise ConfigError(f"{name}: expected {FORMS}; got {rows.dtype} of shape {tuple(rows.shape)}")
    return rows if rows.dtype == torch.bool else rows.long()


def _tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(f"{name}: expected {FORMS}; got {_named(value)}") from None


def _stacked(name: str, stated: Iterable[Any]) -> Tensor:
    """Numbers, or rows of numbers, of which the shorter are padded with -1."""
    rows = [_tensor(name, row) for row in stated]
    rows = [row.long() if row.shape == (0,) else row for row in rows]
    if not rows:
        return torch.empty(0, dtype=torch.long)
    if len({row.shape for row in rows}) == 1 == len({row.dtype for row in rows}):
        return torch.stack(rows)
    if not all(row.dim() == 1 and row.dtype != torch.bool and not row.is_floating_point() for row in rows):
        kinds = ", ".join(dict.fromkeys(f"{row.dtype} of shape {tuple(row.shape)}" for row in rows[:4]))
        raise ConfigError(f"{name}: expected {FORMS}; got a list of {kinds or 'nothing'}")
    return pad_sequence([row.long() for row in rows], batch_first=True, padding_value=-1)


def _named(value: Any) -> str:
    return repr(value) if isinstance(value, (str, type(None))) else type(value).__name__
