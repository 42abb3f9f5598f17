"""Explain pictures so that nothing is lost to one of them: what fails is tried in halves until the guilty one is alone."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xaikit import engine
from xaikit.bench.bench import Bench
from xaikit.bench.loader import Picture
from xaikit.engine import Request
from xaikit.engine.reruns.chunks import is_out_of_memory
from xaikit.engine.session import distinct
from xaikit.evidence.observe import Tally
from xaikit.evidence.trace import Trace
from xaikit.explanation import Explanation


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


def explained(
    bench: Bench, pictures: Sequence[Picture], requests: Sequence[Request], tally: Tally
) -> Iterator[ExplainedBatch | PictureFailure]:
    """Explain pictures by every request; an error of one of them costs no other.

    Interrupts and the end of the process are not held up.
    """
    if not pictures or not requests:
        return
    unlabelled = [picture for picture in pictures if picture.unlabelled]
    if unlabelled:
        yield from _unlabelled(bench, pictures, requests, tally)
        return
    failed: list[tuple[Request, Said]] = []
    try:
        trace, explanations = engine.explain(
            bench.opened.module,
            bench.batch(pictures),
            requests,
            output=bench.config.model.output,
            tally=tally,
            failed=lambda request, error: failed.append((request, said_of(error))),
        )
    except Exception as error:  # whatever a model or a target raises belongs to the pictures that it was raised on
        tally.halvings += is_out_of_memory(error)
        again = _shared_fault(pictures, requests, said_of(error))
    else:
        yield ExplainedBatch(tuple(pictures), trace, explanations)
        again = [_smaller(pictures, [request], said) for request, said in failed]
    for step in again:
        if isinstance(step, PictureFailure):
            yield step
            continue
        for fewer, asked in step:
            yield from explained(bench, fewer, asked, tally)


Said = tuple[str, str]
"""Why, in a line, and the traceback: kept as text, as an error holds on to the tensors of all its frames."""


def said_of(error: Exception) -> Said:
    """An error in words, with what was noted about it on its way."""
    said = "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    return said, "".join(traceback.format_exception(error))


Smaller = list[tuple[Sequence[Picture], Sequence[Request]]]


def _shared_fault(
    pictures: Sequence[Picture], requests: Sequence[Request], said: Said
) -> list[PictureFailure | Smaller]:
    """The pass that all share raised: it may be the picture, or the target of some."""
    targets = list(distinct(request.target for request in requests))
    if len(pictures) > 1 or len(targets) == 1:
        return [_smaller(pictures, requests, said)]
    apart: Smaller = [(pictures, [request for request in requests if request.target == target]) for target in targets]
    return [apart]


def _smaller(pictures: Sequence[Picture], requests: Sequence[Request], said: Said) -> PictureFailure | Smaller:
    """The same in two halves, or the fault where there is only one picture."""
    if len(pictures) == 1:
        return PictureFailure(pictures[0], tuple(requests), *said)
    middle = len(pictures) // 2
    return [(pictures[:middle], requests), (pictures[middle:], requests)]


def _unlabelled(
    bench: Bench, pictures: Sequence[Picture], requests: Sequence[Request], tally: Tally
) -> Iterator[ExplainedBatch | PictureFailure]:
    """Pictures without a usable label are explained by what asks for none."""
    free = [request for request in requests if request.label not in bench.labelled]
    bound = tuple(request for request in requests if request.label in bench.labelled)
    for picture in pictures:
        if picture.unlabelled and bound:
            yield PictureFailure(picture, bound, picture.unlabelled)
    known = [picture for picture in pictures if not picture.unlabelled]
    unknown = [picture.without_complaint() for picture in pictures if picture.unlabelled]
    yield from explained(bench, known, requests, tally)
    yield from explained(bench, unknown, free, tally)
