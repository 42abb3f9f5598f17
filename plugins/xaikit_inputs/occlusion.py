"""Occlusion: what the score loses without each part of the input (Zeiler and Fergus 2014, arXiv:1311.2901)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, ClassVar

from torch import Tensor

from xaikit import Located, Needs, hookimpl
from xaikit.method import at_least
from xaikit.view import View
from xaikit_inputs._baselines import baseline_of, check_baseline, is_file, is_uniform

Window = tuple[Any, ...]
"""An index into the last axes of a tensor."""


@dataclass(frozen=True)
class Occlusion:
    """L_p = mean over the windows that cover p of y(x) - y(x with the baseline in that window).

    Windows begin every ``stride`` numbers along each axis; the last one ends where the input does. One that is larger than the
    input is all of it.

    Cost: ((side - window) / stride + 1)^2 scores a photograph: 784 at 224 pixels, whatever the number of targets.
    Fails: for what is larger than the window, or there twice: neither is missed.
    Peers: Captum's Occlusion, with windows and baselines of its own choice, gives the same; it scores one window at a time
        unless told otherwise.

    window    numbers along each axis that are replaced
    stride    from one window to the next; none: half a window
    baseline  what is put there: zero, in units of the model; mean, of each channel; blur; uniform, noise in the range of each
              channel; or the file of a picture; in Python also a tensor (C, *S)
    """

    window: int = 16
    stride: int | None = None
    baseline: Annotated[str | Tensor, Located(is_file)] = "zero"

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True, layers="none")
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}
    examples: ClassVar[tuple[dict[str, int | str], ...]] = (
        {"window": 2, "stride": 1},
        {"window": 3, "stride": 2},
        {"window": 3, "stride": 3, "baseline": "uniform"},
    )

    def __post_init__(self) -> None:
        at_least("window", self.window, 1)
        if self.stride is not None:
            at_least("stride", self.stride, 1)
        if self._step > self.window:
            raise ValueError(
                f"stride: expected at most the window, {self.window}, got {self.stride}: places would be left out"
            )
        check_baseline("baseline", self.baseline)

    @property
    def _step(self) -> int:
        return max(self.window // 2, 1) if self.stride is None else self.stride

    @property
    def draws(self) -> bool:
        """Whether the seed matters."""
        return is_uniform(self.baseline)

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample, for the plan; of a square."""
        return len(self._starts(round(places**0.5))) ** 2

    def variants(self) -> Hashable:
        """What the occluded inputs depend on."""
        return self.window, self._step, self.baseline

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        image = view.image
        baseline, windows = baseline_of(view, image, self.baseline), self._windows(image.shape[2:])

        def make(part: slice) -> Tensor:
            occluded = image.unsqueeze(1).repeat(1, len(windows[part]), *[1] * (image.dim() - 1))
            for place, window in enumerate(windows[part]):
                occluded[:, place][window] = baseline[window]
            return occluded

        lost = view.scores.unsqueeze(2) - view.rescore(len(windows), make)
        summed, count = lost.new_zeros(view.shape), lost.new_zeros(view.shape[2:])
        for place, window in enumerate(windows):
            summed[window] += lost[..., place].reshape(*lost.shape[:2], *[1] * count.dim())
            count[window] += 1
        return summed / count

    def _windows(self, space: Sequence[int]) -> list[Window]:
        starts = [self._starts(side) for side in space]
        return [(..., *(slice(start, start + self.window) for start in corner)) for corner in product(*starts)]

    def _starts(self, side: int) -> list[int]:
        last = max(side - self.window, 0)
        return [*range(0, last, self._step), last]


@hookimpl
def xaikit_method() -> type:
    return Occlusion
