"""One forward of a model: the call, what layers return beside it, and the output that targets score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import nn

from xaikit.evidence.hooks import hooked
from xaikit.evidence.taps import resolve
from xaikit.passes.buffers import count_forward
from xaikit.passes.modes import Mode
from xaikit.passes.modules import module_at
from xaikit.passes.nests import in_order, tensors_in
from xaikit.passes.outputs import AUTO as AUTO
from xaikit.passes.outputs import part_of


@dataclass(frozen=True)
class OutputPart:
    """A part of what a model returned that some targets are scored on, whatever the others are."""

    choice: str | int


@dataclass(frozen=True)
class WithLayers:
    """What a model returned, and what some of its layers did, or other parts of the output are: for targets of these."""

    output: Any
    layers: Mapping[str | OutputPart, Any]


@dataclass(frozen=True)
class Readout:
    """What targets score of a forward.

    output  the part of the model's output, see :func:`select`
    layers  whose outputs are read beside it, for targets that are units of a layer
    mode    that the modules run in
    parts   of the output that are read beside it
    """

    output: str | int = AUTO
    layers: tuple[str, ...] = ()
    mode: Mode = "eval"
    parts: tuple[OutputPart, ...] = ()

    def run(self, model: nn.Module, inputs: Any) -> Any:
        """One forward: the selected output, as a :class:`WithLayers` where layers are read."""
        return select(call(model, inputs, self.layers), self)


WHOLE = Readout()
"""Of targets that no layer plays a part in: the output that ``auto`` takes."""


def call(model: nn.Module, inputs: Any, layers: Iterable[str] = ()) -> Any:
    """The model on a tensor, a tuple of positional inputs or a mapping of named ones.

    Returns:
        What the model returns; with layers, a :class:`WithLayers` of it.
    """
    modules = {name: _module(model, name) for name in layers}
    outputs: dict[str | OutputPart, Any] = {}

    def read(name: str, module: nn.Module, args: Any, output: Any) -> None:
        for _, tensor in islice(tensors_in(output), 1):
            outputs[name] = tensor.clone()  # what comes may change it in place

    with hooked(modules.items(), read):
        returned = _call(model, inputs)
    count_forward(model)
    return WithLayers(returned, outputs) if modules else returned


def _module(model: nn.Module, name: str) -> nn.Module:
    try:
        return module_at(model, name)
    except AttributeError:
        resolve(model, name)  # raises, with the nearest names
        raise


def _call(model: nn.Module, inputs: Any) -> Any:
    inputs = in_order(inputs)
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def select(output: Any, readout: Readout) -> Any:
    """The chosen part of what a model returned, see :func:`xaikit.passes.outputs.part_of`; beside it, what layers did."""
    returned, layers = (output.output, output.layers) if isinstance(output, WithLayers) else (output, {})
    parts: dict[str | OutputPart, Any] = {part: part_of(returned, part.choice) for part in readout.parts}
    beside = {**layers, **parts}
    chosen = part_of(returned, readout.output)
    return WithLayers(chosen, beside) if beside else chosen
