"""Whether tensors that many share were changed in place."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.passes.nests import tensors_in

_SAMPLED = 1024


class Seal:
    """Of tensors by name. Torch counts changes of its own; those behind its back, as by way of ``numpy()``, are looked for in
    a sample of the values that lie on the CPU."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._sealed = {name: (tensor, _version(tensor), _sample(tensor)) for name, tensor in tensors.items()}

    def broken(self) -> list[str]:
        """The names of those that were changed since."""
        return [name for name, sealed in self._sealed.items() if _is_changed(*sealed)]


def shared_tensors(trace: Trace, tap: Tap, inputs: bool) -> dict[str, Tensor]:
    """What all methods look at and none may change, by the name that a view of a tap has for it.

    Args:
        inputs: whether the view shows them.
    """
    tensors = {f"activations of {tap}": trace.activations[tap]}
    if inputs:
        tensors |= {f"inputs {path}".removesuffix(" ()"): tensor for path, tensor in tensors_in(trace.inputs)}
    if tap in trace.gradients:
        tensors[f"gradients of {tap}"] = trace.gradients[tap]
    for name, evidence in (("attention", trace.attention), ("biases", trace.biases)):
        tensors |= {
            f"{name} {place}: {key}": tensor
            for place, one in enumerate(evidence)
            for key, tensor in vars(one).items()
            if isinstance(tensor, Tensor)
        }
    return tensors


def _is_changed(tensor: Tensor, version: int | None, sample: Tensor | None) -> bool:
    if version != _version(tensor):
        return True
    now = _sample(tensor)
    return sample is not None and now is not None and not torch.equal(sample, now)


def _version(tensor: Tensor) -> int | None:
    return None if tensor.is_inference() else tensor._version


def _sample(tensor: Tensor) -> Tensor | None:
    if tensor.device.type != "cpu" or not tensor.dim():
        return None
    step = max(1, int((tensor.numel() / _SAMPLED) ** (1 / tensor.dim())))
    sample = tensor.detach()[(slice(None, None, step),) * tensor.dim()].clone(memory_format=torch.contiguous_format)
    return sample.view(torch.uint8)  # its bits, in which NaN equals itself
