"""From a Config to the points of its sweep, each a tuple of trials. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from xaikit.config import read_points
from xaikit.config.arguments import read_methods
from xaikit.errors import PluginError
from xaikit.registry import Registry, needs_of, paper_of, traits_of
from xaikit.registry.declarations import is_control, is_drawn
from xaikit.schema.keys import Use
from xaikit.schema.sections import Aggregation, Config, FinishConfig, MethodConfig, MetricConfig
from xaikit.trials import digests
from xaikit.trials.metric import PlannedMetric
from xaikit.trials.placement import Point, uncollected
from xaikit.trials.trial import Trial, effective_finish


@uncollected()
def expand(config: Config, registry: Registry, engine: str | None = None) -> tuple[Point, ...]:
    """The points of a config, in order; one, where it has no sweep.

    Args:
        engine: what their keys say of xaikit's own code: its digest by default, which only those need that look for results.

    Raises:
        ConfigError: a value of the sweep, or a combination of values, is wrong; ``load`` has found that before.
        PluginContract: the finish that a method's paper asks for does not exist.
    """
    trials = _Trials(config, registry, digests.engine() if engine is None else engine)
    metrics = _Metrics(config, registry, digests.judges() if engine is None else engine)
    return tuple(
        Point(where, point.model, point.data, tuple(trials.of_point(point)), tuple(metrics.of_point(point)))
        for where, point in read_points(config, registry)
    )


@dataclass(frozen=True)
class _Plugin:
    """A plugin however it was asked for: module and name of its class, the digest of its code, and the class."""

    name: str
    source: str
    cls: type


class _Trials:
    """Makes the trials of points. What points have in common is one object, so that trials are told apart by identity."""

    def __init__(self, config: Config, registry: Registry, engine: str) -> None:
        self._registry, self._base, self._batch = registry, Path(config.base), config.data.batch_size
        self._engine = engine
        self._trials: dict[tuple[Any, ...], Trial] = {}
        self._finishes: dict[tuple[Any, ...], FinishConfig] = {}
        self._plugin, self._traits = cache(self._find), cache(traits_of)
        self._sources, self._aggregation = cache(self._digest), cache(Aggregation)

    def of_point(self, point: Config) -> list[Trial]:
        """One a label; where maps are judged, with the controls that they are to beat."""
        trials = [self.of(label, method, point) for label, method in point.methods.items()]
        controls = self._controls if point.metrics and point.controls else {}
        for name, control in controls.items():
            named = point.methods.get(name)
            if named is None or named.use != control.use:  # else it is among the methods
                label = name if named is None else f"{name} (control)"
                trials.append(replace(self.of(label, control, point), control=True))
        return trials

    @cached_property
    def _controls(self) -> Mapping[str, MethodConfig]:
        """The methods that declare that they are controls, with their default options."""
        names = [name for name in self._registry.names("method") if self._is_control(name)]
        return read_methods(names, self._registry) if names else {}

    def _is_control(self, name: str) -> bool:
        try:
            return is_control(self._plugin("method", name).cls)
        except PluginError:  # who asks for it is told
            return False

    def of(self, label: str, method: MethodConfig, point: Config) -> Trial:
        """The trial of a label at a point; what the label does not say is as the config has it."""
        stated = (
            point.layers if method.layers is None else method.layers,
            point.target if method.target is None else method.target,
            point.augment if method.augment is None else method.augment,
            method.reduce or point.reduce,
        )
        key = (label, *map(id, (method, *stated, point.finish, point.precision, point.seed)))
        if key not in self._trials:
            self._trials[key] = self._trial(label, method, point, *stated)
        return self._trials[key]

    def _trial(
        self, label: str, method: MethodConfig, point: Config, layers: Any, target: Use, augment: Any, reduce: Any
    ) -> Trial:
        plugin, target_plugin = self._plugin("method", method.use), self._plugin("target", target.use)
        needs, traits = needs_of(plugin.cls), self._traits(plugin.cls)
        return Trial(
            label=label,
            use=method.use,
            options=method.options,
            layers=layers,
            target=target,
            precision=point.precision,
            seed=point.seed,
            finish=self._finish(method, point.finish),
            sources=self._sources(plugin.source, target_plugin.source),
            method_class=plugin.name,
            target_class=target_plugin.name,
            # where a method does not say that seed or precision are nothing to it, they are something; noise is drawn
            random=is_drawn(plugin.cls, method.options) or bool(augment.noise),
            # augmented passes are not run again in another precision
            reruns=needs is None or needs.reruns or needs.replays,
            aggregation=self._aggregation(augment, reduce),
            output=method.output,
            batch=None if traits is None or "per_sample" in traits else self._batch,
        )

    def _finish(self, method: MethodConfig, general: FinishConfig) -> FinishConfig:
        """The effective finish of a label."""
        key = (method.use, id(general), id(method.finish) if method.finish else None)
        if key not in self._finishes:
            paper = paper_of(self._plugin("method", method.use).cls)
            self._finishes[key] = effective_finish(paper, general, method.finish, self._registry)
        return self._finishes[key]

    def _find(self, kind: str, use: str) -> _Plugin:
        plugin = self._registry.find(kind, use, self._base)
        return _Plugin(digests.identity(plugin), digests.plugin(plugin), plugin.cls)

    def _digest(self, method: str, target: str) -> str:
        """The digest of all code that raw maps depend on."""
        return digests.short(f"{method} {target} {self._engine}")


class _Metrics:
    """Makes the metrics of points; what points have in common is one object.

    Seed and precision are those of the config at all points, as a value of another draw of a method is one more of the same
    measure.
    """

    def __init__(self, config: Config, registry: Registry, judges: str) -> None:
        self._registry, self._base, self._judges = registry, Path(config.base), judges
        self._seed, self._precision = config.seed, config.precision
        self._metrics: dict[tuple[Any, ...], PlannedMetric] = {}

    def of_point(self, point: Config) -> list[PlannedMetric]:
        """One a label."""
        return [self._of(label, metric) for label, metric in point.metrics.items()]

    def _of(self, label: str, metric: MetricConfig) -> PlannedMetric:
        key = (label, id(metric))
        if key not in self._metrics:
            plugin = self._registry.find("metric", metric.use, self._base)
            self._metrics[key] = PlannedMetric(
                label=label,
                use=metric.use,
                options=metric.options,
                metric_class=digests.identity(plugin),
                sources=digests.short(f"{digests.plugin(plugin)} {self._judges}"),
                seed=self._seed,
                precision=self._precision,
            )
        return self._metrics[key]
