"""Where on a picture a model looks, of transforms that others have written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from xaikit.pictures.inside import Box
from xaikit.sources import Transform
from xaikit.sources.transform import center

_STILL = frozenset(
    (
        *("ToTensor", "PILToTensor", "MaybeToTensor", "MaybePILToTensor", "ToImage", "ToPureTensor", "ToDtype"),
        *("ConvertImageDtype", "Normalize", "Grayscale", "RGB", "Identity"),
    )
)
"""Steps that leave every pixel where it is."""

Step = Callable[[Box, tuple[int, int]], tuple[Box, tuple[int, int]]]
"""From the window of the picture that is left, and its present size in pixels (width, height), to those behind the step."""


def window_of(transform: Any, size: tuple[int, int]) -> Box | None:
    """The window of a picture of a size (width, height) that reaches the model, in pixels of the picture; None where nobody
    knows: of steps that are not torchvision's or timm's resizing, center cropping and work on single pixels.
    """
    if isinstance(transform, Transform):
        return transform.window(size)
    box: Box = (0.0, 0.0, float(size[0]), float(size[1]))
    for step in _steps(transform):
        if step is None:
            return None
        box, size = step(box, size)
    return box


def _steps(transform: Any) -> Iterator[Step | None]:
    """The steps that move pixels; None for one that is not known."""
    name, home = type(transform).__name__, type(transform).__module__.partition(".")[0]
    if home not in ("torchvision", "timm", "torch"):
        yield None
    elif name in ("Compose", "Sequential"):
        parts: Iterable[Any] = transform if name == "Sequential" else transform.transforms
        for part in parts:
            yield from _steps(part)
    elif name == "Resize":
        yield None if transform.size is None else _resize(transform.size, transform.max_size)
    elif name == "CenterCrop":
        yield _crop(transform.size)
    elif name == "ImageClassification":  # the transforms of torchvision's weights
        yield _resize(transform.resize_size)
        yield _crop(transform.crop_size)
    elif name == "SemanticSegmentation":
        yield from [] if transform.resize_size is None else [_resize(transform.resize_size)]
    elif name not in _STILL | {"ObjectDetection"}:
        yield None


def _sides(size: int | Sequence[int]) -> list[int]:
    return [size] if isinstance(size, int) else list(size)


def _resize(size: int | Sequence[int], longest: int | None = None) -> Step:
    sides = _sides(size)

    def step(box: Box, before: tuple[int, int]) -> tuple[Box, tuple[int, int]]:
        if len(sides) == 2:
            return box, (sides[1], sides[0])
        width, height = (sides[0] * side // min(before) for side in before)
        if longest is not None and max(width, height) > longest:
            width, height = (longest * side // max(width, height) for side in (width, height))
        return box, (width, height)

    return step


def _crop(size: int | Sequence[int]) -> Step:
    sides = _sides(size)
    width, height = (sides[-1], sides[0])

    def step(box: Box, before: tuple[int, int]) -> tuple[Box, tuple[int, int]]:
        (left, right), (top, bottom) = (
            _within(box[axis], box[axis + 2], center(side, taken), side)
            for axis, side, taken in zip((0, 1), before, (width, height), strict=True)
        )
        return (left, top, right, bottom), (width, height)

    return step


def _within(start: float, end: float, taken: tuple[int, int], side: int) -> tuple[float, float]:
    """Some of the pixels of a side, which goes from start to end on the picture."""
    scale = (end - start) / side
    return start + taken[0] * scale, start + taken[1] * scale
