"""What a method's further passes at one tap go by: the model, the clean pass and its target, in one value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.errors import ConfigError
from xaikit.evidence.forward import WHOLE, Readout
from xaikit.evidence.recorder import Recording
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Place, Trace
from xaikit.explanation import RemarkCounts
from xaikit.layouts import Arrangement
from xaikit.passes.nests import copied, first_tensor
from xaikit.passes.samples import Shared
from xaikit.passes.tally import Tally
from xaikit.schema.sections import Precision
from xaikit.targets import Pinned, rows_of


@dataclass(frozen=True)
class PassContext:
    """What further passes go by.

    trace      of the clean pass, narrowed to one target and the taps of the method
    tap        where the method looks
    readout    what targets are scored on
    tally      counts what is computed
    shared     the ways to inputs that are no sample's, where somebody says it
    precision  of the autocast of passes that are only scored; float32 is none, the model's own type
    picture    from a file to what the (first) input is of it, as a batch of one, where its transform is known
    layout     how the tensors at layers are arranged, where somebody says it
    remarks    what there is to say about these passes
    """

    model: nn.Module
    trace: Trace
    tap: Tap
    readout: Readout = WHOLE
    tally: Tally = field(default_factory=Tally)
    precision: Precision = "float32"
    shared: Shared | None = None
    picture: Callable[[str], Tensor] | None = None
    layout: Arrangement | None = None
    remarks: list[RemarkCounts] = field(default_factory=list)

    @property
    def inputs(self) -> Any:
        """Those of the clean pass."""
        return self.trace.inputs

    @property
    def samples(self) -> int:
        """N"""
        return len(first_tensor(self.inputs))

    @property
    def pinned(self) -> Pinned:
        """The target."""
        return self.trace.pinned[0]

    @property
    def place(self) -> Place:
        """Where the evidence of the tap was found."""
        return self.trace.places[self.tap]

    @property
    def activations(self) -> Tensor:
        """The true ones at the tap, (N, C, *S)."""
        return self.trace.activations[self.tap]

    def pinned_of(self, index: Tensor) -> Pinned | None:
        """The target of chosen samples; None where it can only score the samples it was pinned on."""
        rows = rows_of(self.pinned)
        return None if rows is None else rows(index)

    def check_apart(self, what: str) -> None:
        """Raises ConfigError where samples depend on each other, for what is computed of a sum over them."""
        if self.trace.dependent:
            raise ConfigError(
                f"{what}: expected samples that do not depend on each other, got a batch that is normalized or compared as "
                "one; explain one sample at a time, or take a method of one pass, such as gradcam"
            )

    def remark(self, reason: str) -> None:
        """Note something about these passes, of all samples and whatever the target."""
        counts = torch.ones(len(self.trace.scores), dtype=torch.long)
        self.remarks.append(RemarkCounts(str(self.tap), reason, counts, counted=False))

    def count(self) -> None:
        """Count a forward that a method asked for."""
        self.tally.forwards += 1
        self.tally.reruns += 1

    def forward(self, inputs: Any = None) -> Any:
        """The clean inputs, or others, through the model once more: what is read of it."""
        self.count()
        return self.readout.run(self.model, copied(self.inputs if inputs is None else inputs))

    def scores_at_tap(self, grad: bool) -> tuple[Tensor, Tensor] | None:
        """Such a forward for :func:`xaikit.evidence.conditions.attempt`: its scores, and the tensor at the tap in their
        graph. None where grad was switched off on the way."""
        recording = Recording([self.tap], differentiate=True)
        with torch.set_grad_enabled(grad), recording.hooked(self.model):
            output = self.forward()
        (point,) = [one.tensor for one in recording.recorded().points[self.tap] if one.path == self.place.path]
        with torch.enable_grad():
            scores = self.pinned.scores(output)
        return None if not grad and (recording.severed or not scores.requires_grad) else (scores, point)
