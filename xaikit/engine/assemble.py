"""From the raw maps of a group to the explanation of one of its requests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xaikit.engine.diagnosis import ANY, Evidence, diagnose
from xaikit.engine.raw_maps import RawMaps
from xaikit.engine.requests import PinnedRequest, RequestGroup
from xaikit.evidence.pinned import is_incomplete, whole
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.explanation import Explanation, RemarkCounts
from xaikit.finish import finish_over
from xaikit.layouts import stride
from xaikit.method import parts_of
from xaikit.targets import Pinned, is_spatial, padding_of


def assemble(
    trace: Trace, evidence: Evidence, group: RequestGroup, member: PinnedRequest, raw_maps: Mapping[Tap, RawMaps]
) -> Explanation:
    """The explanation of one request: its columns of the raw maps, finished its way and diagnosed.

    Args:
        trace: of the clean pass.
        evidence: of the same, for diagnoses.
        raw_maps: of the group, by tap.
    """
    request, columns = member.request, group.columns(member, trace.columns)
    padding = None if parts_of(request.method) else padding_of(trace.pinned[member.place])
    raws = {tap: raw_maps[tap].of(columns).without(padding) for tap in request.taps}
    maps = {str(tap): raw.saliency for tap, raw in raws.items()}
    spaces = {str(tap): trace.at(tap).space for tap in request.taps}
    strides = {layer: stride(tuple(raw.shape[2:]), spaces[layer]) for layer, raw in maps.items()}
    finished, fused = finish_over(request.finish, maps, strides, spaces)
    target, scores = whole(trace.pinned[member.place]), trace.scores[:, trace.columns[member.place]]
    if padding is not None:
        scores = scores.masked_fill(padding, torch.nan)
    if parts := parts_of(request.method):
        target, scores = PinnedParts(target, parts), scores.new_full((len(scores), parts), torch.nan)

    def shaped(value: Tensor) -> Tensor:
        """A value for every target, without their axis where there is one alone."""
        full = value.expand(value.shape[0], scores.shape[1], *value.shape[2:])
        return full if target.plural else full.squeeze(1)

    numbers: dict[str, dict[str, Tensor]] = {}
    for tap, raw in raws.items():
        for name, value in raw.numbers.items():
            numbers.setdefault(name, {})[str(tap)] = shaped(value)
    return Explanation(
        label=request.label,
        maps={layer: shaped(raw) for layer, raw in maps.items()},
        finished={layer: shaped(saliency) for layer, saliency in finished.items()},
        map=None if fused is None else shaped(fused),
        scores=shaped(scores),
        target=target,
        strides=strides,
        noted=tuple(note for tap, raw in raws.items() for note in _remarks(trace, evidence, member, tap, raw, padding)),
        numbers=numbers,
        targeted=request.method.needs.uses_target,
    )


def _remarks(
    trace: Trace, evidence: Evidence, member: PinnedRequest, tap: Tap, raw: RawMaps, padding: Tensor | None
) -> list[RemarkCounts]:
    request, columns = member.request, trace.columns[member.place]
    rectify = ANY if request.finish is None else request.finish.rectify
    silent = padding
    if tap.is_hooked and request.method.needs.gradients and is_spatial(trace.pinned[member.place]):
        # a detection is of one level of a pyramid, and of none of the others
        elsewhere = evidence.elsewhere(tap, request.taps, columns)
        silent = elsewhere if padding is None else elsewhere | padding.to(elsewhere.device)
    diagnosed = diagnose(evidence, tap, columns, raw.saliency, request.method.needs, rectify, silent)
    if is_incomplete(trace.pinned[member.place]):  # one column of several is counted with the others
        diagnosed = (replace(note, counted=True) for note in diagnosed)
    return [*raw.all_remarks(), *diagnosed]


@dataclass(frozen=True, eq=False)
class PinnedParts:
    """What stands on the target axis where a method makes several maps by itself, as concepts; none has a score."""

    target: Pinned
    count: int
    plural: bool = True

    def scores(self, output: Any) -> Tensor:
        """NaN, (N, count)."""
        scores = self.target.scores(output)
        return scores.new_full((len(scores), self.count), math.nan)

    @property
    def names(self) -> tuple[str, ...]:
        """What each of them is called."""
        return tuple(f"part {place} of {self.count}" for place in range(1, self.count + 1))

    def __str__(self) -> str:
        return f"{self.count} parts of no class"
