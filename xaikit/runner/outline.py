"""What a config amounts to, counted: no model is opened, and no torch imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xaikit.bench.photographs import find_photographs
from xaikit.config import load
from xaikit.registry import Registry
from xaikit.trials.expansion import expand
from xaikit.trials.placement import groups


def outline(source: str | Path, overrides: Sequence[str] = (), *, axes: Sequence[str] = ()) -> str:
    """Points, trials and photographs as text.

    Raises:
        ConfigError: every fault of the config.
        DataError: the data source finds nothing.
    """
    registry = Registry().lazy()
    config = load(source, overrides, registry, axes=axes)
    points = expand(config, registry, engine="any")
    lines = [f"{len(points)} points, {sum(len(group.placed) for group in groups(points))} trials"]
    for group in groups(points):
        count = len(find_photographs(group.data, registry, Path(config.base)))
        evidence = len({placed.trial.evidence for placed in group.placed})
        requests = len({placed.trial.request for placed in group.placed})
        lines.append(
            f"{group.model.source.plain('source')} on {count} photographs: {len(group.placed)} trials share "
            f"{evidence} sets of raw maps, from {requests} calls of methods a batch"
        )
    return "\n".join(lines)
