"""One question answered: its method called at every tap, and what it said shared out to the requests."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.diagnosis import ANY, Evidence, diagnose
from xaikit.errors import PluginContract
from xaikit.explanation import Explanation, Noted
from xaikit.finish import finish_maps
from xaikit.layers import Tap
from xaikit.layouts import stride
from xaikit.observe import Tally
from xaikit.passes import Passes, Reruns, Setting
from xaikit.question import Asked, Batch, Question, Request, variants_of
from xaikit.rescore import Kept
from xaikit.view import SampleGenerator, Trace, View


@dataclass(frozen=True)
class Raw:
    """What a method said at one tap, for all targets of a question.

    saliency  (N, T, *S), or (N, 1, *S) where the target plays no part
    said      by the method, counted (N, T) or (N, 1)
    noted     of the further passes, whatever the target
    """

    saliency: Tensor
    said: tuple[Noted, ...]
    noted: tuple[Noted, ...]

    def of(self, columns: slice) -> tuple[Tensor, list[Noted]]:
        """The map and the notes for some of the targets."""
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
    output: str | int
    tally: Tally
    evidence: Evidence = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", Evidence(self.trace))

    def raws(self, question: Question, kept: Kept | None) -> dict[Tap, Raw]:
        """What the method says at every tap of a question.

        Args:
            kept: outputs for the variants of this question that others ask for too.
        """
        setting = self.setting(question, kept)
        reruns = Reruns(lambda inputs: setting.observe(inputs, setting.taps), shared=len(setting.taps) > 1)
        raws: dict[Tap, Raw] = {}
        for tap in setting.taps:
            passes = Passes(setting, tap, reruns.of_one_tap())
            view = passes.view(setting.trace)
            saliency = _said(question.common, view)
            raws[tap] = Raw(saliency, tuple(view.noted), tuple(passes.noted))
        return raws

    def setting(self, question: Question, kept: Kept | None = None) -> Setting:
        """What the further passes of a question have in common."""
        request = question.common
        trace = self.trace.narrowed(question.places, question.taps)
        return Setting(
            model=self.model,
            trace=trace,
            needs=request.method.needs,
            output=self.output,
            precision=request.precision,
            tally=self.tally,
            draw=partial(_generator, request, self.batch.ids, trace.scores),
            kept=kept,
        )

    def explanation(self, question: Question, one: Asked, raws: Mapping[Tap, Raw]) -> Explanation:
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
        pinned, count = self.trace.pinned[one.place], columns.stop - columns.start

        def shaped(saliency: Tensor) -> Tensor:
            full = saliency.expand(saliency.shape[0], count, *saliency.shape[2:])
            return full if pinned.plural else full.squeeze(1)

        scores = self.trace.scores[:, columns]
        return Explanation(
            label=request.label,
            maps={layer: shaped(raw) for layer, raw in maps.items()},
            finished={layer: shaped(saliency) for layer, saliency in finished.items()},
            map=None if fused is None else shaped(fused),
            scores=scores if pinned.plural else scores.squeeze(1),
            target=pinned,
            strides=strides,
            noted=tuple(noted),
        )

    def _diagnosed(self, one: Asked, tap: Tap, raw: Tensor) -> Iterator[Noted]:
        finish = one.request.finish
        columns, needs = self.trace.columns[one.place], one.request.method.needs
        return diagnose(self.evidence, tap, columns, raw, needs, ANY if finish is None else finish.rectify)


def _said(request: Request, view: View) -> Tensor:
    try:
        with torch.no_grad():
            saliency = request.method.explain(view)
        _check(saliency, view)
    except Exception as error:
        error.add_note(f"while explaining {request.label!r} at layer {view.layer}")
        raise
    return saliency


def _check(raw: object, view: View) -> None:
    samples, targets, *space = view.shape
    allowed = [(samples, targets, *space), (samples, 1, *space)]
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
    texts = [f"{request.seed}|{request.use}|{options}|{sample}" for sample in samples]
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return SampleGenerator([int.from_bytes(digest[:8], "big") >> 1 for digest in digests], like)
