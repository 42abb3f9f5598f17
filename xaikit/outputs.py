"""The part of a model's output that targets score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from xaikit.calling import Beside
from xaikit.errors import ConfigError, nearest

AUTO = "auto"


def select(output: Any, choice: str | int = AUTO) -> Any:
    """The chosen part of an output: by key or attribute, by index, or by itself.

    ``auto`` takes a tensor as it is, ``logits`` of a mapping or object that has it, the first tensor of a tuple, and the
    one tensor of a mapping or dataclass that has no other; anything else is handed to the target whole.

    Raises:
        ConfigError: the output has no such part; the parts it has are named.
    """
    if isinstance(output, Beside):
        return Beside(select(output.output, choice), output.seen)
    if choice == AUTO:
        return _itself(output)
    if isinstance(choice, int):
        return _indexed(output, choice)
    if isinstance(output, Tensor) and choice == "logits":
        return output
    if isinstance(output, Mapping):
        if choice in output:
            return output[choice]
        raise ConfigError(f"model.output: no key {choice!r}; {nearest(choice, map(str, output))}")
    if not isinstance(output, Tensor) and hasattr(output, choice):
        return getattr(output, choice)
    raise ConfigError(f"model.output: expected an output with {choice!r}, got {type(output).__name__}")


def _itself(output: Any) -> Any:
    if isinstance(output, Mapping) and "logits" in output:
        return output["logits"]
    if not isinstance(output, Tensor) and isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    if isinstance(output, tuple) and output and isinstance(output[0], Tensor):
        return output[0]
    tensors = [value for value in _values(output) if isinstance(value, Tensor)]
    return tensors[0] if len(tensors) == 1 else output


def _values(output: Any) -> list[Any]:
    """What a mapping or a dataclass holds."""
    if isinstance(output, Mapping):
        return list(output.values())
    if is_dataclass(output) and not isinstance(output, type):
        return [getattr(output, item.name) for item in fields(output)]
    return []


def _indexed(output: Any, index: int) -> Any:
    if isinstance(output, Mapping):
        if index in output:
            return output[index]
        output = tuple(output.values())
    if not isinstance(output, (tuple, list)):
        raise ConfigError(f"model.output: expected a tuple or list to take [{index}] of, got {type(output).__name__}")
    if not -len(output) <= index < len(output):
        raise ConfigError(f"model.output: expected an index below {len(output)}, got {index}")
    return output[index]
