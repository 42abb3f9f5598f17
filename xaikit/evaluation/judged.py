"""Maps judged by a metric, without a run: what tests of metrics are written with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaikit import engine
from xaikit.engine import Batch, Request
from xaikit.evaluation.cases import Case
from xaikit.evaluation.judging import Judge, Measure, Setting
from xaikit.evaluation.policies import at_input, digest_of, is_constant
from xaikit.evidence.taps import Tap
from xaikit.metric import Annotation, Metric
from xaikit.passes.tally import Tally
from xaikit.targets import PinnedClasses, Target


@dataclass(frozen=True)
class ChosenClasses:
    """The target that is a class of each sample, the highest by default."""

    classes: tuple[int, ...] | None = None

    plural = False

    def pin(self, output: Tensor, labels: Tensor | None) -> PinnedClasses:
        """The classes, (N, 1)."""
        chosen = output.argmax(1) if self.classes is None else torch.tensor(self.classes, device=output.device)
        return PinnedClasses(chosen.unsqueeze(1))


def _chosen(classes: Sequence[int] | None) -> ChosenClasses:
    return ChosenClasses(None if classes is None else tuple(classes))


def _request(method: Any, layer: str, target: Target, seed: int) -> Request:
    return Request("judged", "judged", method, (Tap(layer),) if layer else (), target, None, seed)


def maps_of(
    method: Any,
    layer: str,
    net: nn.Module,
    images: Tensor,
    classes: Sequence[int] | None = None,
    ids: Sequence[str] | None = None,
) -> Tensor:
    """The raw maps (N, *s) of a method, drawing what it draws where a metric explains again."""
    batch = Batch(images, tuple(ids or map(str, range(len(images)))))
    _, explanations = engine.explain(net, batch, [_request(method, layer, _chosen(classes), 0)])
    (saliency,) = explanations["judged"].maps.values()
    return saliency


def judged(
    metric: Metric,
    net: nn.Module,
    images: Tensor,
    maps: Tensor,
    *,
    classes: Sequence[int] | None = None,
    target: Target | None = None,
    annotations: Sequence[Annotation | None] | None = None,
    method: Any = None,
    layer: str = "",
    others: Tensor | None = None,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    black: Tensor | None = None,
    tally: Tally | None = None,
) -> list[Measure]:
    """What a metric says of one raw map a sample.

    Args:
        images: of the model, (N, C, *S).
        maps: raw and signed, (N, *s).
        classes: that are explained; the highest by default.
        target: that is explained, in place of classes.
        method, layer: that made the maps, for a metric that explains again.
        others: other photographs (count, C, *S), for a metric that asks for some.
        ids: what random numbers are drawn for; the places of the samples by default.
        tally: counts passes.

    Raises:
        Exception: whatever the metric raises.
    """
    count = len(images)
    request = _request(method, layer, target or _chosen(classes), seed)

    def drawn(case: Case, wanted: int, purpose: str) -> Tensor:
        assert others is not None, "the metric asks for other photographs: hand some over"
        return others[:wanted]

    setting = Setting(
        model=net,
        batch=Batch(images, tuple(ids or map(str, range(count)))),
        requests={"judged": request},
        black=torch.zeros(images.shape[1], *[1] * (images.dim() - 2)) if black is None else black,
        annotations=annotations or [None] * count,
        others=drawn,
        output="auto",
        mode="eval",
        precision="float32",
        seed=seed,
        tally=tally or Tally(),
    )
    space = tuple(images.shape[2:])
    resized = at_input([maps], space)
    constant, finite = is_constant(resized).tolist(), resized.flatten(1).isfinite().all(1).tolist()
    cases = [
        Case(row, 0, 0, (maps[row],), resized[row], digest_of(resized[row]), constant[row], finite[row], _ROW)
        for row in range(count)
    ]
    measures = {case.sample: measure for case, measure in Judge(setting).judge(metric, "judged", cases)}
    return [measures[row] for row in range(count)]


_ROW = {"evidence": "judged"}
