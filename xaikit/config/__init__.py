"""What a run is told: YAML, overrides and defaults to one frozen, typed :class:`Config`.

OmegaConf merges and interpolates; it stops at the first error, knows no line and accepts misspelt keys inside lists, so what
it gives is plain data again and is checked here, all faults at once. Its objects never leave this package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xaikit.config.inheriting import inherit
from xaikit.config.interpolation import resolve
from xaikit.config.layering import Layer, layer_of, merge
from xaikit.config.marks import ARGUMENT, DEFAULT, Fault, Ledger, Mark, at, key_of, leaves, raise_faults
from xaikit.config.migration import migrate
from xaikit.config.overrides import override
from xaikit.config.reader import Reader, instantiate
from xaikit.config.reading import extend, missing, read_file
from xaikit.config.schema import (
    STAGES,
    Config,
    DataConfig,
    FinishConfig,
    MethodConfig,
    ModelConfig,
    Precision,
    ReportConfig,
    TransformConfig,
    Use,
    defaults,
)
from xaikit.config.shorthand import settle, spelled
from xaikit.config.validation import read_config
from xaikit.config.validation import read_finish as _read_finish
from xaikit.config.validation import read_methods as _read_methods
from xaikit.registry import Registry

__all__ = [
    "STAGES",
    "Config",
    "DataConfig",
    "FinishConfig",
    "MethodConfig",
    "ModelConfig",
    "Precision",
    "ReportConfig",
    "TransformConfig",
    "Use",
    "instantiate",
    "load",
    "read_finish",
    "read_methods",
    "read_target",
    "spelled",
]


def load(
    source: str | os.PathLike[str] | Mapping[str, Any] | Config,
    overrides: Sequence[str] = (),
    registry: Registry | None = None,
) -> Config:
    """Read a configuration.

    Args:
        source: a YAML file, a mapping as YAML would say it, or a Config.
        overrides: ``key.of.it=value``, values as YAML, or ``~key.of.it`` to drop one.

    Raises:
        ConfigError: every fault, each as ``file:line:column: full.key: what is wrong``.
        PluginConflict: the only fault is that two distributions offer a name that is used.

    >>> sources = {"model": {"source": "samples"}, "data": {"source": "samples"}}
    >>> config = load({**sources, "methods": "gradcam"}, ["target=281"])
    >>> config.target
    Use(use='logit', options={'index': 281})
    >>> config.origins["target.index"], config.origins["seed"]
    ("override 'target=281'", 'default')
    """
    faults: list[Fault] = []
    layer, base, name = _layer(source, faults)
    if any(fault.path in ((), ("extends",)) for fault in faults):
        raise_faults(faults)  # what a file that cannot be read would have said is not missing
    below = layer_of(defaults(name), {(): DEFAULT}, faults)
    layer = override(merge(below, layer, faults), overrides, faults)
    ledger = Ledger(layer.marks, faults)
    said = migrate(inherit(settle((), resolve(layer, ledger), ledger), ledger))
    found = read_config(Reader(registry or Registry(), base, ledger), said)
    ledger.close()
    return _with_origins(Config(**found, base=str(base)), said, ledger)


def _layer(source: Any, faults: list[Fault]) -> tuple[Layer, Path, str]:
    """What the source says, the folder that files are relative to, and the name of a run that is not given one."""
    if isinstance(source, Config):
        return layer_of(source.plain(), _marks(source), faults), Path(source.base), source.name
    if isinstance(source, Mapping):
        return extend(dict(source), {(): ARGUMENT}, "", faults), Path(), "run"
    file = os.fspath(source)
    if not os.path.isfile(file):
        faults.append(Fault(Mark("config"), (), missing(file)))
        raise_faults(faults)
    return read_file(file, faults), Path(file).parent, Path(file).stem


def _marks(config: Config) -> dict[tuple[str | int, ...], Mark]:
    """Where the values of a Config came from, as far as it knows."""
    known = {path: Mark(config.origins.get(key_of(path), str(ARGUMENT))) for path in leaves(config.plain())}
    return {(): ARGUMENT, **known}


def _with_origins(config: Config, said: Mapping[str, Any], ledger: Ledger) -> Config:
    origins = {key_of(path): str(_origin(path, said, ledger)) for path in leaves(config.plain())}
    return replace(config, origins=origins)


def _origin(path: tuple[str | int, ...], said: Mapping[str, Any], ledger: Ledger) -> Mark:
    """Where a value was written; what nobody said is a default."""
    try:
        at(said, path)
    except KeyError:
        return DEFAULT
    return ledger.mark(path)


def read_methods(
    value: Any, registry: Registry, base: Path | None = None, finish: Mapping[str, Any] | None = None
) -> dict[str, MethodConfig]:
    """Methods as a config would say them: a name, a list of names, or a mapping by label.

    ``finish`` is the finish that a config would say beside them; a label that uses the same plugin takes over its options.

    Raises:
        ConfigError: all that is wrong with them.
    """
    said, ledger = _said({"methods": value, "finish": finish})
    found = _read_methods(Reader(registry, base, ledger), ("methods",), inherit(said, ledger)["methods"])
    ledger.close()
    return found


def read_target(value: Any, registry: Registry, base: Path | None = None) -> Use:
    """A target as a config would say it. Raises ConfigError."""
    said, ledger = _said({"target": value})
    use = Reader(registry, base, ledger).use("target", ("target",), said["target"])
    ledger.close()
    assert use is not None
    return use


def read_finish(value: Mapping[str, Any] | None, registry: Registry, base: Path | None = None) -> dict[str, Use]:
    """The stages of a finish as a config would say them. Raises ConfigError."""
    said, ledger = _said({"finish": value})
    found = _read_finish(Reader(registry, base, ledger), ("finish",), said["finish"])
    ledger.close()
    return found


def _said(values: dict[str, Any]) -> tuple[dict[str, Any], Ledger]:
    """Values of a call in Python without their shorthand. Raises ConfigError where there is none for them."""
    ledger = Ledger({(): ARGUMENT}, [])
    said = layer_of(values, ledger.marks, ledger.faults).plain
    ledger.close()
    return said, ledger
