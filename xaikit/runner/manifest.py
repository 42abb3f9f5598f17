"""What a run writes down about itself."""

from __future__ import annotations

import hashlib
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from xaikit._version import __version__
from xaikit.passes import allocator
from xaikit.registry import KINDS, Plugin
from xaikit.registry.modules import source_of
from xaikit.runner.prepare import PreparedRun
from xaikit.schema.sections import STAGES
from xaikit.store.trials import StoredTrial

LIBRARIES = (
    *("torch", "torchvision", "timm", "numpy", "pillow", "omegaconf", "pydantic", "pluggy", "safetensors"),
    *("pyarrow", "duckdb", "ray"),
)


def manifest_of(run: PreparedRun) -> dict[str, Any]:
    """What a run is, whoever sits at it."""
    config, first = run.config, run.benches[0]
    return {
        "config": config.written(),
        "origins": dict(config.origins),
        "trials": {trial.name: _trial(trial) for trial in run.trials()},
        "seed": config.seed,
        "device": config.device,
        "threads": run.job.threads,
        "allocator": allocator.describe(),
        "model": {"origin": first.origin, "weights": first.weights},
        "benches": {
            bench.key: {"origin": bench.origin, "weights": bench.weights, "transform": repr(bench.loader.transform)}
            for bench in run.benches
        },
        "plugins": _plugins(run),
        "versions": _versions(),
        "counts": {"photographs": sum(len(bench.photographs) for bench in run.benches)},
    }


def _trial(trial: StoredTrial) -> dict[str, Any]:
    return {
        "id": trial.id,
        "use": trial.method,
        "options": dict(trial.options),
        "layers": list(trial.layers),
        "target": dict(trial.target),
        "finish": dict(trial.finish),
        "where": dict(trial.where),
    }


def _plugins(run: PreparedRun) -> dict[str, dict[str, str]]:
    """The lock: every plugin that took part, by group and name, with its distribution, version, module and source."""
    used = {("executor", run.config.executor.use), *(("observer", each.use) for each in run.config.observers.values())}
    for group in run.job.groups:
        used |= {("model", group.model.source.use), ("data", group.data.source.use)}
        for each in group.placed:
            used |= {("method", each.trial.use), ("target", each.trial.target.use)}
            used |= {(STAGES[stage], use.use) for stage, use in each.trial.finish.stages().items() if use.use != "none"}
    base = Path(run.config.base)
    return {f"{KINDS[kind].group}:{use}": _locked(run.registry.find(kind, use, base)) for kind, use in sorted(used)}


def _locked(plugin: Plugin) -> dict[str, str]:
    source = source_of(plugin.cls.__module__)
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "source": hashlib.sha256(source.encode()).hexdigest() if source else "",
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "xaikit": __version__}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
