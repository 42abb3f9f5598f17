"""What a run is told: YAML, overrides and defaults to one frozen, typed :class:`Config`.

OmegaConf merges and interpolates; it stops at the first error, knows no line and accepts misspelt keys inside lists, so what
it gives is plain data again and is checked here, all faults at once. Its objects never leave this package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xaikit.config.interpolation import resolve
from xaikit.config.layering import Layer, layer_of
from xaikit.config.marks import ARGUMENT, Fault, Ledger, Mark, key_of, leaves, raise_faults
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
    ReportConfig,
    TransformConfig,
    Use,
)
from xaikit.config.shorthand import settle
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
    "ReportConfig",
    "TransformConfig",
    "Use",
    "instantiate",
    "load",
    "read_finish",
    "read_methods",
    "read_target",
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
    layer = override(layer, overrides, faults)
    ledger = Ledger(layer.marks, faults)
    said = settle((), resolve(layer, ledger), ledger)
    found = read_config(Reader(registry or Registry(), base, ledger), {"name": name, **said})
    ledger.close()
    config = Config(**found, base=str(base))
    return _with_origins(config, ledger)


def _layer(source: Any, faults: list[Fault]) -> tuple[Layer, Path, str]:
    """What the source says, the folder that files are relative to, and the name of a run that is not given one."""
    if isinstance(source, Config):
        return layer_of(source.plain(), {(): ARGUMENT}, faults), Path(source.base), source.name
    if isinstance(source, Mapping):
        return extend(dict(source), {(): ARGUMENT}, "", faults), Path(), "run"
    file = os.fspath(source)
    if not os.path.isfile(file):
        faults.append(Fault(Mark("config"), (), missing(file)))
        raise_faults(faults)
    return read_file(file, faults), Path(file).parent, Path(file).stem


def _with_origins(config: Config, ledger: Ledger) -> Config:
    origins = {key_of(path): str(_origin(path, ledger)) for path in leaves(config.plain())}
    return Config(**{**vars(config), "origins": origins})


def _origin(path: tuple[str | int, ...], ledger: Ledger) -> Mark:
    """Where a value was written, also where it was written as part of a shorthand."""
    while path and path not in ledger.marks:
        path = path[:-1]
        if path in ledger.marks and ledger.marks[path].text == "":
            return Mark("default")
    return ledger.marks.get(path, Mark("default")) if path else Mark("default")


def read_methods(value: Any, registry: Registry, base: Path | None = None) -> dict[str, MethodConfig]:
    """Methods as a config would say them: a name, a list of names, or a mapping by label. Raises ConfigError."""
    ledger = _ledger()
    settled = settle(("methods",), value, ledger) if value else {}
    found = _read_methods(Reader(registry, base, ledger), ("methods",), settled) if settled else {}
    ledger.close()
    return found


def read_target(value: Any, registry: Registry) -> Use:
    """A target as a config would say it. Raises ConfigError."""
    ledger = _ledger()
    settled = _settled(("target",), value, ledger)
    use = Reader(registry, None, ledger).use("target", ("target",), settled)
    ledger.close()
    assert use is not None
    return use


def read_finish(value: Mapping[str, Any], registry: Registry) -> dict[str, Use]:
    """The stages of a finish as a config would say them. Raises ConfigError."""
    ledger = _ledger()
    settled = _settled(("finish",), dict(value), ledger)
    found = _read_finish(Reader(registry, None, ledger), ("finish",), settled)
    ledger.close()
    return found


def _ledger() -> Ledger:
    return Ledger({(): ARGUMENT}, [])


def _settled(path: tuple[str, ...], value: Any, ledger: Ledger) -> dict[str, Any]:
    """Through the whole, so that what a shorthand refuses is noted at its key."""
    settled = settle((), {path[0]: value}, ledger)
    ledger.close()
    found: dict[str, Any] = settled[path[0]]
    return found
