"""The same methods once more, at other inputs or by another model, for the targets that were pinned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from xaikit import engine
from xaikit.engine import Batch, Request
from xaikit.errors import XaikitError
from xaikit.evaluation.cases import BLURRED, Case
from xaikit.evaluation.policies import at_input, blurred
from xaikit.evidence.forward import Readout
from xaikit.evidence.pinned import TargetAt, whole
from xaikit.passes.nests import first_tensor, varied
from xaikit.reruns.context import PassContext
from xaikit.reruns.rescore import inputs_of
from xaikit.targets import Pinned, Target, layer_of


@dataclass(frozen=True, eq=False)
class FixedTarget:
    """A target that is pinned already: the same classes, whatever the output.

    layer  that it is scored on, None for the output
    """

    pinned: Pinned
    layer: str | None = None

    @property
    def plural(self) -> bool:
        """Whether results have an axis of targets."""
        return self.pinned.plural

    def pin(self, output: Any, labels: Tensor | None) -> Pinned:
        """The pinned one."""
        return self.pinned


def fixed(target: Target, pinned: Pinned) -> Target:
    """A target of a request, pinned as it was on the clean pass."""
    if isinstance(target, TargetAt):
        return TargetAt(FixedTarget(whole(pinned)), target.part)
    return FixedTarget(whole(pinned), layer_of(target))


@dataclass(frozen=True)
class CaseExplainer:
    """Explains cases again, whatever method each is by; those at equal inputs share one pass.

    context   of the clean pass, narrowed to the target of the cases
    batch     that it was made on
    requests  by evidence
    readout   of all targets of the batch
    """

    context: PassContext
    batch: Batch
    requests: Mapping[str, Request]
    readout: Readout

    def maps(self, cases: Sequence[Case], images: Tensor, model: nn.Module | None = None) -> Tensor:
        """The raw maps (N, *S) at the size of the input, of each case at its own image (N, C, *S).

        Raises:
            XaikitError: a method cannot explain these inputs.
        """
        samples, place_of = self._distinct(cases, images)
        by_evidence: dict[str, list[int]] = {}
        for number, case in enumerate(cases):
            by_evidence.setdefault(case.row["evidence"], []).append(number)
        together: dict[tuple[int, ...], list[str]] = {}
        for evidence, numbers in by_evidence.items():
            together.setdefault(tuple(dict.fromkeys(place_of[number] for number in numbers)), []).append(evidence)
        maps = torch.empty(len(cases), *images.shape[2:], device=images.device, dtype=cases[0].saliency.dtype)
        for places, several in together.items():
            chosen = [samples[place] for place in places]
            explained = self._explain(several, [case for case, _ in chosen], [image for _, image in chosen], model)
            for evidence in several:
                for number in by_evidence[evidence]:
                    case = cases[number]
                    saliency = explained[evidence][places.index(place_of[number]), case.column]
                    maps[number] = blurred(saliency.unsqueeze(0))[0] if case.control == BLURRED else saliency
        return maps

    def _distinct(self, cases: Sequence[Case], images: Tensor) -> tuple[list[tuple[Case, Tensor]], list[int]]:
        """Every pair of a photograph and an image once, and which of them each case has."""
        samples: dict[tuple[int, bytes], int] = {}
        distinct: list[tuple[Case, Tensor]] = []
        places: list[int] = []
        for case, image in zip(cases, images, strict=True):
            data = image.detach().cpu().contiguous()
            key = (case.sample, hashlib.sha256(data.numpy().tobytes()).digest())
            if key not in samples:
                samples[key] = len(distinct)
                distinct.append((case, image))
            places.append(samples[key])
        return distinct, places

    def _explain(
        self, evidence: Sequence[str], cases: Sequence[Case], images: Sequence[Tensor], model: nn.Module | None
    ) -> dict[str, Tensor]:
        """Raw maps (n, T, *S) at the size of the input, by evidence."""
        index = torch.tensor([case.sample for case in cases])
        pinned = self.context.pinned_of(index)
        if pinned is None:
            raise XaikitError(f"target {self.context.pinned}: expected one that can be explained on other samples")
        first = first_tensor(self.batch.inputs)
        inputs = inputs_of(self.context, index)
        arranged = self.context.trace.input_layout.from_map(torch.stack(list(images)).to(first), first_tensor(inputs))
        batch = replace(
            self.batch,
            inputs=varied(inputs, arranged),
            ids=tuple(self.batch.ids[sample] for sample in index.tolist()),
            labels=None if self.batch.labels is None else self.batch.labels[index.to(self.batch.labels.device)],
        )
        requests = {key: self.requests[key] for key in evidence}
        target = fixed(requests[evidence[0]].target, pinned)
        asked = [replace(each, label=key, target=target) for key, each in requests.items()]
        _, explanations = engine.explain(
            model or self.context.model,
            batch,
            asked,
            output=self.readout.output,
            mode=self.readout.mode,
            tally=self.context.tally,
        )
        space = tuple(images[0].shape[1:])
        return {key: _at_input(explanations[key], requests[key], space) for key in evidence}


def _at_input(explanation: Any, request: Request, space: tuple[int, ...]) -> Tensor:
    layers = [explanation.with_targets(explanation.maps[str(tap)]).detach() for tap in request.taps]
    return torch.stack([at_input([each[row] for each in layers], space) for row in range(len(layers[0]))])
