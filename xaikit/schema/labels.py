"""What a config says below a label of its metrics and observers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from xaikit.schema.keys import INLINE, Section


@dataclass(frozen=True)
class MetricConfig(Section):
    """One label of ``metrics``."""

    brief = True
    use: str
    options: Annotated[Mapping[str, Any], INLINE] = field(default_factory=dict)


@dataclass(frozen=True)
class ObserverConfig(Section):
    """One label of ``observers``: who is told of the run."""

    brief = True
    use: str
    options: Annotated[Mapping[str, Any], INLINE] = field(default_factory=dict)
