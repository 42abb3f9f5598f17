"""Of several inputs, the one that each tap is a map of: the first that it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xaikit._numeric import nodes_behind
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import call
from xaikit.evidence.hooks import Cut, hooked
from xaikit.evidence.taps import Tap
from xaikit.passes.modes import Mode
from xaikit.passes.modules import module_at
from xaikit.passes.nests import Path, copied, replaced, sample_paths, signature, tensor_at, tensors_in
from xaikit.passes.weights import on_usable_weights

_paths: WeakKeyDictionary[nn.Module, dict[Any, Path]] = WeakKeyDictionary()


def origins(model: nn.Module, inputs: Any, taps: Sequence[Tap], mode: Mode) -> dict[Tap, Path]:
    """The ways to the inputs of taps that do not depend on the first input, but on another one with a row a sample.

    One more forward, made once for a model, its taps and shapes, where there are several inputs of floating-point numbers
    that may be meant.
    """
    first, *others = sample_paths(inputs)
    floating = [path for path in others if _may_have_maps(tensor_at(inputs, path))]
    taps = [tap for tap in taps if tap.is_hooked and not tap.is_given]
    if not floating or not taps:
        return {}
    remembered = _paths.setdefault(model, {})
    keys = {tap: (tap.name, tap.index, tap.call, mode, signature(inputs)) for tap in taps}
    if missing := [tap for tap in taps if keys[tap] not in remembered]:
        with undisturbed(model, mode):
            reached = on_usable_weights(model, lambda: _reached(model, inputs, missing, [first, *floating]))
        remembered |= {keys[tap]: next(iter(reached.get(tap, ())), first) for tap in missing}
    return {tap: remembered[keys[tap]] for tap in taps if remembered[keys[tap]] != first}


def _may_have_maps(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.dim() > 2


def _reached(model: nn.Module, inputs: Any, taps: Iterable[Tap], paths: Sequence[Path]) -> dict[Tap, list[Path]]:
    """Of every tap the inputs that it depends on, in order."""
    reached: dict[Tap, list[Path]] = {}
    leaves, inputs = {}, copied(inputs)
    with torch.enable_grad():
        for path in paths:
            if (tensor := tensor_at(inputs, path)).is_floating_point():
                leaves[path] = tensor.requires_grad_()
                inputs = replaced(inputs, path, tensor.clone())  # which the model may change in place
    cut = Cut(differentiate=True)

    def enter(tap: Tap, module: nn.Module, args: Any) -> None:
        cut.leave_inference_mode()

    def leave(tap: Tap, module: nn.Module, args: Any, output: Any) -> None:
        if tap.call != "first" or tap not in reached:
            inside = [tensor for path, tensor in tensors_in(output) if path[: len(tap.index)] == tap.index]
            ends = [getattr(node, "variable", None) for tensor in inside for node in nodes_behind(tensor.grad_fn)]
            reached[tap] = [path for path, leaf in leaves.items() if any(end is leaf for end in ends)]

    with cut.modes(True), hooked([(tap, module_at(model, tap.name)) for tap in taps], leave, enter):
        call(model, inputs)
    return reached
