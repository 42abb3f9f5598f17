"""The maps of a run folder: raw as they are kept, and finished as their trials say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from xaikit.config import FinishConfig, read_finish
from xaikit.finish import Finish, build_finish, finish_maps
from xaikit.registry import Registry
from xaikit.store import Store
from xaikit.store.trials import StoredTrial


class StoredMaps:
    """Reads and finishes the maps of a store.

    Args:
        base: the folder that finishers of a file (``./mine.py:Mine``) are relative to; the working directory by default.
    """

    def __init__(self, store: Store, base: Path | None = None) -> None:
        self._store, self._base = store, base
        self._registry = Registry()
        self._finishes: dict[str, Finish] = {}

    def raw(self, trial: StoredTrial, row: Mapping[str, Any]) -> dict[str, Tensor]:
        """The raw maps (T, *S) by layer that a row points to."""
        stored = self._store.maps(row["file"], trial.maps, row["row"])
        return {layer: stored[key] for layer, key in zip(trial.layers, trial.maps, strict=True)}

    def fused(self, trial: StoredTrial, raws: Mapping[str, Tensor]) -> Tensor | None:
        """Raw maps (T, *S) by layer, finished and fused as a trial says; None where its finish does not fuse.

        Raises:
            ConfigError: a finisher of the trial cannot be had any more.
        """
        strides = dict(zip(trial.layers, trial.strides, strict=True))
        one = {layer: raw.unsqueeze(0) for layer, raw in raws.items()}
        fused = finish_maps(self._finish(trial), one, strides, trial.space)[1]
        return None if fused is None else fused[0]

    def _finish(self, trial: StoredTrial) -> Finish:
        """Built once for all trials whose words are the same."""
        stages = repr(trial.finish)
        if stages not in self._finishes:
            config = FinishConfig(**read_finish(trial.finish, self._registry, self._base))
            self._finishes[stages] = build_finish(config, self._registry, self._base)
        return self._finishes[stages]
