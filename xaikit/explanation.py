"""What an explanation is: a plain value, that can be looked at."""

from __future__ import annotations

import base64
import html
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from xaikit._numeric import on_host
from xaikit.errors import ConfigError, nearest
from xaikit.pictures.lettering import INK, WARNING, Line
from xaikit.pictures.maps import Read, ShownMaps, boxes_of, mask_of
from xaikit.pictures.threshold import DEFAULT_THRESHOLD, Keep, Threshold
from xaikit.pictures.window import ShownInputs, array_of
from xaikit.targets import Pinned, padding_of, places_of

FEW = 8
"""Samples that a notebook shows by itself."""

NO_TARGET = "no target"
"""Of a sample that has fewer than others."""


@dataclass(frozen=True)
class Remark:
    """Something that was noticed about one map: which sample, at which layer, why, and how often.

    >>> str(Remark(0, "layer4", "zero gradients"))
    'sample 0, layer4: zero gradients'
    """

    sample: int
    layer: str
    reason: str
    count: int = 0

    def __str__(self) -> str:
        return f"sample {self.sample}, {self.layer}: {self.reason}" + (f" ({self.count})" if self.count else "")


@dataclass(frozen=True)
class RemarkCounts:
    """A remark as the engine keeps it, on the device until somebody reads it: how often for every sample, (N,)."""

    layer: str
    reason: str
    counts: Tensor
    counted: bool = True

    def remarks(self) -> list[Remark]:
        """One remark for every sample that it concerns."""
        counts = enumerate(self.counts.tolist())
        return [Remark(row, self.layer, self.reason, int(n) if self.counted else 0) for row, n in counts if n]


