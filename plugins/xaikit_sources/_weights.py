"""State-dict files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from xaikit import ConfigError, nearest

SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")


def is_file(weights: str) -> bool:
    """Whether weights are given as a file rather than by name."""
    return weights.endswith(SUFFIXES) or "/" in weights


def load(module: nn.Module, path: str) -> str:
    """Load a state dict from a file, strictly; what is returned tells where the weights came from.

    Raises:
        ConfigError: no such file, no state dict, or one of another network.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        beside = [str(other) for other in file.parent.glob("*") if other.suffix in SUFFIXES]
        raise ConfigError(f"model.weights: there is no file {path}; {nearest(path, beside)}")
    try:
        module.load_state_dict(_read(file))
    except RuntimeError as error:
        raise ConfigError(f"model.weights: {path} does not fit {type(module).__name__}: {error}") from error
    return str(file)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        found: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged zip, forbidden pickle, wrong header: each reader has its own
        raise ConfigError(f"model.weights: {file} cannot be read as a state dict: {error}") from error
    for key in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ConfigError(f"model.weights: expected a state dict in {file}, got {type(found).__name__}")
    return found
