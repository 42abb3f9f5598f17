"""A trial: one label with nothing left to vary, and the keys by which it is shared, kept and found again. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from xaikit.config.arguments import read_finish
from xaikit.errors import ConfigError, PluginContract
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.sections import PLAIN, Aggregation, FinishConfig, Precision
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

    sources       the digest of the code that its raw maps depend on: method, target and engine, see :mod:`xaikit.trials.digests`
    method_class  module and name of the method's class, however ``use`` asks for it; what ``use`` says where that is not known
    target_class  the same of the target
    random        whether the seed matters: not to a method that says that it is deterministic
    reruns        whether the precision matters: only to a method that runs the model again
    aggregation   how its raw maps are taken: augmentation, and how channels are reduced
    output        the part of the model's output that its target is of, where the method says its own
    batch         photographs that are explained together, where a map depends on the others: of a method that does not
                  declare ``per_sample``
    control       whether it is there to be beaten, and nobody asked for its pictures

    Its keys are ``request``, ``evidence`` and ``id``. Neither label, run, report nor executor enter them, nor the batch
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
    method_class: str = ""
    target_class: str = ""
    random: bool = True
    reruns: bool = True
    aggregation: Aggregation = PLAIN
    output: str | int | None = None
    batch: int | None = None
    control: bool = False

    @cached_property
    def request(self) -> str:
        """The key of what is asked of one pass, at any layer."""
        method = f"[{_canonical(self.method_class or self.use)},{_canonical(self.options)}]"
        target = f"[{_canonical(self.target_class or self.target.use)},{_canonical(self.target.options)}]"
        seed = self.seed if self.random else "null"
        precision = f'"{self.precision}"' if self.reruns else "null"
        aggregation = f",{_canonical(self.aggregation)}" if self.aggregation else ""
        output = "" if self.output is None else f",{json.dumps(['output', self.output])}"
        batch = "" if self.batch is None else f",{self.batch}"
        return short(f'[{method},{target},"{self.sources}",{seed},{precision}{aggregation}{output}{batch}]')

    @cached_property
    def evidence(self) -> str:
        """The key of the request at these layers: of the trial, raw maps depend on this and on nothing else."""
        return short(f'["{self.request}",{_canonical(self.layers)}]')

    @cached_property
    def id(self) -> str:
        """The key of the evidence with this finish: of the trial itself."""
        return short(f'["{self.evidence}",["",{_canonical(self.finish)}]]')


_TEXTS: dict[int, tuple[Any, str]] = {}
"""What thousands of trials share is written once; the values stay, so that their identities are theirs alone."""


def _canonical(value: Any) -> str:
    """JSON of which there is one for a value that never changes: a part of a trial."""
    entry = _TEXTS.get(id(value))
    if entry is None:
        plain = value.plain() if isinstance(value, FinishConfig | Aggregation) else value
        entry = value, json.dumps(plain, sort_keys=True, separators=(",", ":"))
        if len(_TEXTS) >= _MOST_TEXTS:
            _TEXTS.clear()
        _TEXTS[id(value)] = entry
    return entry[1]


_MOST_TEXTS = 10_000


def effective_finish(
    paper: Mapping[str, Any], general: FinishConfig, label: Mapping[str, Use], registry: Registry
) -> FinishConfig:
    """Stage by stage: the label's own word, else the config's, else the paper's, else the default.

    ``auto`` hands back to the paper. A stage that is stated replaces the one below it whole; none is ``auto`` afterwards.

    Raises:
        PluginContract: what the paper asks for does not exist.
    """
    try:
        papers = {stage: use for stage, use in read_finish(paper, registry).items() if use.use != "auto"}
    except ConfigError as error:
        raise PluginContract(f"the finish that a method's paper asks for: {error}") from error
    stated = {stage: use for stage, use in {**general.stages(), **label}.items() if use.use != "auto"}
    return FinishConfig(**{**DEFAULTS, **papers, **stated})
