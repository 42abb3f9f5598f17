"""The transform that does what an image processor of transformers does, where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from xaikit.sources import Interpolation, Transform

_RESAMPLES: dict[int, Interpolation] = {0: "nearest", 2: "bilinear", 3: "bicubic"}
_ROUNDING = 1 / 255  # mean difference of colours: each of the two rounds to whole ones, wrong settings are 5 apart
_SHAPES = ((90, 131), (401, 300))  # one that is enlarged as a rule, one that is reduced, of either aspect


def transform_of(processor: Any) -> Transform | None:
    """Found by its effect on two pictures: what processors of the same settings do differs by their class, some flip
    the colours, pad, or enlarge before they crop. None where no :class:`Transform` gives the same colours. Where the
    crop leaves an odd number of pixels over, the two may be one pixel apart."""
    try:
        return next((one for one in _stated(processor) if _agrees(one, processor)), None)
    except Exception:  # a processor is anybody's code: where it cannot be asked, the config has to say
        return None


def _stated(processor: Any) -> Iterator[Transform]:
    """What the settings may mean, the plainest first."""
    if not processor.do_resize or processor.resample not in _RESAMPLES:
        return
    scaled = getattr(processor, "do_normalize", False)
    mean, std = (processor.image_mean, processor.image_std) if scaled else ([0.0] * 3, [1.0] * 3)
    cut = _sides(processor.crop_size) if getattr(processor, "do_center_crop", False) else None
    for size in _sizes(processor):
        side = _of(processor.size, "shortest_edge")
        crop = cut or ((side, side) if side else size)
        yield Transform(size, crop, tuple(mean), tuple(std), _RESAMPLES[processor.resample])


def _sizes(processor: Any) -> Iterator[Any]:
    side = _of(processor.size, "shortest_edge")
    if not side:
        yield _sides(processor.size)
        return
    yield side
    yield (side, side)  # ConvNeXt, from 384 on
    if getattr(processor, "crop_pct", None):
        yield int(side / processor.crop_pct)  # ConvNeXt below 384, PoolFormer
    yield int(256 / 224 * side)  # LeViT


def _of(size: Any, name: str) -> int | None:
    side: int | None = size.get(name) if isinstance(size, dict) else getattr(size, name, None)
    return side


def _sides(size: Any) -> tuple[Any, Any]:
    return _of(size, "height"), _of(size, "width")


def _agrees(transform: Transform, processor: Any) -> bool:
    draw = np.random.default_rng(0)
    pictures = [Image.fromarray(draw.integers(0, 256, (*shape, 3), dtype=np.uint8)) for shape in _SHAPES]
    return all(_same(transform, processor, picture) for picture in pictures)


def _same(transform: Transform, processor: Any, picture: Image.Image) -> bool:
    ours = transform.tensor(transform.picture(picture))
    theirs: Tensor = processor(images=picture, return_tensors="pt")["pixel_values"][0]
    if ours.shape != theirs.shape:
        return False
    centre, scale = ours[:, 1:-1, 1:-1], torch.tensor(transform.std)[:, None, None]
    high, wide = centre.shape[1:]
    moved = (theirs[:, y : y + high, x : x + wide] for y in range(3) for x in range(3))
    return any(((centre - other).abs() * scale).mean() <= _ROUNDING for other in moved)
