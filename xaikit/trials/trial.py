"""A trial: one label with nothing left to vary, and the keys by which it is shared, kept and found again. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xaikit.config import PLAIN, STAGES, Aggregation, FinishConfig, Precision, Use, read_finish
from xaikit.errors import ConfigError, PluginContract
from xaikit.registry import Registry
from xaikit.trials.digests import short

DEFAULTS: Mapping[str, Use] = {
    "rectify": Use("none"),
    "normalize": Use("max"),
    "scale": Use("none"),
    "resize": Use("input"),
    "fuse": Use("max"),
}
"""The finish where neither the method's paper nor the config says otherwise."""


@dataclass(frozen=True)
class Trial:
    """One label with nothing left to vary: the unit of sharing, caching and storing.

    sources   the digest of the code that its raw maps depend on: method, target and engine, see :mod:`xaikit.trials.digests`
    method    the method's name however it was asked for, module and class; what ``use`` says where that is not known
    aim       the same of the target
    drawn     whether the seed matters: not to a method that says that it is deterministic
    rescored  whether the precision matters: only to a method that runs the model again
    aggregation    how its raw maps are taken: augmentation, and how channels are reduced
    batch     photographs that are explained together, where a map depends on the others: of a method that does not
              declare ``per_sample``

    Its keys are ``question``, ``evidence`` and ``id``. Neither label, run, report nor executor enter them, nor the batch
    size, except for such a method.
    """

    label: str
    use: str
    options: Mapping[str, Any]
    layers: tuple[str, ...]
    target: Use
    precision: Precision
    seed: int
    finish: FinishConfig
    sources: str = ""
    method: str = ""
    aim: str = ""
    drawn: bool = True
    rescored: bool = True
    aggregation: Aggregation = PLAIN
    batch: int | None = None

    @cached_property
    def question(self) -> str:
        """The key of what is put to one pass, at any layer."""
        return question_of(
            said(self.method or self.use, self.options),
            said(self.aim or self.target.use, self.target.options),
            self.sources,
            self.seed if self.drawn else None,
            self.precision if self.rescored else None,
            self.aggregation,
            self.batch,
        )

    @cached_property
    def evidence(self) -> str:
        """The key of the question at these layers: of the trial, raw maps depend on this and on nothing else."""
        return evidence_of(self.question, canonical(self.layers))

    @cached_property
    def id(self) -> str:
        """The key of the evidence with this finish: of the trial itself."""
        return id_of(self.evidence, said("", self.finish.plain()))


def said(name: str, options: Mapping[str, Any]) -> str:
    """A plugin with its options as canonical JSON."""
    return canonical([name, dict(options)])


def canonical(value: Any) -> str:
    """JSON of which there is one for a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def question_of(
    method: str,
    target: str,
    sources: str,
    seed: int | None,
    precision: Precision | None,
    aggregation: Aggregation = PLAIN,
    batch: int | None = None,
) -> str:
    """The key of a question; ``method`` and ``target`` as :func:`said`, None for what does not matter to the method."""
    cast = "null" if precision is None else f'"{precision}"'
    taken = f",{canonical(aggregation.plain())}" if aggregation else ""
    taken += "" if batch is None else f",{batch}"
    return short(f'[{method},{target},"{sources}",{"null" if seed is None else seed},{cast}{taken}]')


def evidence_of(question: str, layers: str) -> str:
    """The key of a question at some layers, which are :func:`canonical`."""
    return short(f'["{question}",{layers}]')


def id_of(evidence: str, finish: str) -> str:
    """The key of evidence with a finish, as :func:`said`."""
    return short(f'["{evidence}",{finish}]')


def effective_finish(
    paper: Mapping[str, Any], general: FinishConfig, own: Mapping[str, Use], registry: Registry
) -> FinishConfig:
    """Stage by stage: the label's own word, else the config's, else the paper's, else the default.

    ``auto`` hands back to the paper. A stage that is stated replaces the one below it whole; none is ``auto`` afterwards.

    Raises:
        PluginContract: what the paper asks for does not exist.
    """
    try:
        asked = {stage: use for stage, use in read_finish(paper, registry).items() if use.use != "auto"}
    except ConfigError as error:
        raise PluginContract(f"the finish that a method's paper asks for: {error}") from error
    stated = {**general.stages(), **own}

    def choose(stage: str) -> Use:
        choice = stated[stage]
        return asked.get(stage, DEFAULTS[stage]) if choice.use == "auto" else choice

    return FinishConfig(**{stage: choose(stage) for stage in STAGES})
