"""What is put to the engine: a batch and requests, and which of the requests are explained together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from xaikit.evidence.forward import Readout
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Trace
from xaikit.finish import Finish
from xaikit.layouts import Arrangement
from xaikit.method import Method
from xaikit.needs import Needs
from xaikit.passes.samples import Shared
from xaikit.passes.tally import Tally
from xaikit.schema.sections import PLAIN, Aggregation, Precision
from xaikit.targets import Pinned, Target, probabilities_of, rows_of


@dataclass(frozen=True)
class Batch:
    """What the model is run on.

    inputs  a tensor, a tuple or a dict, N samples along the first dimension
    ids     one a sample: the identity its random numbers are drawn for
    labels  class indices (N,), where known
    input_layout  how the (first) input is arranged, where somebody says it
    shared  the ways to inputs that are no sample's, likewise
    picture  from a file that an option names to what the (first) input is of it, as a batch of one, where its transform is known
    layout  how the tensors at layers are arranged, where somebody says it: for layers that a method asks for by itself
    """

    inputs: Any
    ids: tuple[str, ...]
    labels: Tensor | None = None
    input_layout: Arrangement | None = None
    shared: Shared | None = None
    picture: Callable[[str], Tensor] | None = None
    layout: Arrangement | None = None


@dataclass(frozen=True)
class Request:
    """One label with everything resolved: what to explain, where, by which method, and how to finish it.

    taps    where; the gradients there are by the rules of the method
    finish  None: somebody else finishes the raw maps. Then nothing is finished here, and what is remarked holds for
            any finish; see :func:`xaikit.plain.remarks.holds_for`
    aggregation  how the raw maps are taken: augmentation, and how channels are reduced
    """

    label: str
    use: str
    method: Method
    taps: tuple[Tap, ...]
    target: Target
    finish: Finish | None
    seed: int = 0
    precision: Precision = "float32"
    aggregation: Aggregation = PLAIN

    def __post_init__(self) -> None:
        taps = tuple(replace(tap, backward=self.method.needs.backward) for tap in self.taps)
        object.__setattr__(self, "taps", taps)


@dataclass(frozen=True)
class PinnedRequest:
    """A request, the place of its target among the pinned ones, and its method's ``variants()`` (None without)."""

    request: Request
    place: int
    variants: Hashable = None


@dataclass(frozen=True)
class RequestGroup:
    """Requests that are explained together, by one call of their method a tap."""

    members: tuple[PinnedRequest, ...]

    @property
    def common(self) -> Request:
        """One of them: they agree in method, seed and precision."""
        return self.members[0].request

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Those of all requests."""
        return tuple(dict.fromkeys(tap for member in self.members for tap in member.request.taps))

    @property
    def places(self) -> list[int]:
        """Of all their targets, ascending."""
        return sorted({member.place for member in self.members})

    def columns(self, member: PinnedRequest, columns: Sequence[slice]) -> slice:
        """Where a request's target lies among the targets of the group, of which ``columns`` are given by place."""
        start = sum(columns[place].stop - columns[place].start for place in self.places if place < member.place)
        return slice(start, start + columns[member.place].stop - columns[member.place].start)


@dataclass(frozen=True)
class SharedPass:
    """The clean pass of a model on a batch, which all requests share.

    readout  what targets are scored on
    tally    counts this pass and those that follow
    differentiable  whether maps keep the graph that they are made by
    """

    model: nn.Module
    batch: Batch
    trace: Trace
    readout: Readout
    tally: Tally
    differentiable: bool = False


def group_requests(requests: Iterable[PinnedRequest], pinned: Sequence[Pinned]) -> list[list[RequestGroup]]:
    """As few groups as explain all requests; those whose re-run variants are the same stand together.

    Methods that make further passes make them once for all targets that can be scored by rows. Methods that make none
    are called for each target apart: there is nothing to save, and a map is then the same to the bit whoever else is
    explained, which a product of matrices is not.
    """
    groups: list[list[PinnedRequest]] = []
    for request in requests:
        group = next((group for group in groups if _together(group[0], request, pinned)), None)
        if group is None:
            groups.append([request])
        else:
            group.append(request)
    families: dict[Hashable, list[RequestGroup]] = {}
    for number, group in enumerate(groups):
        families.setdefault(_family(group[0]) or number, []).append(RequestGroup(tuple(group)))
    return list(families.values())


def _together(one: PinnedRequest, other: PinnedRequest, pinned: Sequence[Pinned]) -> bool:
    first, second = one.request, other.request
    if _conditions(first) != _conditions(second) or not equal(first.method, second.method):
        return False
    needs = first.method.needs
    if needs.layers != "one" and first.taps != second.taps:
        return False
    return one.place == other.place or _serves_several(needs, [pinned[one.place], pinned[other.place]])


def _conditions(request: Request) -> tuple[Any, ...]:
    return request.use, request.seed, request.precision, request.aggregation


def _serves_several(needs: Needs, targets: Sequence[Pinned]) -> bool:
    """Whether one call of a method serves several targets."""
    if not needs.uses_target:
        return True
    further = needs.reruns or needs.replays or needs.gradients > 1 or needs.attention > 1
    # one without probabilities would leave all together without
    alike = len({probabilities_of(target) is None for target in targets}) == 1
    return further and alike and all(rows_of(target) is not None for target in targets)


def equal(one: object, other: object) -> bool:
    """Whether two methods or targets are the same; where options such as tensors leave that open, they are not."""
    if one is other or type(one) is not type(other):
        return one is other
    try:
        return bool(one == other)
    except Exception:
        return False


def _family(member: PinnedRequest) -> Hashable:
    """Equal where one run of the model serves the variants of several groups; None where it serves one alone."""
    request = member.request
    if member.variants is None or not request.method.needs.reruns:
        return None
    return (type(request.method), *_conditions(request), member.variants)
