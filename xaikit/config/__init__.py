"""What a run is told: YAML, overrides and defaults to one frozen, typed :class:`Config`.

OmegaConf merges and interpolates; it stops at the first error, knows no line and accepts misspelt keys inside lists, so what
it gives is plain data again and is checked here, all faults at once. Its objects never leave this package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xaikit.config.files import extend, missing, read_file
from xaikit.config.interpolation import environmental, resolve
from xaikit.config.layers import Layer, inherit, layer_of, merge
from xaikit.config.loaded import Loaded, layer_behind, points_behind
from xaikit.config.overrides import listed, override, with_axes
from xaikit.config.sweep.blame import note_faults
from xaikit.config.sweep.grid import Grid, grid_of
from xaikit.config.sweep.points import PointReader, Points
from xaikit.config.sweep.section import check_count, read_sweep
from xaikit.plain.faults import ARGUMENT, DEFAULT, Faults, Mark, at, key_of, leaves, path_of
from xaikit.registry import Registry
from xaikit.schema.plugins import Reader
from xaikit.schema.reading import read_config
from xaikit.schema.sections import Config, SweepConfig, defaults
from xaikit.schema.shorthand import settle


def load(
    source: str | os.PathLike[str] | Mapping[str, Any] | Config,
    overrides: Sequence[str] = (),
    registry: Registry | None = None,
    axes: Sequence[str] = (),
    base: Path | None = None,
) -> Config:
    """Read a configuration.

    Args:
        source: a YAML file, a mapping as YAML would say it, or a Config.
        overrides: ``key.of.it=value``, values as YAML, or ``~key.of.it`` to drop one.
        axes: ``key.of.it=value,value`` or ``key.of.it=0..4``, in place of the same axis of ``sweep``; see :func:`split_axes`.
        base: the folder that files are relative to that a mapping names; the working directory by default.

    Raises:
        ConfigError: every fault, each as ``file:line:column: full.key: what is wrong``.
        PluginConflict: the only fault is that two distributions offer a name that is used.

    >>> sources = {"model": {"source": "samples"}, "data": {"source": "samples"}}
    >>> config = load({**sources, "methods": "gradcam"}, ["target=281"], axes=["seed=0..2"])
    >>> config.target, config.sweep.axes
    (Use(use='logit', options={'index': 281}), {'seed': (0, 1, 2)})
    >>> config.origins["target.index"], config.origins["seed"]
    ("override 'target=281'", 'default')
    """
    if isinstance(source, Config) and not overrides and not axes and points_behind(source):
        return source
    overrides, axes, faults = listed(overrides), listed(axes), Faults()
    below, default_base, name = _layer(source, faults)
    base = base or default_base
    if any(fault.path in ((), ("extends",)) for fault in faults.items):
        faults.close()  # what a file that cannot be read would have said is not missing
    layer = override(merge(layer_of(defaults(name), {(): DEFAULT}, faults), below, faults), overrides, faults)
    layer = with_axes(layer, axes, faults)
    faults = faults.of(dict(layer.marks))
    fixed = replace(layer, plain={key: value for key, value in layer.plain.items() if key != "sweep"})
    values = inherit(settle((), resolve(fixed, faults), faults), faults)
    reader = Reader(registry or Registry(), base, faults)
    fields = read_config(reader, values)
    stated = layer.plain.get("sweep", {})
    sweep, points = _read_points(stated, fixed, reader, overrides)
    faults.close()
    config = Config(**fields, sweep=sweep, base=str(base))
    origins = _origins(config, {**values, "sweep": stated}, faults)
    config = replace(config, origins=origins, environment=environmental(fixed.plain))
    return replace(config, loaded=Loaded(layer, config, points))


def read_points(config: Config, registry: Registry) -> Iterator[tuple[dict[str, Any], Config]]:
    """Every point of a config, one without a sweep: the value of every key that varies, and the config there.

    Raises:
        ConfigError: the config was not given by :func:`load`, or changed since, and is wrong.
    """
    points = points_behind(config)
    if points is None:
        config = load(config, registry=registry)
        points = config.loaded.points
    return zip(points.wheres(config), points.configs(config), strict=True)


def _read_points(
    stated: Mapping[str, Any], fixed: Layer, reader: Reader, overrides: Sequence[str]
) -> tuple[SweepConfig, Points]:
    """The sweep and its points, with what is wrong with them."""
    faults, before = reader.faults, list(reader.faults.items)
    stated = stated if check_count(stated, faults) else {}
    sweep = read_sweep(stated, faults)
    grid = grid_of(sweep)
    if not grid.points:
        faults.add(("sweep", "exclude"), "leaves no point")
    _silenced(sweep, grid, faults, overrides)
    # what a faulty entry excludes or ties is not known, so that a combination may be one that nobody wants
    together = not any(faults.is_faulty(("sweep", word)) for word in ("exclude", "zip"))
    points_reader = PointReader(fixed, grid, reader.registry, reader.base or Path(), before)
    points = points_reader.points()
    for column in points.columns.values():
        note_faults(column, points_reader, faults, together=together)
    return sweep, points


def _silenced(sweep: SweepConfig, grid: Grid, faults: Faults, overrides: Sequence[str]) -> None:
    """Note overrides of keys that vary anyhow: they would say nothing. An included point may leave them to the config."""
    given = {f"override {text!r}" for text in overrides}
    for key, places in () if sweep.include else zip(grid.keys, grid.places, strict=True):
        path, axis = path_of(key) or (), places[0][:-1]
        if str(faults.marks.get(path)) in given and not str(faults.mark(axis)).startswith("axis "):
            reason = f"varies by {key_of(axis)}, so that this says nothing"
            drop = "sweep.zip" if axis[1] == "zip" else key_of(axis)
            faults.add(path, f"{reason}; write {key_of(axis)}=[...], or ~{drop}")


def _layer(source: Any, faults: Faults) -> tuple[Layer, Path, str]:
    """What the source says, the folder that files are relative to, and the name of a run that is not given one."""
    if isinstance(source, Config):
        return layer_behind(source, faults), Path(source.base), source.name
    if isinstance(source, Mapping):
        return extend(dict(source), {(): ARGUMENT}, "", faults), Path(), "run"
    if not isinstance(source, (str, os.PathLike)):
        faults.add((), f"expected a YAML file, a mapping or a Config, got {type(source).__name__}", mark=Mark("config"))
        faults.close()
    file = os.fspath(source)
    if not os.path.isfile(file):
        faults.add((), missing(file), mark=Mark("config"))
        faults.close()
    return read_file(file, faults), Path(file).parent, Path(file).stem


def _origins(config: Config, values: Mapping[str, Any], faults: Faults) -> dict[str, str]:
    """Where each value of a config was written; what nobody stated is a default."""
    plain = config.plain()
    marks = {path: faults.mark(path) if _is_stated(path, values, plain) else DEFAULT for path in leaves(plain)}
    return {key_of(path): str(mark) for path, mark in marks.items()}


def _is_stated(path: tuple[str | int, ...], values: Mapping[str, Any], plain: Mapping[str, Any]) -> bool:
    """Whether somebody wrote the value at a path, or a word there that means it: the name of a class is its target's option."""
    use = (*path[:-1], "use")
    return at(values, path, DEFAULT) is not DEFAULT or at(values, use, at(plain, use)) != at(plain, use)
