"""What a photograph is compared with: an input that says nothing."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from xaikit import ConfigError, nearest
from xaikit.ops import blurred
from xaikit.view import View

WORDS = ("zero", "mean", "blur", "uniform")


def is_file(text: str, base: Path) -> bool:
    """Whether a text names a file or folder."""
    return text not in WORDS


SHARE = 0.1
"""The deviation of the blur, of each side."""


def check_baseline(name: str, baseline: str | Tensor) -> None:
    """Raises ValueError for a text that is neither a word nor a file's name, and a tensor with a number that is not finite."""
    if isinstance(baseline, Tensor) and not bool(baseline.isfinite().all()):
        raise ValueError(f"{name}: expected finite numbers, got a tensor with NaN or infinity")
    if isinstance(baseline, str) and baseline not in WORDS and not Path(baseline).suffix:
        raise ValueError(f"{name}: expected {', '.join(WORDS)} or the file of a picture, got {baseline!r}")


def is_uniform(baseline: str | Tensor) -> bool:
    """Whether the baseline is drawn."""
    return isinstance(baseline, str) and baseline == "uniform"


def baseline_of(view: View, image: Tensor, baseline: str | Tensor) -> Tensor:
    """Of photographs (N, C, *S), of the same shape.

    ``zero``: in units of the model, which after the usual normalisation is the mean colour of ImageNet; ``mean``: of each channel
    of the photograph; ``blur``: the photograph without what is smaller than a tenth of it; ``uniform``: noise between the least
    and the largest number of each channel of the photograph (Sturmfels et al. 2020, doi:10.23915/distill.00022).

    Args:
        baseline: one of these words, the file of a picture, or a tensor that expands to (C, *S).

    Raises:
        ConfigError: a tensor or a picture of another shape, or no such file.
        DataError: a file that cannot be read.
    """
    if isinstance(baseline, Tensor):
        return expanded(baseline, image)
    if baseline == "zero":
        return torch.zeros_like(image)
    if baseline == "mean":
        return image.mean(tuple(range(2, image.dim())), keepdim=True).expand_as(image)
    if baseline == "blur":
        return blurred(image, SHARE)
    if baseline == "uniform":
        return uniform(view, image)
    return expanded(picture(view, baseline), image)


def uniform(view: View, image: Tensor) -> Tensor:
    """Noise between the least and the largest number of each channel, another with every call."""
    space = tuple(range(2, image.dim()))
    low, high = image.amin(space, keepdim=True), image.amax(space, keepdim=True)
    return low + (high - low) * view.generator.uniform(*image.shape[1:]).to(image)


def picture(view: View, file: str) -> Tensor:
    """What the model receives of a file, (C, *S)."""
    path = Path(file).expanduser()
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else []
        raise ConfigError(f"baseline: there is no file {file!r}; {nearest(path.name, beside)}")
    return view.picture(str(path))


def expanded(baseline: Tensor, image: Tensor) -> Tensor:
    """One for all photographs (N, C, *S)."""
    try:
        return baseline.to(image).expand(image.shape[1:]).expand_as(image)
    except RuntimeError as error:
        raise ConfigError(
            f"baseline: expected {tuple(image.shape[1:])}, the shape of a photograph, got {tuple(baseline.shape)}"
        ) from error
