"""Arrays from files: masks and embeddings that a target refers to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from xaikit import ConfigError, nearest


def existing_file(file: str, where: str) -> Path:
    """The path, relative to the working directory. Raises ConfigError where there is no such file."""
    path = Path(file).expanduser()
    if path.is_file():
        return path
    beside = sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else []
    raise ConfigError(
        f"{where}: there is no file {file!r}; in {str(path.parent.resolve())!r}: {nearest(path.name, beside)}"
    )


def read_picture(path: Path, where: str) -> Tensor:
    """Grey values between 0 and 1, (H, W), of a picture; numbers as they are, of an .npy. Raises ConfigError."""
    if path.suffix == ".npy":
        return read_numbers(path, where)
    try:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("L"), dtype=np.float32) / 255)
    except Exception as error:  # decoders of damaged bytes raise nearly anything
        raise ConfigError(f"{where}: {path} cannot be read as a picture: {type(error).__name__}: {error}") from error


def read_numbers(path: Path, where: str) -> Tensor:
    """The one tensor of an .npy, .pt, .pth or .safetensors file, in float; no code in it is run. Raises ConfigError."""
    try:
        held = _held(path)
    except Exception as error:  # unpicklers of damaged bytes raise nearly anything
        raise ConfigError(f"{where}: {path} cannot be read: {type(error).__name__}: {error}") from error
    if not isinstance(held, Tensor):
        raise ConfigError(f"{where}: expected one tensor in {path}, got {type(held).__name__}")
    return held if held.dtype == torch.float64 else held.float()


def _held(path: Path) -> Any:
    if path.suffix == ".npy":
        return torch.from_numpy(np.load(path, allow_pickle=False))
    if path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu", weights_only=True)
    tensors = load_file(path)
    return next(iter(tensors.values())) if len(tensors) == 1 else tensors
