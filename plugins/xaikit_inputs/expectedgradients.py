"""Expected gradients: integrated gradients from baselines of the data (Erion et al. 2021, arXiv:1906.10670)."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from xaikit import ConfigError, Located, Needs, hookimpl, nearest
from xaikit.method import at_least
from xaikit.ops import combine
from xaikit.view import View
from xaikit_inputs._baselines import WORDS, baseline_of, check_baseline, is_file, is_uniform, uniform

EXPECTED = f"{', '.join(WORDS)}, a folder or files"


@dataclass(frozen=True)
class ExpectedGradients:
    """L = sum_c E_{x', s} (x_c - x'_c) dy/dx_c(x' + s (x - x')): integrated gradients in the mean over baselines x' of data, both
    integrals by one sum over draws of x' and of places s in [0, 1].

    The i-th of n draws is at s = (i - 1/2) / n. Each baseline is drawn as often as the others, at places all along the way: of
    one baseline the map is that of ``integratedgradients`` with ``quadrature: midpoint``. It sums to y(x) - E y(x'), as exactly
    as the draws allow.

    Cost: ``samples`` forwards and gradient calls of the whole model.
    Fails: ``uniform``, for who has no pictures at hand, is no data but noise in the range of each channel, another with every
        draw. With few samples the map is noisy. Another picture in a file of the same name is not seen by a run that goes on.
    Peers: Captum's GradientShap without noise has the same expectation, of places drawn by chance, from the global generator.

    baselines  a folder of pictures, some of the training data say, or a file; zero, mean, blur or uniform, as of
               ``integratedgradients``; or several of these; in Python also a tensor (K, C, *S)
    samples    n, draws
    """

    baselines: Annotated[str | tuple[str, ...] | Tensor, Located(is_file)] = "uniform"
    samples: int = 50

    needs: ClassVar[Needs] = Needs(gradients=1, replays=True, layers="input")
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "linear", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "quantile"}
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"samples": 2},
        {"baselines": ("zero", "blur", "uniform"), "samples": 3},
    )

    def __post_init__(self) -> None:
        at_least("samples", self.samples, 1)
        if isinstance(self.baselines, Tensor):
            check_baseline("baselines", self.baselines)
            return
        if not self.baselines:
            raise ValueError(f"baselines: expected {EXPECTED}, got {self.baselines!r}")
        for stated in _several(self.baselines):
            # a folder may lie beside a config that is read elsewhere: of those, what is all but a word is one misspelt
            meant = difflib.get_close_matches(stated, WORDS, n=1, cutoff=0.8)
            if meant and stated not in WORDS and Path(stated).name == stated and not Path(stated).is_dir():
                raise ValueError(
                    f"baselines: expected {EXPECTED}, got {stated!r}; did you mean {meant[0]!r}? A folder is './{stated}'"
                )

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return self.samples

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        image = view.activations.squeeze(1)
        draw = self._drawn(view, image)
        total = torch.zeros_like(view.gradients)
        ways = deque[Tensor]()

        def make(part: slice) -> Tensor:
            inputs = []
            for place in range(part.start, part.stop):
                baseline = draw(place)
                ways.append(image - baseline)
                inputs.append(baseline + (place + 0.5) / self.samples * ways[-1])
            return torch.stack(inputs, 1)

        for gradients in view.gradients_with(self.samples, make):
            total += gradients * ways.popleft().unsqueeze(1)
        return combine(total / self.samples, view)

    def _drawn(self, view: View, image: Tensor) -> Callable[[int], Tensor]:
        """From the number of a draw to its baselines (N, C, *S)."""
        given = self._listed(image)
        rounds = -(-self.samples // len(given))
        # all of them, shuffled, time and again
        orders = view.generator.uniform(rounds, len(given)).argsort(2).flatten(1).tolist()
        is_noisy = any(map(is_uniform, given))

        def draw(place: int) -> Tensor:
            # for all, whoever takes it: what a sample draws depends on no other
            noise = uniform(view, image) if is_noisy else image
            chosen = [given[order[place]] for order in orders]
            each = zip(chosen, noise, image.unsqueeze(1), strict=True)
            return torch.stack([drawn if is_uniform(one) else baseline_of(view, x, one)[0] for one, drawn, x in each])

        return draw

    def _listed(self, image: Tensor) -> Sequence[str | Tensor]:
        """Each baseline; of a folder its pictures by name."""
        if not isinstance(self.baselines, Tensor):
            return [file for stated in _several(self.baselines) for file in _files(stated)]
        if self.baselines.dim() != image.dim() or not len(self.baselines):
            expected = ", ".join(["K", *map(str, image.shape[1:])])
            raise ConfigError(
                f"baselines: expected ({expected}), K photographs, 1 or more, got {tuple(self.baselines.shape)}"
            )
        return list(self.baselines)


def _several(stated: str | tuple[str, ...]) -> tuple[str, ...]:
    return (stated,) if isinstance(stated, str) else stated


def _files(stated: str) -> list[str]:
    """A word or a file itself, and of a folder its pictures by name."""
    path = Path(stated).expanduser()
    if stated in WORDS or path.is_file():
        return [stated]
    if not path.is_dir():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise ConfigError(f"baselines: expected {EXPECTED}, got {stated!r}; {nearest(path.name, [*WORDS, *beside])}")
    suffixes = Image.registered_extensions()
    files = [str(file) for file in sorted(path.iterdir()) if file.suffix.lower() in suffixes]
    if not files:
        raise ConfigError(f"baselines: expected pictures in {stated}, got none")
    return files


@hookimpl
def xaikit_method() -> type:
    return ExpectedGradients
