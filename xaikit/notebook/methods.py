"""Options of methods that are arrays, as no config can say them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xaikit.errors import ConfigError, nearest
from xaikit.method import Method
from xaikit.schema.keys import keys_of


def split_arrays(stated: Any) -> tuple[Any, dict[str, Tensor]]:
    """What is stated of a method without its options that are arrays, and these, as tensors."""
    if not isinstance(stated, Mapping):
        return stated, {}
    arrays = {option: value for option, value in stated.items() if isinstance(value, (Tensor, np.ndarray))}
    plain = {option: value for option, value in stated.items() if option not in arrays}
    return plain, {option: torch.as_tensor(value) for option, value in arrays.items()}


def with_arrays(method: Method, arrays: Mapping[str, Tensor], label: str) -> Method:
    """A method with these options as well. Raises ConfigError where it has no such option, or none of arrays."""
    if not arrays:
        return method
    keys = keys_of(type(method))
    for option in arrays:
        if option not in keys:
            raise ConfigError(f"methods.{label}.{option}: unknown option; {nearest(option, keys)}")
        if not keys[option].takes(Tensor):
            raise ConfigError(f"methods.{label}.{option}: expected {keys[option].hint}, got a tensor")
    try:
        made: Method = dataclasses.replace(method, **arrays)  # type: ignore[type-var]
    except ValueError as error:
        raise ConfigError(f"methods.{label}.{error}") from error
    return made
