"""Every layer of a model that a map could be drawn on, and what ``auto`` thinks of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.auto import auto
from xaikit.errors import LayerNotFound
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import WHOLE, Readout, call
from xaikit.evidence.hooks import hooked, named
from xaikit.evidence.reading import MapReader
from xaikit.layouts import Arrangement, infer, stride
from xaikit.passes.modes import Mode
from xaikit.passes.nests import Path, copied, tensors_in


def shapes(model: nn.Module, inputs: Any, mode: Mode = "eval") -> list[tuple[str, str, tuple[int, ...]]]:
    """Name, class and the shape of the first returned tensor of every module, in the order in which they completed."""
    return [(name, kind, shape) for name, kind, _, shape in _returned(model, inputs, mode)]


def _returned(model: nn.Module, inputs: Any, mode: Mode) -> list[tuple[str, str, Path, tuple[int, ...]]]:
    """The same, with the way to that tensor."""
    rows: list[tuple[str, str, Path, tuple[int, ...]]] = []

    def note(name: str, module: nn.Module, args: Any, output: Any) -> None:
        for path, tensor in islice(tensors_in(output), 1):
            rows.append((name, type(module).__name__, path, tuple(tensor.shape)))

    with undisturbed(model, mode), torch.no_grad(), hooked(named(model), note):
        call(model, copied(inputs))
    return rows


HEADER = ("layer", "module", "returns", "grid", "stride", "")


@dataclass(frozen=True)
class Row:
    """One layer: what it returned for one sample, its grid, the input pixels a cell, and the verdict of ``auto``."""

    name: str
    kind: str
    shape: tuple[int, ...]
    grid: tuple[int, ...]
    stride: float
    verdict: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """In words, under :data:`HEADER`."""
        shape, grid = ("x".join(map(str, sides)) for sides in (self.shape, self.grid))
        return self.name, self.kind, shape, grid, f"{self.stride:g}", self.verdict


def survey(
    model: nn.Module,
    inputs: Any,
    score: Callable[[Any], Tensor],
    readout: Readout = WHOLE,
    input_layout: Arrangement | None = None,
) -> list[Row]:
    """The layers in the order in which they ran, those without a grid left out.

    Args:
        inputs: one sample.
        score: what is read of a forward to the scalar to explain, for ``auto``.
        input_layout: how the (first) input is arranged, where somebody says it.
    """
    verdicts: dict[str, str] = {}
    try:
        for candidate in auto.consider(model, inputs, score, readout, input_layout):
            name = ", ".join(map(str, candidate.taps)) if candidate.verdict == "chosen" else ""
            verdicts[candidate.name] = f"auto: {name}" if name else candidate.verdict
    except LayerNotFound as error:
        verdicts[""] = str(error)
    reader, rows = MapReader(model, inputs, input_layout), []
    for name, kind, path, shape in _returned(model, inputs, readout.mode):
        # of any number of samples: windows have a batch of their own
        layout = reader.layout(name, path, shape) if shape[:1] == (reader.rows,) else infer(shape, reader.space)
        if layout is not None:
            grid = layout.space(shape)
            rows.append(Row(name, kind, shape, grid, stride(grid, reader.space), verdicts.get(name, "")))
    return rows
