"""Edges: the gradient of the picture itself by Sobel's filter, a control (Adebayo et al. 2018, arXiv:1810.03292)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from xaikit import Needs, hookimpl
from xaikit.view import View
from xaikit_cams._picture import picture


@dataclass(frozen=True)
class Edges:
    """L = |(S_1 * m, S_2 * m, ...)|, where m is the mean over the channels of the input and S_d Sobel's filter along
    axis d: a difference of (-1, 0, 1) there, and a smoothing of (1, 2, 1) along all others.

    No model plays a part. An explanation that looks like this need not be one: Adebayo et al. compare theirs with an
    edge detector, and find them alike. The border is repeated outwards, so that it is no edge by itself.

    Cost: none; neither layer nor score is read.
    Fails: always, which is its purpose: it is the same for every model. On inputs that are no picture, as spectra or
        tokens, an edge means little.
    Peers: Quantus has Sobel's filter among its control variants; pytorch-grad-cam has a mean of
        absolute derivatives in eight bits (sobel_cam), TorchCAM and Captum none.
    """

    needs: ClassVar[Needs] = Needs(inputs=True, scores=False, layers="none")
    control: ClassVar[bool] = True
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}  # nothing is negative

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *space of the input)."""
        gray = picture(view.image).mean(1, keepdim=True)
        axes = range(2, gray.dim())
        padded = pad(gray, (1, 1) * len(axes), mode="replicate")
        edges = torch.zeros_like(gray)
        for axis in axes:
            sides = padded
            for other in axes:
                sides = _change(sides, other) if other == axis else _smooth(sides, other)
            # no squares of small numbers, which would underflow
            edges = torch.hypot(edges, sides)
        return edges


def _change(values: Tensor, axis: int) -> Tensor:
    inner = values.shape[axis] - 2
    return values.narrow(axis, 2, inner) - values.narrow(axis, 0, inner)


def _smooth(values: Tensor, axis: int) -> Tensor:
    inner = values.shape[axis] - 2
    return values.narrow(axis, 0, inner) + 2 * values.narrow(axis, 1, inner) + values.narrow(axis, 2, inner)


@hookimpl
def xaikit_method() -> type:
    return Edges
