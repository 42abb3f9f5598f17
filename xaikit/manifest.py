"""What a run writes down about itself."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from xaikit import __version__, allocator
from xaikit.bench import Bench
from xaikit.config import STAGES, Config
from xaikit.observe import Tally
from xaikit.registry import KINDS, Registry
from xaikit.store import Store
from xaikit.sweep import Trial

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "omegaconf", "pydantic", "pluggy", "safetensors")


def fingerprint(config: Config) -> str:
    """The digest of what the maps depend on: neither names, folders, workers nor batch size."""
    plain = config.plain()
    kept = {key: plain[key] for key in ("seed", "precision", "model", "target", "layers", "methods", "finish")}
    kept["data"] = {key: value for key, value in plain["data"].items() if key not in ("batch_size", "workers")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def manifest_of(bench: Bench, store: Store, tally: Tally, seconds: Mapping[str, float]) -> dict[str, Any]:
    """The manifest of a run; counts and timings are summed over its sittings."""
    before = store.manifest()
    records = store.records()
    return {
        "config": bench.config.plain(),
        "origins": dict(bench.config.origins),
        "trials": {trial.label: _trial(bench, place) for place, trial in enumerate(bench.trials)},
        "photographs": [photograph.name for photograph in bench.photographs],
        "seed": bench.config.seed,
        "device": str(bench.device),
        "allocator": allocator.describe(),
        "model": {"origin": bench.opened.origin, "weights": bench.weights},
        "transform": repr(bench.transform),
        "plugins": _plugins(bench),
        "versions": _versions(),
        "counts": {
            "photographs": len(bench.photographs),
            "explained": len({record.stem for record in records}),
            "failed": len(store.failures()),
            **_summed(before.get("counts", {}), vars(tally)),
        },
        "seconds": _summed(before.get("seconds", {}), seconds) or before.get("seconds", {}),
        "warnings": [f"{record.name}, {record.label}: {text}" for record in records for text in record.warnings],
    }


def _summed(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    return {key: round(before.get(key, 0) + value, 3) for key, value in now.items()}


def _trial(bench: Bench, place: int) -> dict[str, Any]:
    trial: Trial = bench.trials[place]
    return {
        "use": trial.use,
        "options": dict(trial.options),
        "layers": [str(tap) for tap in bench.requests[place].taps],
        "target": trial.target.plain(),
        "finish": trial.finish.plain(),
        "key": trial.key(),
    }


def _plugins(bench: Bench) -> dict[str, dict[str, str]]:
    """Every plugin that took part, by group and name: its distribution, version and module."""
    registry, base = Registry(), Path(bench.config.base)
    used = {("model", bench.config.model.source.use), ("data", bench.config.data.source.use)}
    for trial in bench.trials:
        used |= {("method", trial.use), ("target", trial.target.use)}
        used |= {(STAGES[stage], use.use) for stage, use in trial.finish.stages().items() if use.use != "none"}
    found = {}
    for kind, use in sorted(used):
        plugin = registry.find(kind, use, base)
        origin = {"distribution": plugin.distribution, "version": plugin.version, "module": plugin.module}
        found[f"{KINDS[kind].group}:{use}"] = origin
    return found


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "xaikit": __version__}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
