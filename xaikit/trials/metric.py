"""A metric with nothing left to vary, and the key by which what it measured is stored and found again. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xaikit.trials.digests import short


@dataclass(frozen=True)
class PlannedMetric:
    """One label of ``metrics``.

    metric_class  module and name of its class, however ``use`` asks for it
    sources       the digest of its code, and of ours that judges
    seed          of its draws
    precision     of the passes that it asks for
    """

    label: str
    use: str
    options: Mapping[str, Any]
    metric_class: str
    sources: str
    seed: int
    precision: str

    @cached_property
    def id(self) -> str:
        """The key of all that a value depends on beside the map: which maps a metric reads stands in its class or options."""
        stated = [self.metric_class, dict(self.options), self.sources, self.seed, self.precision]
        return short(json.dumps(stated, sort_keys=True))


@dataclass(frozen=True)
class NamedMetric:
    """A metric as a run knows it.

    name   the label, and where a run has several metrics of it, the axes that tell them apart
    where  the swept keys that have one value for it
    """

    metric: PlannedMetric
    name: str
    where: Mapping[str, Any]
