"""An explained model as a program of torch, for any number of samples where the model leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from xaikit import engine
from xaikit.engine import Batch
from xaikit.errors import ConfigError, XaikitError
from xaikit.exports.forward import LOGITS, ExplainedForward, traced
from xaikit.exports.operators import Rules
from xaikit.passes.nests import mapped, tensors_in

SAMPLES = 5
"""A program is traced with as many, and then open for any number."""

TRIED = 3
"""And tried on as many."""


def named(inputs: Any) -> dict[str, Tensor]:
    """Every tensor of the inputs by a name: its key, or "input" with its place."""
    return {
        "_".join(str(step) for step in (path if path and isinstance(path[0], str) else ("input", *path))): tensor
        for path, tensor in tensors_in(inputs)
    }


def several(batch: Batch, count: int) -> Batch:
    """The first sample, and the same shifted."""

    def repeated(tensor: Tensor) -> Tensor:
        shifted = [tensor[:1].roll(step, -1) if tensor.is_floating_point() else tensor[:1] for step in range(count)]
        return torch.cat(shifted)

    return Batch(mapped(repeated, batch.inputs), tuple(map(str, range(count))), None, batch.input_layout)


def program_of(explained: ExplainedForward, batch: Batch, rules: Rules) -> tuple[ExportedProgram, Batch, int | None]:
    """The program, a batch that it takes, and how many samples it takes: None for any number.

    Args:
        rules: operations that are to be written by others.

    Raises:
        ConfigError: a method or the model decides by values what to compute, or torch has no way to write an operation.
    """
    if not batch.shared:
        try:
            program = _exported(explained, several(batch, SAMPLES).inputs, rules, open_batch=True)
            return program, several(batch, TRIED), None
        except XaikitError:
            raise
        except Exception:  # the number of samples is part of the model's code; torch raises nearly anything
            pass
    try:
        return _exported(explained, batch.inputs, rules, open_batch=False), batch, len(batch.ids)
    except XaikitError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            f"export: expected a forward that does not depend on the values in it, got {type(error).__name__}: {reason[0]}"
        ) from error


def _exported(explained: ExplainedForward, inputs: Any, rules: Rules, open_batch: bool) -> ExportedProgram:
    tensors = tuple(tensor for _, tensor in tensors_in(inputs))
    shapes = ({0: Dim("batch")},) * len(tensors) if open_batch else None
    return torch.export.export(traced(explained, inputs, rules, open_batch), tensors, dynamic_shapes=shapes)


def by_engine(explained: ExplainedForward, batch: Batch) -> Mapping[str, Tensor]:
    """What a program has to say: by the engine itself."""
    readout = explained.readout
    trace, explanations = engine.explain(
        explained.model, batch, list(explained.requests.values()), output=readout.output, mode=readout.mode
    )
    maps = {
        name: saliency
        for label, each in explanations.items()
        for name, saliency in (
            {label: each.map}
            if each.map is not None
            else {f"{label}.{layer}": one for layer, one in each.finished.items()}
        ).items()
    }
    return {LOGITS: trace.output, **maps}
