"""What an explanation is: a plain value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from xaikit._numeric import on_host
from xaikit.targets import Pinned


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


@dataclass(frozen=True)
class Explanation:
    """The maps of one method for one batch; N samples, T targets where the target is plural, S the space of a map.

    label     under which the method was asked for
    maps      raw and signed, by layer: (N, *S), or (N, T, *S)
    finished  the same after rectify, normalize, scale and resize
    map       the finished maps fused over the layers; None with ``fuse: none``
    scores    what was explained: (N,), or (N, T)
    target    the pinned target, ``target.indices`` where it is classes
    targeted  whether it plays a part: False for a method that has one map whatever is asked, as Eigen-CAM
    strides   input pixels a cell, by layer
    numbers   what the method measured of its maps, by name and layer: (N,), or (N, T)
    """

    label: str
    maps: Mapping[str, Tensor]
    finished: Mapping[str, Tensor]
    map: Tensor | None
    scores: Tensor
    target: Pinned
    strides: Mapping[str, float]
    noted: tuple[RemarkCounts, ...] = field(default=(), repr=False)
    numbers: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict, repr=False)
    targeted: bool = True

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
