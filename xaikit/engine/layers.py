"""Layers, as a notebook or a config names them, to the taps of a method."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from torch import nn

from xaikit.auto import auto
from xaikit.auto.memory import remembered
from xaikit.engine.requests import Batch, equal
from xaikit.errors import PluginContract
from xaikit.evidence.taps import AUTO, LayerSpec, Tap, resolve, whole
from xaikit.layouts import Arrangement
from xaikit.method import Method
from xaikit.needs import Needs
from xaikit.passes.modes import Mode
from xaikit.plain.faults import shown
from xaikit.targets import Target


class LayerResolver:
    """Finds taps on one model.

    Args:
        batch: what ``auto`` looks at, once a target.
        output: the part of the model's output that targets score.
        arrangement: how the tensors at the layers are arranged, where somebody says it.
        mode: that the modules run in.
    """

    def __init__(
        self,
        model: nn.Module,
        batch: Batch,
        output: str | int,
        arrangement: Arrangement | None,
        mode: Mode = "eval",
    ) -> None:
        self._model = model
        self._batch = batch
        self._output = output
        self._mode = mode
        self._arrangement = arrangement
        # targets need not be hashable
        self._auto: list[tuple[Target, tuple[Tap, ...]]] = []

    def taps(self, method: Method, layers: Iterable[LayerSpec], target: Target) -> tuple[Tap, ...]:
        """Those of the layers; the one of a method that looks at all layers or at none, whatever is named.

        Raises:
            LayerNotFound: the model has no such layer, or ``auto`` found none.
            TapError, Disconnected, ConfigError: ``auto`` cannot look at the batch.
            PluginContract: what the method declares as its needs is something else.
        """
        needs: object = method.needs
        if not isinstance(needs, Needs):
            raise PluginContract(f"{type(method).__name__}.needs: expected Needs(...), got {shown(needs)}")
        single = whole(needs, self._arrangement)
        if single is not None:
            return (single,)
        taps = [tap for layer in layers for tap in self._taps_of(layer, target)]
        if self._arrangement is not None:
            taps = [tap if tap.layout is not None else replace(tap, layout=self._arrangement) for tap in taps]
        return tuple(dict.fromkeys(taps))

    def _taps_of(self, layer: LayerSpec, target: Target) -> tuple[Tap, ...] | list[Tap]:
        if layer != AUTO:
            return resolve(self._model, layer)
        for other, taps in self._auto:
            if equal(other, target):
                return taps
        taps = remembered(
            self._model,
            self._batch.inputs,
            target,
            self._batch.labels,
            (self._output, repr(self._batch.input_layout)),
            self._mode,
            lambda: self._find(target),
        )
        self._auto.append((target, taps))
        return taps

    def _find(self, target: Target) -> tuple[Tap, ...]:
        batch = self._batch
        return auto.of(
            self._model, batch.inputs, target, batch.labels, self._output, self._mode, input_layout=batch.input_layout
        )
