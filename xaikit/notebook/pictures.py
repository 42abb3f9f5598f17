"""Pictures as a notebook has them, prepared for a model by a transform."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from xaikit.bench.bands import bands_of
from xaikit.bench.decode import as_channels, decode
from xaikit.bench.transforms import OwnTransform
from xaikit.errors import ConfigError, DataError, nearest
from xaikit.notebook.geometry import window_of
from xaikit.pictures.window import PictureWindow, ShownInputs, array_of, as_picture, bytes_of_pixels, channels_last
from xaikit.sources import IMAGENET, Transform

NAMED = {"imagenet": IMAGENET}
"""Transforms by name: what most classifiers of ImageNet were trained with."""

_MANY = 4
"""Channels from which on pixels are no photograph, or one that is transparent."""


@dataclass(frozen=True)
class PreparedPictures:
    """The input of a model, (N, channels, *S), and what its maps are laid over."""

    inputs: Tensor
    shown: ShownInputs


def prepare_pictures(stated: Any, transform: Any, model: nn.Module) -> PreparedPictures:
    """Pictures by their transform, one sample each, in the type of the model's weights and on its device.

    Args:
        stated: a picture of Pillow or a path, both upright by their EXIF, or pixels (H, W), (H, W, channels) or (channels, H, W)
            of an array or tensor, whole numbers to 255 or floats in [0, 1]; a list or tuple of these; or (N, ...) of an array or
            tensor.
        transform: "imagenet", an :class:`xaikit.sources.Transform`, the weights of torchvision or their transforms, or a
            callable from what was stated (a file as a picture of Pillow) to a tensor (channels, H, W).

    Raises:
        ConfigError: no pictures, no transform, or tensors that cannot be a batch.
        DataError: a file that cannot be read.
    """
    function, pictures = transform_of(transform), _listed(stated)
    tensors, windows = [], []
    for place, one in enumerate(pictures):
        try:
            picture = _read(one, function)
        except ValueError as error:
            raise ConfigError(f"inputs: picture {place}: {error}") from error
        tensors.append(_tensor(function, picture, place))
        size = getattr(picture, "info", {}).get("size") if isinstance(one, (str, os.PathLike)) else None
        windows.append(_window(function, picture, size))
    if len({tensor.shape for tensor in tensors}) > 1:
        shapes = ", ".join(dict.fromkeys(str(tuple(tensor.shape)) for tensor in tensors))
        raise ConfigError(
            f"transform: expected tensors of one shape, to be a batch, got {shapes}; resize and crop in it"
        )
    like = next((value for value in model.parameters() if value.is_floating_point()), torch.empty(0))
    inputs = torch.stack(tensors).to(like.device)
    inputs = inputs.to(like.dtype) if inputs.is_floating_point() else inputs
    complete = [window for window in windows if window is not None]
    if len(complete) == len(windows):
        return PreparedPictures(inputs, ShownInputs(inputs, tuple(complete)))
    note = "what the model received: where on the picture that is, this transform does not tell"
    return PreparedPictures(inputs, ShownInputs(inputs, None, note))


def transform_of(stated: Any) -> Callable[[Any], Any] | Transform:
    """What a transform is stated by. Raises ConfigError where it is none."""
    if isinstance(stated, str):
        if stated not in NAMED:
            raise ConfigError(f"transform: there is no {stated!r}; {nearest(stated, NAMED)}, or give a callable")
        return NAMED[stated]
    if not callable(stated) and hasattr(stated, "transforms"):  # the weights of torchvision
        stated = stated.transforms()
    if not isinstance(stated, Transform) and not callable(stated):
        raise ConfigError(
            f"transform: expected 'imagenet', a callable or the weights of torchvision, got {type(stated).__name__}"
        )
    return stated  # type: ignore[no-any-return]


def _listed(stated: Any) -> list[Any]:
    is_batch = isinstance(stated, (np.ndarray, Tensor)) and stated.ndim == 4
    listed = list(stated) if is_batch or isinstance(stated, (list, tuple)) else [stated]
    if not listed:
        raise ConfigError("inputs: expected one picture at least, got none")
    return listed


def _read(one: Any, transform: Any) -> Any:
    """One picture as its transform takes it."""
    channels = transform.channels if isinstance(transform, Transform | OwnTransform) else 3
    sides = one.size if isinstance(one, Image.Image) else getattr(one, "shape", ())
    if 0 in sides:
        raise ConfigError(f"inputs: expected pictures, got one of size {tuple(sides)}")
    if isinstance(one, (str, os.PathLike)):
        return _file(Path(one).expanduser(), channels)
    if isinstance(one, np.ndarray):
        one = _photograph(one) if one.ndim == 2 or min(one.shape[0], one.shape[-1]) <= _MANY else one
    elif isinstance(one, Tensor) and isinstance(transform, Transform):
        pixels = array_of(one)
        one = _photograph(pixels) if one.ndim == 2 or len(one) <= _MANY else pixels
    if not isinstance(one, (Image.Image, np.ndarray, Tensor)):
        raise ConfigError(
            f"inputs: expected pictures for the transform: of Pillow, paths, arrays or tensors, got {type(one).__name__}"
        )
    if isinstance(one, Image.Image):
        one = ImageOps.exif_transpose(one)
    if not isinstance(transform, Transform):
        return one
    return as_channels(one, channels) if isinstance(one, Image.Image) else bands_of(np.asarray(one), channels)


def _photograph(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(bytes_of_pixels(channels_last(pixels)))


def _file(path: Path, channels: int) -> Image.Image | Tensor:
    try:
        return decode(path.read_bytes(), str(path), channels)
    except OSError as error:
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"{path}: {error.strerror or error}; {nearest(path.name, beside)}") from error


def _tensor(transform: Any, picture: Any, place: int) -> Tensor:
    """What the model receives of a picture, (channels, *S)."""
    if isinstance(transform, Transform):
        seen = transform.bands(picture) if isinstance(picture, Tensor) else transform.picture(picture)
        return transform.tensor(seen)
    try:
        tensor = transform(picture)
    except Exception as error:
        error.add_note(f"raised by transform on picture {place}")
        raise
    if isinstance(tensor, Mapping):
        raise ConfigError(
            f"transform: expected a tensor, got {type(tensor).__name__} with {', '.join(map(str, tensor))}; of a processor "
            "explain what it returns, processor(pictures, return_tensors='pt'), without a transform"
        )
    tensor = torch.from_numpy(tensor) if isinstance(tensor, np.ndarray) else tensor
    if not isinstance(tensor, Tensor):
        raise ConfigError(f"transform: expected a tensor (channels, H, W), got {type(tensor).__name__}")
    # of a callable that makes a batch of one
    return tensor[0] if tensor.dim() == 4 and len(tensor) == 1 else tensor


def _window(transform: Any, picture: Any, size: tuple[int, int] | None) -> PictureWindow | None:
    """The picture as its owner has it, of a file of a size, and where the model looks; None where nobody knows, or it is no
    photograph."""
    if isinstance(picture, Tensor) and picture.dim() == 3 and len(picture) not in (1, 3):
        return None
    if isinstance(picture, np.ndarray):
        return None
    shown = as_picture(picture)
    box = window_of(transform, shown.size)
    return None if box is None else PictureWindow(shown, box, size=size)
