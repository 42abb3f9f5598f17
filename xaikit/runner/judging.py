"""What the shards of an evaluation read: the rows and maps of a folder, and the metrics of its plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from xaikit.bench.bench import Bench
from xaikit.evaluation.others import OtherPhotographs
from xaikit.evaluation.shard import Evaluation
from xaikit.planning.measures import load_metrics
from xaikit.registry import Registry
from xaikit.report.index import Index
from xaikit.schema.sections import Config
from xaikit.store.store import Store
from xaikit.trials.metric import NamedMetric


class Judging:
    """Evaluations of the benches of a folder, each made once."""

    def __init__(self, store: Store, registry: Registry, config: Config) -> None:
        self._store, self._registry, self._config = store, registry, config
        self._evaluations: dict[str, Evaluation] = {}

    def evaluation(self, bench: Bench, metrics: Sequence[NamedMetric]) -> Evaluation:
        """That of a bench."""
        key = bench.opened.key
        if key not in self._evaluations:
            rows = self._rows.get(key, {})
            first = [each[0] for each in rows.values()]
            self._evaluations[key] = Evaluation(
                bench=bench,
                metrics=load_metrics(metrics, self._registry, Path(self._config.base)),
                rows=rows,
                read=self._store.maps,
                others=OtherPhotographs(bench.opened, first, self._config.seed),
                controls=self._config.controls,
                seed=self._config.seed,
            )
        return self._evaluations[key]

    @cached_property
    def _rows(self) -> Mapping[str, Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]]:
        """By bench, those of a photograph and evidence."""
        rows: dict[str, dict[tuple[str, str], list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        for row in Index(self._store).rows().to_pylist():
            rows[row["bench"]][row["name"], row["evidence"]].append(row)
        return rows
