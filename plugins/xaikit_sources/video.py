"""Videos, some of their frames each, decoded by PyAV."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from xaikit import ConfigError, DataError, Located, hookimpl
from xaikit.sources import Photograph
from xaikit_sources._paths import read_bytes
from xaikit_sources._samples import files_of, label_of

_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv")


@dataclass(frozen=True)
class Video:
    """Videos (3, frames, H, W); every frame is prepared as a picture is. A model that takes the frames before the channels says
    ``model.input_layout: {use: axes, order: NTCHW}``.

    path    a file, a glob, a folder, or a list of these: .mp4, .mov, .mkv, .webm, .avi and others (extra ``video``)
    frames  how many, evenly over the whole length; a shorter video repeats some
    label   null, or folder, whose name is the class
    """

    path: Annotated[str | list[str], Located()]
    frames: int = 16
    label: Literal["folder"] | None = None

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ValueError(f"frames: expected at least 1, got {self.frames}")

    def photographs(self) -> Sequence[Photograph]:
        """The videos. Raises DataError where nothing is found, ConfigError without PyAV."""
        _av()
        return [
            Photograph(
                str(file),
                partial(read_bytes, file),
                label_of(file, self.label),
                "video",
                partial(_frames, name=str(file), count=self.frames),
            )
            for file in files_of(self.path, _SUFFIXES, "data video")
        ]


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ConfigError("data video: needs PyAV; install it by: pip install 'xaikit[video]'") from error
    return av


def _frames(data: bytes, name: str, count: int) -> Tensor:
    """The middles of so many equal parts of a video, float32 (3, count, H, W) in [0, 1]."""
    try:
        total = sum(1 for _ in _decoded(data))
        wanted = [int((place + 0.5) * total / count) for place in range(count)] if total else []
        frames = {
            place: frame.to_ndarray(format="rgb24") for place, frame in enumerate(_decoded(data)) if place in wanted
        }
    except Exception as error:  # decoders of damaged bytes raise nearly anything
        raise DataError(f"{name}: cannot be read as a video: {type(error).__name__}: {error}") from error
    if not wanted:
        raise DataError(f"{name}: expected a video, got no frame")
    stacked = torch.from_numpy(np.stack([frames[place] for place in wanted]))
    return stacked.permute(3, 0, 1, 2).float().div(255).contiguous()


def _decoded(data: bytes) -> Any:
    """Its frames in order, one at a time."""
    with _av().open(io.BytesIO(data)) as container:
        yield from container.decode(video=0)


@hookimpl
def xaikit_data() -> type:
    return Video
