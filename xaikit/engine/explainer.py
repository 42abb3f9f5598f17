"""One question answered: its method called at every tap, and what it said shared out to the requests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.draws import SampleGenerator, seeded
from xaikit.engine.augment import Variant, average, check_places, variants
from xaikit.engine.context import PassContext
from xaikit.engine.diagnosis import ANY, Evidence, diagnose
from xaikit.engine.further import FurtherPasses, RetraceCache
from xaikit.engine.requests import Batch, PinnedRequest, Request, RequestGroup
from xaikit.engine.reruns.rescore import OutputCache
from xaikit.errors import ConfigError, PluginContract
from xaikit.evidence.forward import Readout
from xaikit.evidence.nests import first_tensor
from xaikit.evidence.observe import Tally, observe
from xaikit.evidence.pinned import PinnedParts, without_layer
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.explanation import Explanation, RemarkCounts
from xaikit.finish import finish_maps
from xaikit.layouts import stride
from xaikit.method import parts_of, variants_of
from xaikit.view import Reduction, View


@dataclass(frozen=True)
class Raw:
    """What a method said at one tap, for all targets of a question.

    saliency  (N, T, *S), or (N, 1, *S) where the target plays no part
    said      by the method, counted (N, T) or (N, 1)
    noted     of the further passes, whatever the target
    numbers   by the method, by name: (N, T) or (N, 1)
    parts     maps that the method puts on the target axis by without_layer, whatever the target; 0 where it does not
    """

    saliency: Tensor
    said: tuple[RemarkCounts, ...]
    noted: tuple[RemarkCounts, ...]
    numbers: Mapping[str, Tensor] = field(default_factory=dict)
    parts: int = 0

    def of(self, columns: slice) -> tuple[Tensor, list[RemarkCounts]]:
        """The map and the notes for some of the targets."""
        if self.parts:
            return self.saliency, [*(replace(one, counts=one.counts.sum(1)) for one in self.said), *self.noted]
        said = [replace(one, counts=_columns(one.counts, columns).sum(1)) for one in self.said]
        return _columns(self.saliency, columns), [*said, *self.noted]


def _columns(found: Tensor, columns: slice) -> Tensor:
    return found if found.shape[1] == 1 else found[:, columns]


@dataclass(frozen=True)
class Answers:
    """Answers to questions that are put to one trace."""

    model: nn.Module
    batch: Batch
    trace: Trace
    readout: Readout
    tally: Tally
    requests: Sequence[Request] = ()
    places: Mapping[str, int] = field(default_factory=dict)
    evidence: Evidence = field(init=False)
    _varied: dict[Hashable, Trace] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", Evidence(self.trace))

    def raws(self, question: RequestGroup, kept: OutputCache | None) -> dict[Tap, Raw]:
        """What the method says at every tap of a question; the mean over all variants of the batch, where it asks for some.

        Args:
            kept: outputs for the variants of this question that others ask for too.
        """
        if not question.common.aggregation.augment:
            return self._raws(question, kept)
        if parts_of(question.common.method):
            raise ConfigError(
                f"augment: {question.common.use} makes parts of its own on every variant, in any order: there is no mean of "
                "them; leave it out"
            )
        found: dict[Tap, list[Raw]] = {}
        for variant in variants(question.common.aggregation.augment):
            # what is kept for others is of the clean inputs
            answers = self if variant.is_clean else self._of(variant, question.common)
            for tap, raw in answers._raws(question, None).items():
                undone = variant.undone(raw.saliency, self.trace.activations[tap].shape[2:])
                found.setdefault(tap, []).append(replace(raw, saliency=undone))
        return {tap: _averaged(raws) for tap, raws in found.items()}

    def _of(self, variant: Variant, request: Request) -> Answers:
        """Answers to the same questions from a pass on a variant of the batch, which is made once for all requests."""
        key = (request.aggregation.augment, variant, request.seed if variant.draw is not None else None)
        sharing = [one for one in self.requests if one.aggregation.augment == request.aggregation.augment]
        if key not in self._varied:
            self._varied[key] = self._observed(variant, request, sharing)
        trace = self._varied[key]
        return replace(self, trace=trace, batch=replace(self.batch, inputs=trace.inputs))

    def _observed(self, variant: Variant, request: Request, sharing: Sequence[Request]) -> Trace:
        image = first_tensor(self.batch.inputs)
        # integers are no type for normal numbers
        like = image if image.is_floating_point() else image.new_zeros((), dtype=torch.get_default_dtype())
        places = sorted({self.places[one.label] for one in sharing})
        pinned = [self.trace.pinned[place] for place in places]
        check_places(variant, pinned)
        inputs = variant.inputs(
            self.batch.inputs, lambda draw: seeded(f"{request.seed}|augment|{draw}", self.batch.ids, like)
        )
        self.tally.reruns += 1
        try:
            found = observe(
                self.model,
                inputs,
                tuple(dict.fromkeys(tap for one in sharing for tap in one.taps)),
                lambda _: pinned,
                gradients=any(one.method.needs.gradients for one in sharing),
                readout=self.readout,
                tally=self.tally,
            )
            return found.placed(places, self.trace)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if variant.scale == 1:
                raise
            size = tuple(first_tensor(inputs).shape[2:])
            raise ConfigError(
                f"augment.scale: expected a model that takes inputs of {size}, got {type(error).__name__}: {error}; leave "
                "scale out, or take gain"
            ) from error

    def _raws(self, question: RequestGroup, kept: OutputCache | None) -> dict[Tap, Raw]:
        request, trace = question.common, self.trace.narrowed(question.places, question.taps)
        retraces = RetraceCache(shared=len(trace.activations) > 1)
        raws: dict[Tap, Raw] = {}
        for tap in trace.activations:
            further = self._further(request, trace, tap, retraces, kept)
            view = further.view(trace)
            saliency = _said(request, view)
            if view.reduce != "sum" and not further.reduction.applied:
                raise ConfigError(
                    f"reduce: {view.reduce} plays no part in {request.use}, which sums no weighed channels: leave it out"
                )
            remarks = tuple(further.context.remarks)
            raws[tap] = Raw(saliency, tuple(view.noted), remarks, view.numbers, parts_of(request.method))
        return raws

    def _further(
        self, request: Request, trace: Trace, tap: Tap, retraces: RetraceCache, outputs: OutputCache | None
    ) -> FurtherPasses:
        return FurtherPasses(
            PassContext(self.model, trace, tap, self.readout, self.tally, request.precision),
            request.method.needs,
            partial(_generator, request, self.batch.ids, trace.scores),
            retraces,
            outputs,
            Reduction(request.aggregation.reduce),
        )

    def explanation(self, question: RequestGroup, one: PinnedRequest, raws: Mapping[Tap, Raw]) -> Explanation:
        """The explanation of one request: its columns of the raw maps, finished its way."""
        request, columns = one.request, self.trace.columns[one.place]
        shares = {tap: raws[tap].of(question.columns(one, self.trace.columns)) for tap in request.taps}
        noted = [note for tap, (raw, said) in shares.items() for note in (*said, *self._diagnosed(one, tap, raw))]
        maps = {str(tap): raw for tap, (raw, _) in shares.items()}
        strides = {str(tap): stride(tuple(raw.shape[2:]), self.trace.space) for tap, (raw, _) in shares.items()}
        finished: dict[str, Tensor] = {}
        fused = None
        if request.finish is not None:
            finished, fused = finish_maps(request.finish, maps, strides, self.trace.space)
        pinned, count = without_layer(self.trace.pinned[one.place]), columns.stop - columns.start
        scores = self.trace.scores[:, columns]
        if parts := parts_of(request.method):
            pinned, count = PinnedParts(pinned, parts), parts
            scores = scores.new_full((len(scores), parts), torch.nan)

        def shaped(saliency: Tensor) -> Tensor:
            full = saliency.expand(saliency.shape[0], count, *saliency.shape[2:])
            return full if pinned.plural else full.squeeze(1)

        numbers: dict[str, dict[str, Tensor]] = {}
        for tap in request.taps:
            for name, value in raws[tap].numbers.items():
                mine = value if parts else _columns(value, question.columns(one, self.trace.columns))
                numbers.setdefault(name, {})[str(tap)] = shaped(mine)
        return Explanation(
            label=request.label,
            maps={layer: shaped(raw) for layer, raw in maps.items()},
            finished={layer: shaped(saliency) for layer, saliency in finished.items()},
            map=None if fused is None else shaped(fused),
            scores=scores if pinned.plural else scores.squeeze(1),
            target=pinned,
            strides=strides,
            noted=tuple(noted),
            numbers=numbers,
            targeted=request.method.needs.aimed,
        )

    def _diagnosed(self, one: PinnedRequest, tap: Tap, raw: Tensor) -> Iterator[RemarkCounts]:
        finish = one.request.finish
        columns, needs = self.trace.columns[one.place], one.request.method.needs
        return diagnose(self.evidence, tap, columns, raw, needs, ANY if finish is None else finish.rectify)


def _said(request: Request, view: View) -> Tensor:
    try:
        with torch.no_grad():
            saliency = request.method.explain(view)
        _check(saliency, view, parts_of(request.method))
    except Exception as error:
        error.add_note(f"while explaining {request.label!r} at layer {view.layer}")
        raise
    return saliency


def _check(raw: object, view: View, parts: int) -> None:
    samples, targets, *space = view.shape
    allowed = [(samples, parts, *space)] if parts else [(samples, targets, *space), (samples, 1, *space)]
    if not isinstance(raw, Tensor):
        raise PluginContract(f"explain: expected a tensor, got {type(raw).__name__}")
    if tuple(raw.shape) not in allowed:
        raise PluginContract(f"explain: expected a map of shape {allowed[0]}, got {tuple(raw.shape)}")


def _generator(request: Request, samples: tuple[str, ...], like: Tensor) -> SampleGenerator:
    """Seeded by seed, method, options and sample alone: neither label, batch, layer nor device changes what is drawn.

    A method that says what its variants depend on draws the same numbers for all other options.
    """
    method = request.method
    options: Any = variants_of(method)
    if options is None:
        fields = dataclasses.fields(method)  # type: ignore[arg-type]
        options = {field.name: getattr(method, field.name) for field in fields}
    options = json.dumps(options, sort_keys=True, default=repr)
    return seeded(f"{request.seed}|{request.use}|{options}", samples, like)


def _averaged(raws: Sequence[Raw]) -> Raw:
    """The mean of the maps, and all that was said of any."""
    said = _merged([note for raw in raws for note in raw.said])
    noted = _merged([note for raw in raws for note in raw.noted])
    numbers = {name: torch.stack([raw.numbers[name] for raw in raws]).mean(0) for name in raws[0].numbers}
    return Raw(average([raw.saliency for raw in raws]), said, noted, numbers, raws[0].parts)


def _merged(notes: Sequence[RemarkCounts]) -> tuple[RemarkCounts, ...]:
    """Each reason once at a layer, counted over all variants."""
    found: dict[tuple[str, str], RemarkCounts] = {}
    for note in notes:
        key = (note.layer, note.reason)
        counts = note.counts if key not in found else found[key].counts + note.counts
        found[key] = replace(note, counts=counts)
    return tuple(found.values())
