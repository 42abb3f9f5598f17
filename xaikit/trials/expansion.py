"""From a Config to the points of its sweep, each a tuple of trials. Plain data, no torch.

Every part of a trial is read once for every combination of values that it depends on; a point only puts parts together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import getitem, itemgetter
from pathlib import Path
from typing import Any

from xaikit.config import Column, Config, FinishConfig, Grid, Read, StatedFinish, Use, own_value, read_points, spelling
from xaikit.registry import Registry, needs_of, paper_of, traits_of
from xaikit.trials import digests
from xaikit.trials.placement import Group, NamedTrial, Point, groups, uncollected
from xaikit.trials.trial import DEFAULTS, Trial, canonical, effective_finish, evidence_of, id_of, question_of, said

__all__ = ["DEFAULTS", "Group", "NamedTrial", "Point", "Trial", "effective_finish", "expand", "groups"]


@uncollected()
def expand(config: Config, registry: Registry) -> tuple[Point, ...]:
    """The points of a config, in order; one, where it has no sweep.

    Raises:
        ConfigError: a value of the sweep, or a combination of values, is wrong; ``load`` has found that before.
        PluginContract: the finish that a method's paper asks for does not exist.
    """
    grid, read = read_points(config, registry)
    plugins = _Plugins(registry, Path(config.base), config.data.batch_size)
    trials = _rows(read.labels, {label: _Label(label, read, plugins).trials() for label in read.methods})
    return tuple(
        map(Point, _where(config, grid), _spread(read.general["model"]), _spread(read.general["data"]), trials)
    )


def _where(config: Config, grid: Grid) -> Iterator[dict[str, Any]]:
    """The value of every key that varies, by point; what a point leaves to the config is as the config says, where it does."""
    # the number of what the config itself says is -1: it is the last
    values = [(*values, _own(config, key, values)) for key, values in zip(grid.keys, grid.values, strict=True)]
    unsaid = any(known[-1] is _UNSAID for known in values)
    for row in grid.points:
        where = dict(zip(grid.keys, map(getitem, values, row), strict=True))
        yield {key: value for key, value in where.items() if value is not _UNSAID} if unsaid else where


_UNSAID = object()


def _own(config: Config, key: str, values: Sequence[Any]) -> Any:
    """What the config itself says at a key; where that is one of the axis's values, that one."""
    try:
        own = own_value(config, key)
    except KeyError:
        return _UNSAID
    return next((value for value in values if spelling(value) == spelling(own)), own)


def _spread(column: Column) -> list[Any]:
    """The value of every point."""
    return list(map(column.values.__getitem__, column.numbers))


def _rows(labels: Column, trials: Mapping[str, Sequence[Any]]) -> list[tuple[Trial, ...]]:
    """The trials of every point, in the order of its labels."""
    rows = list(zip(*trials.values(), strict=True))
    if len(labels.values) == 1:
        return rows
    places = {label: place for place, label in enumerate(trials)}
    picks = [_picker([places[label] for label in stated]) for stated in labels.values]
    return [picks[number](row) for number, row in zip(labels.numbers, rows, strict=True)]


def _picker(places: Sequence[int]) -> Any:
    return itemgetter(*places) if len(places) > 1 else lambda row: tuple(row[place] for place in places)


@dataclass(frozen=True)
class _Known:
    """A plugin as the keys of a trial know it: its name however it was asked for, and the digest of its code."""

    name: str
    source: str
    cls: type


@dataclass(frozen=True)
class _Meant:
    """A method or a target with its options; ``said`` is both in a key. Of a method, whether seed and precision matter, and
    whether its maps depend on the rest of a batch."""

    use: Use
    known: _Known
    said: str
    drawn: bool = True
    rescored: bool = True
    coupled: bool = False


