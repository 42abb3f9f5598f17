"""What a config amounts to, counted: no model is opened, and no torch imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xaikit.bench.photographs import find_photographs
from xaikit.config import load
from xaikit.plain.text import flow
from xaikit.registry import Registry
from xaikit.trials.expansion import expand
from xaikit.trials.placement import Group, groups


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
            f"{_model(group)} on {count} photographs: {len(group.placed)} trials share "
            f"{evidence} sets of raw maps, from {requests} calls of methods a batch"
        )
    return "\n".join(lines)


def _model(group: Group) -> str:
    """What a person calls it, with what varies of it and of its data as that is written: of a token the reference."""
    source = group.model.source
    name = source.options.get("name") or source.options.get("factory") or source.use
    where = {key: value for placed in group.placed for key, value in placed.where.items()}
    stated = [f"{key}={flow(value)}" for key, value in where.items() if key.partition(".")[0] in ("model", "data")]
    return f"{name} ({', '.join(stated)})" if stated else str(name)
