"""Scores of variants of the input, for many cases at once: what one metric has paid for, others that state the same get."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from xaikit._numeric import exact
from xaikit.errors import ConfigError, PluginContract
from xaikit.evaluation.cases import Case
from xaikit.evaluation.policies import digest_of
from xaikit.metric import MakeVariants, Scored, VariantsOf
from xaikit.passes.chunks import in_chunks, rows_of_inputs
from xaikit.passes.nests import first_tensor, varied
from xaikit.reruns.context import PassContext
from xaikit.reruns.rescore import inputs_of, run, scoring
from xaikit.targets import Pinned, logits_of, probabilities_of

KINDS: tuple[Scored, ...] = ("probability", "logit", "target")

Key = tuple[Hashable, ...]

Handed = Literal["raws", "explained"]


@dataclass(frozen=True)
class ScoreCache:
    """The three scores of variants that may be asked for again: by what they depend on, then by number and case or photograph."""

    _scores: dict[Key, dict[tuple[int, Key], Tensor]] = field(default_factory=dict)

    def of(self, key: Key | None) -> dict[tuple[int, Key], Tensor]:
        """Where those are that state this; somewhere new for None, which nobody else can state."""
        return {} if key is None else self._scores.setdefault(key, {})


@dataclass(frozen=True)
class Scorer:
    """Scores variants of some cases, which are of one target.

    context  of the clean pass on the batch, narrowed to that target
    maps     of the cases as the metric reads them, (N, *S)
    handed   what else of the cases it has been handed: their ``raws``, or maps that their methods ``explained`` again
    """

    context: PassContext
    cases: Sequence[Case]
    maps: Tensor
    cache: ScoreCache
    handed: set[Handed] = field(default_factory=set)

    def clean(self, scored: Scored) -> Tensor:
        """The score of each case on its photograph as it is, (N, 1)."""
        scores = _three(self.context, self.context.trace.output, self.context.pinned)
        rows = [scores[case.sample, :, case.column] for case in self.cases]
        return torch.stack(rows)[:, [KINDS.index(scored)]]

    def rescore(
        self, count: int, make: MakeVariants, scored: Scored, key: Key | None, of: VariantsOf = "map"
    ) -> Tensor:
        """See :meth:`xaikit.metric.MetricView.rescore`; ``key`` says all that variants depend on beside what they are ``of``."""
        stored = self.cache.of(key)

        def lacking(numbers: range) -> list[int]:
            first = {name: row for row, name in reversed(list(enumerate(self._names(of))))}
            return [row for name, row in first.items() if any((number, name) not in stored for number in numbers)]

        def work(part: slice) -> Tensor:
            numbers = range(*part.indices(count))
            if lacking(numbers):
                variants = _shaped(make(part), self.maps, len(numbers))
                # what they are made of may have been read only now, and tells cases apart that were alike
                rows = lacking(numbers)
                scores = self._scores([self.cases[row] for row in rows], variants[rows])
                names = [self._names(of)[row] for row in rows]
                for name, each in zip(names, scores.unbind(0), strict=True):
                    stored.update({(number, name): one for number, one in zip(numbers, each.unbind(1), strict=True)})
            return torch.stack(
                [torch.stack([stored[number, name] for number in numbers], 1) for name in self._names(of)]
            )

        size = max(1, rows_of_inputs(first_tensor(self.context.inputs)[:1]) // len(set(self._names(of))))
        parts = in_chunks(count, size, work, self._halved)
        return torch.cat(parts, 2)[:, [KINDS.index(scored)]]

    def case(self, row: int) -> Scorer:
        """Of one case."""
        one = slice(row, row + 1)
        return replace(self, cases=self.cases[one], maps=self.maps[one])

    def _names(self, of: VariantsOf) -> list[Key]:
        """Equal for cases whose variants are: those of one photograph, and where these are of the map, with all alike that the
        metric has been handed of it."""
        if of == "photograph":
            return [case.photograph for case in self.cases]
        return [
            (*case.photograph, digest, *self._beside(case))
            for case, digest in zip(self.cases, self._digests, strict=True)
        ]

    def _beside(self, case: Case) -> Key:
        made = (case.made,) if "raws" in self.handed else ()
        return (*made, case.row["evidence"], case.control) if "explained" in self.handed else made

    @cached_property
    def _digests(self) -> list[bytes]:
        return [digest_of(each) for each in self.maps]

    def _halved(self, size: int) -> None:
        self.context.tally.halvings += 1

    def _scores(self, cases: Sequence[Case], variants: Tensor) -> Tensor:
        """The three scores (n, 3, m) of variants (n, m, C, *S) of some cases."""
        if self.context.trace.dependent:
            return torch.stack([self._beside_others(*pair) for pair in zip(cases, variants, strict=True)])
        each, most = variants.shape[1], rows_of_inputs(first_tensor(self.context.inputs)[:1])
        if each == 1 and len(cases) > most:
            starts = range(0, len(cases), most)
            return torch.cat([self._scores(cases[at : at + most], variants[at : at + most]) for at in starts])
        index = torch.tensor([case.sample for case in cases]).repeat_interleave(each)
        pinned = self.context.pinned_of(index)
        if pinned is None:
            raise ConfigError(
                f"target {self.context.pinned}: expected one that can be scored on other samples, as a metric does; of one "
                "that says no rows only maps can be measured"
            )
        output = run(self.context, self._with(inputs_of(self.context, index), variants.flatten(0, 1)))
        columns = torch.tensor([case.column for case in cases], device=variants.device).repeat_interleave(each)
        scores = _three(self.context, output, pinned)
        chosen = scores[torch.arange(len(scores), device=scores.device), :, columns.to(scores.device)]
        return chosen.reshape(len(cases), each, len(KINDS)).transpose(1, 2)

    def _beside_others(self, case: Case, variants: Tensor) -> Tensor:
        """The same (3, m) of one case, each variant beside the other samples as they are: where a model mixes samples."""
        scores = []
        for variant in variants:
            image = self.context.trace.input_layout.to_map(first_tensor(self.context.inputs)).clone()
            image[case.sample] = variant
            output = run(self.context, self._with(self.context.inputs, image))
            scores.append(_three(self.context, output, self.context.pinned)[case.sample, :, case.column])
        return torch.stack(scores, 1)

    def _with(self, inputs: object, image: Tensor) -> object:
        arranged = self.context.trace.input_layout.from_map(image, first_tensor(inputs))
        return varied(inputs, arranged)


def _three(context: PassContext, output: object, pinned: Pinned) -> Tensor:
    """Probability, logit and score of a target, (rows, 3, T); NaN where it is no class."""
    with scoring(context):
        target = exact(pinned.scores(output).detach())
        others = [_or_nan(function, output, target) for function in (probabilities_of(pinned), logits_of(pinned))]
    return torch.stack([*others, target], 1)


def _or_nan(function: Callable[[object], Tensor] | None, output: object, target: Tensor) -> Tensor:
    return torch.full_like(target, torch.nan) if function is None else function(output).detach().to(target)


def _shaped(variants: Tensor, maps: Tensor, count: int) -> Tensor:
    """Variants (N, m, C, *S) of maps (N, *S); behind their first axis there may be one of targets, of one."""
    shape = tuple(variants.shape) if isinstance(variants, Tensor) else type(variants).__name__
    # told by the number of axes, as a sample of one channel has an axis of one as well
    if isinstance(variants, Tensor) and variants.dim() == maps.dim() + 3 and variants.shape[1] == 1:
        variants = variants.squeeze(1)
    is_shaped = isinstance(variants, Tensor) and variants.dim() == maps.dim() + 2
    if not is_shaped or variants.shape[:2] != (len(maps), count):
        raise PluginContract(f"make: expected {len(maps)} x {count} variants, (N, m, C, *S), got {shape}")
    return variants
