"""An opened model with the evidence that its trials ask for: what the trials of one model share."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from xaikit.bench.opened import OpenedBench
from xaikit.bench.probe import ProbeResult
from xaikit.engine import Request
from xaikit.finish import Finish
from xaikit.store.trials import StoredTrial
from xaikit.targets import needs_labels
from xaikit.trials.placement import NamedTrial


@dataclass(frozen=True)
class Bench:
    """What the trials of one model work on.

    trials    several may share one evidence
    evidence  what they need, by its key: a request, of one label for all trials that differ in layers or finish alone
    finishes  by the id of a trial
    probe     what one pass over the first photograph found out
    """

    opened: OpenedBench
    trials: tuple[NamedTrial, ...]
    evidence: Mapping[str, Request]
    finishes: Mapping[str, Finish]
    probe: ProbeResult

    @cached_property
    def stored_trials(self) -> tuple[StoredTrial, ...]:
        """The trials as the folder of a run has them."""
        return tuple(map(self._stored_trial, self.trials))

    def _stored_trial(self, named: NamedTrial) -> StoredTrial:
        trial, request, data = named.trial, self.evidence[named.trial.evidence], self.opened.config.data
        layers = tuple(map(str, request.taps))
        return StoredTrial(
            bench=self.opened.key,
            model=self.opened.name,
            data=str(data.source.options.get("path") or data.source.use),
            id=trial.id,
            evidence=trial.evidence,
            label=trial.label,
            name=named.name,
            method=trial.use,
            options=trial.options,
            target=trial.target.plain(),
            layers=layers,
            maps=tuple(map_key(request.label, layer) for layer in layers),
            strides=tuple(map(self.probe.stride, layers)),
            space=self.probe.space,
            seed=trial.seed,
            precision=trial.precision,
            finish=trial.finish.plain(),
            signed=self.finishes[trial.id].signed,
            drops_negative=self.finishes[trial.id].drops_negative,
            where=named.where,
            labelled=needs_labels(request.target),
            plural=request.label in self.probe.plural,
            control=trial.control,
        )

    def requests(self, evidence: Iterable[str] | None = None) -> list[Request]:
        """What to ask of the engine, for some of the evidence or for all of it."""
        return merge_requests(self.evidence[key] for key in (self.evidence if evidence is None else evidence))


def merge_requests(requests: Iterable[Request]) -> list[Request]:
    """Each request once, at all taps that it is asked for at."""
    merged: dict[str, Request] = {}
    for request in requests:
        taps = merged.get(request.label, request).taps
        merged[request.label] = dataclasses.replace(request, taps=tuple(dict.fromkeys([*taps, *request.taps])))
    return list(merged.values())


def map_key(request: str, layer: str) -> str:
    """Under which a raw map is stored: the same for every trial that asks the same request at that layer."""
    return hashlib.sha256(f"{request}|{layer}".encode()).hexdigest()[:16]