class _Plugins:
    """The plugins of a sweep, each looked at once.

    Args:
        batch: photographs that go through the model together.
    """

    def __init__(self, registry: Registry, base: Path, batch: int) -> None:
        self.registry = registry
        self.batch = batch
        self._base = base
        self._engine = digests.engine()
        self.known, self.sources = cache(self._known), cache(self._sources)

    def method(self, use: Use | None) -> _Meant | None:
        """A method; where it does not say that seed or precision are nothing to it, they are something."""
        if use is None:
            return None
        known = self.known("method", use.use)
        needs = needs_of(known.cls)
        rescored = needs is None or needs.reruns or needs.replays
        traits = traits_of(known.cls)
        drawn = traits is None or "deterministic" not in traits
        coupled = traits is not None and "per_sample" not in traits
        return _Meant(use, known, said(known.name, use.options), drawn, rescored, coupled)

    def target(self, use: Use) -> _Meant:
        """A target."""
        known = self.known("target", use.use)
        return _Meant(use, known, said(known.name, use.options))

    def _known(self, kind: str, use: str) -> _Known:
        found = self.registry.find(kind, use, self._base)
        return _Known(digests.identity(found), digests.plugin(found), found.cls)

    def _sources(self, method: _Known, target: _Known) -> str:
        """The digest of all code that raw maps depend on."""
        return digests.short(f"{method.source} {target.source} {self._engine}")


class _Label:
    """The trials of one label. A trial is known by the numbers of its parts, and so are its keys."""

    def __init__(self, label: str, read: Read, plugins: _Plugins) -> None:
        own, general = read.methods[label], read.general
        self._label, self._plugins, self._stated = label, plugins, own["finish"].values
        self._columns = [own[part] for part in ("method", "layers", "target", "finish", "aggregation")]
        self._columns += [general["seed"], general["precision"]]
        self._methods = [plugins.method(use) for use in own["method"].values]
        self._targets = [plugins.target(use) for use in own["target"].values]
        self._layers, self._aggregations, self._seeds, self._precisions = (
            self._columns[at].values for at in (1, 4, 5, 6)
        )
        self._shown = [canonical(layers) for layers in self._layers]
        self._sources, self._finish = cache(self._code), cache(self._finished)
        self._question, self._evidence, self._id = cache(self._asked), cache(self._seen), cache(self._named)

    def trials(self) -> list[Trial | None]:
        """By point; None where it does not have the label."""
        rows = list(zip(*(column.numbers for column in self._columns), strict=True))
        made = {row: self._trial(*row) for row in dict.fromkeys(rows)}
        return list(map(made.__getitem__, rows))

    def _trial(
        self, method: int, layers: int, target: int, finish: int, aggregation: int, seed: int, precision: int
    ) -> Trial | None:
        meant, aim = self._methods[method], self._targets[target]
        if meant is None:
            return None
        # noise is drawn, and augmented passes are not run again in another precision
        drawn = meant.drawn or bool(self._aggregations[aggregation].augment.noise)
        trial = Trial(
            self._label,
            meant.use.use,
            meant.use.options,
            self._layers[layers],
            aim.use,
            self._precisions[precision],
            self._seeds[seed],
            self._finish(finish)[0],
            self._sources(method, target),
            meant.known.name,
            aim.known.name,
            drawn,
            meant.rescored,
            self._aggregations[aggregation],
            self._plugins.batch if meant.coupled else None,
        )
        # it would find its keys by itself, but not a hundred thousand times in a second
        cast = precision if meant.rescored else None
        question = self._question(method, target, seed if drawn else None, cast, aggregation, trial.batch)
        evidence = self._evidence(question, layers)
        object.__setattr__(trial, "question", question)
        object.__setattr__(trial, "evidence", evidence)
        object.__setattr__(trial, "id", self._id(evidence, finish))
        return trial

    def _code(self, method: int, target: int) -> str:
        meant = self._methods[method]
        assert meant is not None
        return self._plugins.sources(meant.known, self._targets[target].known)

    def _finished(self, finish: int) -> tuple[FinishConfig, str]:
        """An effective finish, and what it is in a key."""
        stated: StatedFinish = self._stated[finish]
        paper = paper_of(self._plugins.known("method", stated.use).cls)
        found = effective_finish(paper, stated.general, stated.own, self._plugins.registry)
        return found, said("", found.plain())

    def _asked(
        self, method: int, target: int, seed: int | None, precision: int | None, aggregation: int, batch: int | None
    ) -> str:
        meant, aim = self._methods[method], self._targets[target]
        assert meant is not None
        return question_of(
            meant.said,
            aim.said,
            self._sources(method, target),
            None if seed is None else self._seeds[seed],
            None if precision is None else self._precisions[precision],
            self._aggregations[aggregation],
            batch,
        )

    def _seen(self, question: str, layers: int) -> str:
        return evidence_of(question, self._shown[layers])

    def _named(self, evidence: str, finish: int) -> str:
        return id_of(evidence, self._finish(finish)[1])
