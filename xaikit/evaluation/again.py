"""The same methods once more, at other inputs or by another model, for the targets that were pinned."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from xaikit import engine
from xaikit.engine import Batch, Request
from xaikit.errors import XaikitError
from xaikit.evaluation.cases import BLURRED, Case
from xaikit.evaluation.policies import at_input, blurred, settled
from xaikit.evidence.conditions import undisturbed
from xaikit.evidence.forward import Readout, call
from xaikit.evidence.pinned import PinnedPart, TargetAt, whole
from xaikit.passes.chunks import rows_of_inputs
from xaikit.passes.nests import first_tensor, varied
from xaikit.reruns.context import PassContext
from xaikit.reruns.rescore import inputs_of
from xaikit.store.maps import MapFormat, decode, encode
from xaikit.targets import Pinned, PinnedClasses, Target, layer_of


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

    context    of the clean pass, narrowed to the target of the cases
    batch      that it was made on
    requests   by evidence
    readout    of all targets of the batch
    stored_as  how the maps were stored that these are compared with: these lose as much; None where they were not
    """

    context: PassContext
    batch: Batch
    requests: Mapping[str, Request]
    readout: Readout
    stored_as: MapFormat | None = None

    def maps(
        self,
        cases: Sequence[Case],
        images: Tensor,
        model: nn.Module | None = None,
        classes: Sequence[int] | None = None,
    ) -> Tensor:
        """The raw maps (N, *S) at the size of the input, of each case at its own image (N, C, *S).

        Args:
            classes: one a case, that is explained in place of its own; see :func:`one_class`.

        Raises:
            XaikitError: a method cannot explain these inputs.
        """
        samples, place_of = _distinct(cases, images, classes)
        by_evidence: dict[str, list[int]] = {}
        for number, case in enumerate(cases):
            by_evidence.setdefault(case.row["evidence"], []).append(number)
        together: dict[tuple[int, ...], list[str]] = {}
        for evidence, numbers in by_evidence.items():
            together.setdefault(tuple(dict.fromkeys(place_of[number] for number in numbers)), []).append(evidence)
        maps = torch.empty(len(cases), *images.shape[2:], device=images.device, dtype=cases[0].saliency.dtype)
        for places, several in together.items():
            explained = self._explained(several, [samples[place] for place in places], model)
            for evidence in several:
                for number in by_evidence[evidence]:
                    case = cases[number]
                    column = case.column if classes is None else 0
                    saliency = explained[evidence][places.index(place_of[number]), column]
                    maps[number] = blurred(saliency.unsqueeze(0))[0] if case.control == BLURRED else saliency
        return maps

    def _explained(
        self, evidence: Sequence[str], samples: Sequence[Sample], model: nn.Module | None
    ) -> dict[str, Tensor]:
        """The same of any number of samples: as many at a time as the batch has, or go through the model at once."""
        size = max(len(self.batch.ids), rows_of_inputs(first_tensor(self.batch.inputs)[:1]))
        starts = range(0, len(samples), size)
        parts = [self._explain(evidence, samples[start : start + size], model) for start in starts]
        return {key: torch.cat([part[key] for part in parts]) for key in evidence}

    def _explain(
        self, evidence: Sequence[str], samples: Sequence[Sample], model: nn.Module | None
    ) -> dict[str, Tensor]:
        """Raw maps (n, T, *S) at the size of the input, by evidence."""
        index, inputs = self._inputs(samples)
        batch = replace(
            self.batch,
            inputs=inputs,
            ids=tuple(self.batch.ids[sample] for sample in index.tolist()),
            labels=None if self.batch.labels is None else self.batch.labels[index.to(self.batch.labels.device)],
        )
        requests = {key: self.requests[key] for key in evidence}
        target = fixed(requests[evidence[0]].target, self._pinned(index, [sample.target for sample in samples]))
        asked = [replace(each, label=key, target=target) for key, each in requests.items()]
        _, explanations = engine.explain(
            model or self.context.model,
            batch,
            asked,
            output=self.readout.output,
            mode=self.readout.mode,
            tally=self.context.tally,
        )
        space = tuple(samples[0].image.shape[1:])
        return {key: self._at_input(explanations[key], requests[key], space) for key in evidence}

    def _at_input(self, explanation: Any, request: Request, space: tuple[int, ...]) -> Tensor:
        layers = [
            restored(explanation.with_targets(explanation.maps[str(tap)]).detach(), self.stored_as)
            for tap in request.taps
        ]
        return torch.stack([at_input([each[row] for each in layers], space) for row in range(len(layers[0]))])

    def outputs(self, cases: Sequence[Case], images: Tensor, model: nn.Module) -> Any:
        """What a model returns for each case at its own image (N, C, *S), equal ones once."""
        samples, place_of = _distinct(cases, images, None)
        _, inputs = self._inputs(samples)
        with undisturbed(model, self.readout.mode):
            returned = call(model, inputs)
        return tree_map_only(Tensor, lambda each: each[place_of], returned)

    def _inputs(self, samples: Sequence[Sample]) -> tuple[Tensor, Any]:
        """The rows of samples in the batch, and their inputs: the image of each beside what else its row has."""
        index = torch.tensor([sample.row for sample in samples])
        inputs = inputs_of(self.context, index)
        images = torch.stack([sample.image for sample in samples]).to(first_tensor(inputs))
        return index, varied(inputs, self.context.trace.input_layout.from_map(images, first_tensor(inputs)))

    def _pinned(self, index: Tensor, classes: Sequence[int | None]) -> Pinned:
        """The target of chosen samples, or the same of other classes."""
        pinned = self.context.pinned_of(index)
        if pinned is None:
            raise XaikitError(f"target {self.context.pinned}: expected one that can be explained on other samples")
        stated, others = whole(pinned), [one for one in classes if one is not None]
        if not others:
            return stated
        if not isinstance(stated, PinnedClasses):
            raise XaikitError(f"target {stated}: expected a class, in whose place another can be explained")
        return replace(stated, indices=torch.tensor(others, device=stated.indices.device).unsqueeze(1))


