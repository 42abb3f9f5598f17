"""Explain pictures so that nothing is lost to one of them: what fails is tried in halves until the guilty one is alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xaikit import engine
from xaikit.bench.loader import Picture
from xaikit.bench.opened import OpenedBench
from xaikit.engine import Request
from xaikit.engine.session import distinct
from xaikit.evidence.trace import Trace
from xaikit.explanation import Explanation
from xaikit.passes.chunks import is_out_of_memory
from xaikit.passes.raised import error_text
from xaikit.passes.tally import Tally
from xaikit.targets import needs_labels


@dataclass(frozen=True)
class ExplainedBatch:
    """Pictures that went through the model together, and what was found out: by label, without what failed."""

    pictures: tuple[Picture, ...]
    trace: Trace
    explanations: dict[str, Explanation]


@dataclass(frozen=True)
class PictureFailure:
    """What one picture could not be explained by, and why."""

    picture: Picture
    requests: tuple[Request, ...]
    error: str
    details: str = ""


Explained = Iterator[ExplainedBatch | PictureFailure]


def explain_pictures(
    opened: OpenedBench, pictures: Sequence[Picture], requests: Sequence[Request], tally: Tally
) -> Explained:
    """Explain pictures by every request; an error of one of them costs no other.

    Pictures without a usable label are explained by what asks for none. Interrupts and the end of the process are not held up.
    """
    unlabelled = [picture for picture in pictures if picture.unlabelled]
    bound = tuple(request for request in requests if needs_labels(request.target))
    free = [request for request in requests if not needs_labels(request.target)]
    if bound:
        yield from (PictureFailure(picture, bound, picture.unlabelled) for picture in unlabelled)
    yield from _explain(opened, [picture for picture in pictures if not picture.unlabelled], requests, tally)
    yield from _explain(opened, unlabelled, free, tally)


def _explain(opened: OpenedBench, pictures: Sequence[Picture], requests: Sequence[Request], tally: Tally) -> Explained:
    if not pictures or not requests:
        return
    # errors are kept as text, as they hold on to the tensors of all their frames
    model = opened.model.module
    failed: dict[str, tuple[Sequence[Request], tuple[str, str]]] = {}
    try:
        trace, explanations = engine.explain(
            model,
            opened.batch(pictures),
            requests,
            output=opened.config.model.output,
            mode=opened.config.model.mode,
            tally=tally,
            failed=lambda request, error: failed.update({request.label: ([request], error_text(error, model))}),
        )
    except Exception as error:  # whatever a model or a target raises belongs to the pictures that it was raised on
        tally.halvings += is_out_of_memory(error)
        failed = {"": (requests, error_text(error, model))}
    else:
        failed = {label: each for label, each in failed.items() if label not in explanations}
        yield ExplainedBatch(tuple(pictures), trace, explanations)
    for several, text in failed.values():
        yield from _narrow(opened, pictures, several, tally, text)


def _narrow(
    opened: OpenedBench, pictures: Sequence[Picture], requests: Sequence[Request], tally: Tally, text: tuple[str, str]
) -> Explained:
    """What failed, again in two halves; of one picture target by target; or the failure where there is one of each."""
    middle = len(pictures) // 2
    targets = distinct(request.target for request in requests)
    if middle:
        yield from _explain(opened, pictures[:middle], requests, tally)
        yield from _explain(opened, pictures[middle:], requests, tally)
    elif len(targets) > 1:
        for target in targets:
            yield from _explain(opened, pictures, [each for each in requests if each.target == target], tally)
    else:
        yield PictureFailure(pictures[0], tuple(requests), *text)
