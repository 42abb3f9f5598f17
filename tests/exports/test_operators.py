"""Operations by others say what torch's own say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from xaikit.exports.operators import convolution_backward, kthvalue

LAYERS: list[nn.Module] = [
    nn.Conv1d(3, 4, 5, stride=3),
    nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
    nn.Conv2d(4, 4, (3, 2), stride=(3, 2), padding=(2, 0), dilation=(2, 1)),
    nn.Conv3d(2, 2, 2, stride=2),
    nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1),
    nn.ConvTranspose1d(4, 2, 2, dilation=3, groups=2),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_backward_of_a_convolution(layer: Any) -> None:
    layer = layer.double()
    shape = (2, layer.in_channels, *(13, 12, 7)[: len(layer.stride)])
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    output = layer(inputs)
    gradient = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (expected,) = torch.autograd.grad(output, inputs, gradient)
    settings = [layer.stride, layer.padding, layer.dilation, layer.transposed, layer.output_padding, layer.groups]
    at_inputs, *others = convolution_backward(
        gradient, inputs.detach(), layer.weight.detach(), None, *settings, [True, False, False]
    )
    assert at_inputs is not None
    torch.testing.assert_close(at_inputs, expected)
    assert others == [None, None]


@pytest.mark.parametrize("keepdim", [False, True])
def test_the_kth_value(keepdim: bool) -> None:
    numbers = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    values, indices = kthvalue(numbers, 2, 1, keepdim)
    expected = numbers.kthvalue(2, 1, keepdim)
    assert torch.equal(values, expected.values)
    assert torch.equal(indices, expected.indices)