@dataclass(frozen=True, repr=False)
class Explanation:
    """The maps of one method for one batch; N samples, T targets where the target is plural, S the space of a map. Of pictures of
    unequal size S is that of the largest, and behind the smaller ones there is NaN.

    label     under which the method was asked for
    maps      raw and signed, by layer: (N, *S), or (N, T, *S)
    finished  the same after rectify, normalize, scale and resize
    map       the finished maps fused over the layers; None with ``fuse: none``
    scores    what was explained: (N,), or (N, T)
    target    the pinned target, ``target.indices`` where it is classes
    targeted  whether it plays a part: False for a method that has one map whatever is asked, as Eigen-CAM
    strides   input pixels a cell, by layer
    numbers   what the method measured of its maps, by name and layer: (N,), or (N, T)
    shown     what its pictures are drawn over: the inputs themselves, no copy, and the pictures that they were made of
    classes   what the outputs are called; None where nobody said it
    """

    label: str
    maps: Mapping[str, Tensor]
    finished: Mapping[str, Tensor]
    map: Tensor | None
    scores: Tensor
    target: Pinned
    strides: Mapping[str, float]
    noted: tuple[RemarkCounts, ...] = ()
    numbers: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    targeted: bool = True
    shown: ShownInputs | None = field(default=None, compare=False)
    classes: tuple[str, ...] | None = None

    def with_targets(self, value: Tensor) -> Tensor:
        """A map, a number or the scores with the axis of targets, also where there is one alone: (N, T, ...)."""
        return value if self.target.plural else value.unsqueeze(1)

    @property
    def warnings(self) -> tuple[Remark, ...]:
        """Why a map is dead, and what a method had to leave out; read lazily, so that nobody waits for the device."""
        counts = on_host([noted.counts for noted in self.noted])
        remarks = [
            remark
            for noted, count in zip(self.noted, counts, strict=True)
            for remark in replace(noted, counts=count).remarks()
        ]
        return tuple(sorted(remarks, key=lambda remark: (remark.sample, remark.layer)))

    def __repr__(self) -> str:
        """Label, shapes, target and warnings."""
        maps = ", ".join(f"{layer} {tuple(raw.shape)}" for layer, raw in self.maps.items())
        fused = "none" if self.map is None else str(tuple(self.map.shape))
        parts = [f"map {fused}", f"raw maps {_shortened(maps)}", f"target {_shortened(str(self.target))}"]
        if remarks := self.warnings:
            parts.append(f"{len(remarks)} warnings, first {_shortened(str(remarks[0]))}")
        if self.shown is not None and self.shown.note:
            parts.append(f"shown over {self.shown.note}")
        return f"Explanation({self.label!r}: {'; '.join(parts)})"

    def numpy(self, layer: str | None = None) -> NDArray[Any]:
        """The fused map, or the finished map of a layer, as an array on the CPU: (N, *S), or (N, T, *S).

        Raises:
            ConfigError: there is no such layer, or no fused map and several layers.
        """
        return array_of(self._finished(layer))

    def overlay(
        self,
        picture: Any = None,
        *,
        sample: int = 0,
        target: int = 0,
        layer: str | None = None,
        alpha: float = 0.5,
        colormap: str = "auto",
    ) -> Image.Image:
        """The map of one sample over its picture, with a colour bar.

        A picture that was given as such keeps its size, and the map lies where the model looked. Without any, or where the
        transform does not tell where that is, the map is drawn over what the model received.

        Args:
            picture: another one to draw over, of Pillow, a path, an array or a tensor. Where it is as large as the one that was
                given, the map lies at the same place; else it covers all of it.
            target: its place on the axis of targets.
            layer: whose finished map is drawn, instead of the fused one.
            alpha, colormap: see :func:`xaikit.overlay`.

        Raises:
            ConfigError: no such sample, target or layer, or the map is not of two dimensions.
            DataError: the picture cannot be read.
        """
        maps = self._shown(layer, needed=picture is None)
        window = None if picture is None else maps.over(picture, sample)
        return maps.overlay(sample, target, alpha, colormap, window)

    def plot(
        self,
        samples: Sequence[int] | None = None,
        *,
        layer: str | None = None,
        alpha: float = 0.5,
        colormap: str = "auto",
    ) -> Image.Image:
        """A sheet of the samples, by default of all: each picture, beside it the overlays of its targets; raises as overlay."""
        return self._shown(layer, needed=True).sheet(samples, self.label, self._lines, alpha, colormap)

    def save(self, path: str | os.PathLike[str], *, sample: int | None = None, **style: Any) -> Path:
        """Write the overlay of the only sample, or of the one that is named, else the sheet of all; ``.npy`` has the map itself.

        Args:
            path: its ending says the format: .png, .jpg, .webp, .pdf, .npy. Folders that there are not are made.
            style: of :meth:`overlay` or :meth:`plot`.

        Returns:
            The path.

        Raises:
            ConfigError: as overlay does, and for an ending that means nothing, or what is no path.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise ConfigError(
                f"save: expected a path, got {type(path).__name__}; overlay().save(...) of Pillow takes files"
            )
        path = Path(path)
        if path.suffix.lower() not in (".npy", *Image.registered_extensions()):
            raise ConfigError(f"save: expected an ending such as .png, .jpg, .pdf or .npy, got {path.name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".npy":
            np.save(path, self.numpy() if sample is None else self.numpy()[sample])
        elif sample is None and self.scores.numel() > 1:
            self.plot(**style).save(path)
        else:
            self.overlay(sample=sample or 0, **style).save(path)
        return path

    def boxes(
        self, threshold: Threshold = DEFAULT_THRESHOLD, keep: Keep = "all", *, layer: str | None = None
    ) -> list[Any]:
        """The boxes of the regions of every map, in pixels of the picture that was given, of the input, where none was, or of the
        map, where the inputs are not known.

        Args:
            threshold, keep: see :func:`xaikit.regions`.

        Returns:
            Of each sample (K, 4): x0, y0, x1, y1, the largest region first; of a plural target a list of these.

        Raises:
            ConfigError: as :func:`xaikit.regions` does, with the sample, and for maps that are not of two dimensions.
        """
        return self._read(layer, threshold, keep, boxes_of)

    def mask(
        self, threshold: Threshold = DEFAULT_THRESHOLD, keep: Keep = "all", *, layer: str | None = None
    ) -> list[Any]:
        """Where the regions of every map are: bool (H, W) of each sample, in pixels as :meth:`boxes`, which raises the same."""
        return self._read(layer, threshold, keep, mask_of)

    def _repr_png_(self) -> bytes | None:
        """The first samples, as a notebook shows them; None where there is no picture of them."""
        try:
            picture = self.plot(range(min(FEW, len(self.scores))))
        except ConfigError:
            return None
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        """The same below the words of its repr."""
        png, text = self._repr_png_(), f"<pre>{html.escape(repr(self))}</pre>"
        return text if png is None else f'{text}<img src="data:image/png;base64,{base64.b64encode(png).decode()}"/>'

    def _finished(self, layer: str | None) -> Tensor:
        """The fused map, or that of a layer, which need not be named where it is the only one."""
        if layer is None and self.map is not None:
            return self.map
        if layer is None and len(self.finished) == 1:
            return next(iter(self.finished.values()))
        if layer is None or layer not in self.finished:
            got = (
                f"no layer {layer!r}; {nearest(layer, self.finished)}" if layer else "no fused map: finish.fuse is none"
            )
            raise ConfigError(f"layer: expected one of {', '.join(self.finished) or 'none'}; {got}")
        return self.finished[layer]

    def _shown(self, layer: str | None, needed: bool) -> ShownMaps:
        """Its maps on their inputs, or, where those are not known, on something of their size."""
        if self.shown is None and needed:
            raise ConfigError("overlay: the inputs are not known; overlay(picture) takes one")
        maps = self.with_targets(self._finished(layer))
        return ShownMaps(maps, self.shown or ShownInputs(maps), padding_of(self.target), self._place)

    def _read(self, layer: str | None, threshold: Threshold, keep: Keep, read: Read) -> list[Any]:
        by_sample = self._shown(layer, needed=False).read(threshold, keep, read)
        return by_sample if self.target.plural else [each[0] for each in by_sample]

    def explained(self, sample: int) -> list[tuple[str, float]]:
        """What is explained in a sample, in words, with its score, NaN where it has none; one for each target."""
        indices, scores = getattr(self.target, "indices", None), self.with_targets(self.scores)[sample].tolist()
        labels = (place.get("label", -1) for place in places_of(self.target, sample, len(scores)))
        classes = list(labels) if indices is None else indices[sample].tolist()
        names = getattr(self.target, "names", [self._name(index) for index in classes])
        if (padding := padding_of(self.target)) is not None:
            names = [NO_TARGET if none else name for name, none in zip(names, padding[sample].tolist(), strict=True)]
        return list(zip(names, scores, strict=True))

    def in_words(self, sample: int, between: str = " ") -> list[str]:
        """The same as texts, without the score of what has none: only of a target NaN is one."""
        return [
            name if math.isnan(score) and (not self.targeted or name == NO_TARGET) else f"{name}{between}{score:.4g}"
            for name, score in self.explained(sample)
        ]

    def _place(self, sample: int, target: int) -> tuple[Mapping[str, Any], str]:
        """What of the picture is explained, and its name."""
        explained = self.explained(sample)
        return places_of(self.target, sample, len(explained))[target], explained[target][0]

    def _name(self, index: int) -> str:
        if index < 0:
            return _shortened(str(self.target))
        return f"class {index}" if self.classes is None else self.classes[index]

    def _lines(self, sample: int, target: int) -> list[Line]:
        """What a sheet says of a map: what is explained, its score, and the first thing to know about it."""
        remarks = [str(remark.reason) for remark in self.warnings if remark.sample == sample]
        return [(self.in_words(sample, ": ")[target], INK), *((reason, WARNING) for reason in remarks[:1])]


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:97]}..."
