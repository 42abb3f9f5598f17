"""The bias of one layer: what it adds beside its linear part, see :mod:`xaikit.evidence.biases`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from xaikit._numeric import differentiate

_ONCE = "is not implemented"
"""What torch says of a function that can be differentiated once only."""


def added(module: nn.Module, received: Tensor, output: Tensor) -> Tensor:
    """The bias of a module that made this output of what it received; in the conditions of the pass that it did so in."""
    with torch.no_grad():
        if type(module).forward is nn.Linear.forward:
            bias = module.bias
            last = bias.detach() if isinstance(bias, Tensor) else output.new_zeros(1)
            return last.reshape(*[1] * (output.dim() - 1), -1)
        if isinstance(module, _ConvNd):
            return _by_channel(module.bias, output)
        if isinstance(module, _BatchNorm) and not list(module.children()) and module.running_mean is not None:
            return _by_channel(_normalized(module), output)
        try:
            return output - _linear_part(module.forward, received)
        except RuntimeError as error:
            if _ONCE not in str(error):
                raise
            # as hardsigmoid: its part is left out, and missed where all parts are to sum to the score
            return output.new_zeros([1] * output.dim())


def _by_channel(bias: Tensor | None, output: Tensor) -> Tensor:
    if bias is None:
        return output.new_zeros([1] * output.dim())
    return bias.detach().reshape(1, -1, *[1] * (output.dim() - 2))


def _normalized(module: _BatchNorm) -> Tensor:
    assert module.running_mean is not None
    assert module.running_var is not None
    shift = -module.running_mean / (module.running_var + module.eps).sqrt()
    if module.weight is not None:
        shift = shift * module.weight
    return shift if module.bias is None else shift + module.bias


def _linear_part(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """J_f(x) x by differentiating twice backwards: not every function has a forward derivative."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        output = function(x.clone())  # a clone, as it may be changed in place
        direction = torch.zeros_like(output, requires_grad=True)
        (pulled,) = differentiate(output, x, direction, create_graph=True, allow_unused=True)
        if pulled is None:
            return torch.zeros_like(output)
        part: Tensor = differentiate(pulled, direction, x.detach(), materialize_grads=True)[0]
    return part.detach()
