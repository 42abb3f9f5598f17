"""What a config says of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xaikit.errors import ConfigError
from xaikit.pictures.threshold import DEFAULT_THRESHOLD, read_threshold
from xaikit.schema.keys import Section


@dataclass(frozen=True)
class BoxesConfig(Section):
    """Boxes of what stands out in the maps, as :func:`xaikit.regions` finds it.

    threshold  a share of the largest value in (0, 1], a percentile as a number above 1 or "95%", or otsu
    keep       all regions of a map, or the largest alone
    """

    threshold: float | str = DEFAULT_THRESHOLD
    keep: Literal["all", "largest"] = "all"

    def __post_init__(self) -> None:
        try:
            read_threshold(self.threshold)
        except ConfigError as error:
            raise ValueError(str(error)) from error
