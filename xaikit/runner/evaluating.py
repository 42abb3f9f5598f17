"""The maps of a run that has ended, judged by metrics: the run's own config once more, with what is to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from xaikit.config import load
from xaikit.registry import Registry
from xaikit.report.report import Report
from xaikit.runner.steps import run
from xaikit.runner.watch import Watcher
from xaikit.store.store import Store


def evaluate(
    folder: str | Path,
    metrics: str | Sequence[str] | Mapping[str, Any] = (),
    overrides: Sequence[str] = (),
    *,
    model: nn.Module | None = None,
    data: Any = None,
    share: tuple[int, int] | None = None,
    watcher: Watcher | None = None,
) -> Report:
    """Judge the maps that a run has stored; nothing is explained again but what a metric asks for, and the controls once.

    Args:
        folder: of the run, a path or URL.
        metrics: beside those that the run has: names, words of suites, or a mapping as ``metrics`` of a config. Where neither has
            any, ``quick``.
        overrides: of the run's config, such as ``metrics.srg.imputer=black`` or ``controls=false``.
        model, data: the objects, of a run that was handed them.
        share, watcher: as of :func:`run`.

    Raises:
        ConfigError: all faults at once.
        StoreError: there is no run in the folder, or somebody else writes to it.
    """
    plan, registry = Store.open(folder).plan(), Registry()
    config = dict(plan["config"])
    labels = [metrics] if isinstance(metrics, str) else metrics
    stated = dict(labels) if isinstance(labels, Mapping) else {name: {} for name in labels}
    config["metrics"] = {**config.get("metrics", {}), **stated} or {"quick": {}}
    config["report"] = {**config["report"], "to": str(folder)}
    source = load(config, overrides, registry, base=Path(plan.get("base", ".")))
    return run(source, model=model, data=data, share=share, watcher=watcher)