@dataclass(frozen=True, eq=False)
class Sample:
    """What is explained again.

    row     of the photograph in the batch
    target  the class in place of its own, if there is one
    """

    row: int
    image: Tensor
    target: int | None


def one_class(context: PassContext) -> tuple[Tensor, int] | None:
    """The classes that are explained, (samples, T), and how many the model has; None where what is explained is something else,
    or sets a class against others."""
    pinned = context.pinned
    stated = whole(pinned)
    output = pinned.read(context.trace.output) if isinstance(pinned, PinnedPart) else context.trace.output
    # further fields are classes that it is set against
    if not isinstance(stated, PinnedClasses) or {item.name for item in fields(stated)} != _FIELDS:
        return None
    return stated.indices, output.shape[1]


_FIELDS = {item.name for item in fields(PinnedClasses)}


def _distinct(cases: Sequence[Case], images: Tensor, classes: Sequence[int] | None) -> tuple[list[Sample], list[int]]:
    """What there is to explain, each once, and which of it is each case's."""
    places_of: dict[tuple[int, bytes, int | None], int] = {}
    distinct: list[Sample] = []
    places: list[int] = []
    for number, (case, image) in enumerate(zip(cases, images, strict=True)):
        data = image.detach().cpu().contiguous()
        target = None if classes is None else classes[number]
        key = (case.sample, hashlib.sha256(data.numpy().tobytes()).digest(), target)
        if key not in places_of:
            places_of[key] = len(distinct)
            distinct.append(Sample(case.sample, image, target))
        places.append(places_of[key])
    return distinct, places


def restored(maps: Tensor, stored_as: MapFormat | None) -> Tensor:
    """Raw maps (n, T, *s) as they would come back from a store, so that the same map made again is equal to the stored one."""
    if stored_as is None:
        return maps
    stored = decode("map", encode("map", maps.float().cpu().numpy(), stored_as))
    return torch.stack([settled(torch.from_numpy(each)) for each in stored]).to(maps.device)
