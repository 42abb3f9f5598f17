"""Metrics for tests of runs, in a file of their own: they count how often they are called, and what they are shown."""

from __future__ import annotations

from pathlib import Path

METRICS = '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from xaikit.metric import MetricNeeds


@dataclass(frozen=True)
class Mean:
    """The mean of the map, and a line in a file for every call."""

    log: str = ""
    scale: float = 1.0
    needs: ClassVar = MetricNeeds()
    reads: ClassVar = "raw"
    higher_is_better: ClassVar = True
    range: ClassVar = (float("-inf"), float("inf"))

    def measure(self, view):
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{len(view.maps)} {view.maps.shape[-1]}\\n")
        return self.scale * view.maps.flatten(2).mean(2)


@dataclass(frozen=True)
class Others(Mean):
    """The same, and it may look at other photographs."""

    needs: ClassVar = MetricNeeds(photographs=True)


@dataclass(frozen=True)
class Score:
    """The probability of a photograph without its colours."""

    needs: ClassVar = MetricNeeds(scores=True)
    reads: ClassVar = "minmax"
    higher_is_better: ClassVar = True
    range: ClassVar = (0.0, 1.0)
    further = 1

    def measure(self, view):
        return view.rescore(1, lambda _: view.image.mean(1, keepdim=True).expand_as(view.image).unsqueeze(1)).squeeze(2)


@dataclass(frozen=True)
class Broken:
    """Fails for maps with a large mean."""

    above: float = 0.0
    needs: ClassVar = MetricNeeds()
    reads: ClassVar = "rectified"
    higher_is_better: ClassVar = True
    range: ClassVar = (0.0, 1.0)

    def measure(self, view):
        if (view.maps.mean() > self.above).any():
            raise ValueError("too bright")
        return torch.zeros(view.shape[:2])
'''


def judges(folder: Path) -> Path:
    """The file."""
    path = folder / "judges.py"
    path.write_text(METRICS)
    return path
