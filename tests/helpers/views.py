"""A trace and a view written down by hand, without a model or a pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from xaikit.draws import SampleGenerator
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Place, Trace
from xaikit.layouts import Layout
from xaikit.needs import Needs
from xaikit.targets import PinnedClasses
from xaikit.view import View

TAP = Tap("features", at="consumed")
ALL = Needs(gradients=1, inputs=True, module=True, reruns=True, replays=True)
MODULE = nn.ReLU()


def made_trace(activations: Tensor, gradients: Tensor | None = None) -> Trace:
    """A trace of one tap with two targets, three columns in all."""
    samples = len(activations)
    indices = torch.zeros(samples, 1, dtype=torch.long)
    return Trace(
        inputs=torch.zeros(samples, 3, 8, 8),
        space=(8, 8),
        output=torch.zeros(samples, 3),
        pinned=(PinnedClasses(indices), PinnedClasses(indices.expand(-1, 2), plural=True)),
        columns=(slice(0, 1), slice(1, 3)),
        scores=torch.arange(samples * 3.0).view(samples, 3),
        activations={TAP: activations},
        gradients={} if gradients is None else {TAP: gradients},
        places={TAP: Place((), 1, Layout())},
    )


def made_view(
    activations: Tensor,
    gradients: Tensor | None = None,
    needs: Needs = ALL,
    columns: slice = slice(0, 1),
    reruns: Any = None,
) -> View:
    """A view of that trace."""
    whole = made_trace(activations, gradients)
    trace = whole.narrowed([whole.columns.index(columns)], [TAP])
    return View(trace, TAP, needs, MODULE, lambda: SampleGenerator(range(len(activations)), activations), reruns)
