"""Targets, finishers and sources with one fault each, and the check that finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from xaikit.errors import PluginContract
from xaikit.hookspecs import RunDone, RunFailed, RunStarted, hookimpl
from xaikit.registry import check_class
from xaikit.sources import OpenedModel, Photograph
from xaikit.targets import PinnedClasses
from xaikit.testing import CheckFailed, checks_of


@dataclass(frozen=True)
class Chosen:
    """A pinned function of logits (N, classes) and of what was pinned."""

    function: Callable[[Tensor], Tensor]
    plural: bool = False

    def scores(self, output: Tensor) -> Tensor:
        return self.function(output)


def target(pin: Callable[[Any, Tensor], Any]) -> type:
    return dataclass(frozen=True)(
        type("Faulty", (), {"__doc__": "A target.", "pin": lambda self, output, labels: pin(output, labels)})
    )


def finisher(name: str, function: Callable[..., Any], **declared: bool) -> type:
    facts = {"signed": True, "drops_negative": False, **declared}
    return dataclass(frozen=True)(
        type("Faulty", (), {"__doc__": "A stage.", **facts, name: lambda self, *given: function(*given)})
    )


def first(output: Tensor) -> Tensor:
    return output[:, :1]


TARGETS: dict[str, tuple[Callable[[Any, Tensor], Any], str]] = {
    "chosen again on every pass": (
        lambda output, labels: Chosen(lambda later: later.amax(1, keepdim=True)),
        "what_is_pinned_stays",
    ),
    "no column a target": (lambda output, labels: Chosen(lambda later: later[:, 0]), "scores_have_a_row_a_sample"),
    "several and not plural": (lambda output, labels: Chosen(lambda later: later[:, :2]), "scores_have_a_row_a_sample"),
    "detached": (lambda output, labels: Chosen(lambda later: first(later).detach()), "scores_are_differentiable"),
    "coupled by the batch": (
        lambda output, labels: Chosen(lambda later: first(later) - later.mean()),
        "samples_are_scored_alone",
    ),
    "of the labels, which nobody knows": (
        lambda output, labels: PinnedClasses(output.argmax(1, True) if labels is None else labels.unsqueeze(1)),
        "labels_are_declared",
    ),
    "output changed": (lambda output, labels: Chosen(lambda later: first(later.mul_(2))), "nothing_is_changed"),
    "whatever comes": (
        lambda output, labels: Chosen(first) if output.dim() == 2 else 1 / 0,
        "what_does_not_fit_is_refused",
    ),
}

MEMBERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "count is a word": ({"count": "two"}, {}, "declared_members_have_their_kind"),
    "plural is a word": ({"plural": "no"}, {}, "declared_members_have_their_kind"),
    "layer is a number": ({"layer": 4}, {}, "declared_members_have_their_kind"),
    "needs_labels is a word": ({"needs_labels": "sometimes"}, {}, "declared_members_have_their_kind"),
    "spatial is a word": ({}, {"spatial": "everywhere"}, "declared_members_have_their_kind"),
    "count of another number": ({"count": 2}, {}, "scores_have_a_row_a_sample"),
    "plural and pinned as one": ({"plural": True}, {}, "scores_have_a_row_a_sample"),
    "rows of another class": (
        {},
        {"rows": lambda self, index: Chosen(lambda later: later[:, 1:2])},
        "rows_are_the_chosen_samples",
    ),
    "rows without their place": (
        {},
        {"rows": lambda self, index: Chosen(first), "spatial": True},
        "rows_are_the_chosen_samples",
    ),
    "rows without probabilities": (
        {},
        {"rows": lambda self, index: Chosen(first), "probabilities": lambda self, output: first(output.softmax(1))},
        "rows_are_the_chosen_samples",
    ),
    "logits for probabilities": ({}, {"probabilities": lambda self, output: first(output)}, "probabilities_are_shares"),
    "logits of all": ({}, {"logits": lambda self, output: output}, "probabilities_are_shares"),
    "probabilities of all": ({}, {"probabilities": lambda self, output: output.softmax(1)}, "probabilities_are_shares"),
}
"""Of a target and of what it pins: optional members, one of them wrong."""

STAGES: dict[str, tuple[str, str, Callable[..., Any], str]] = {
    "another shape": ("rectifier", "rectify", lambda x: x[:1], "shape_and_type_are_kept"),
    "half precision": ("rectifier", "rectify", lambda x: x.half(), "shape_and_type_are_kept"),
    "changed in place": ("rectifier", "rectify", lambda x: x.relu_(), "nothing_is_changed"),
    "by the batch": ("normalizer", "normalize", lambda x, space: x / x.abs().amax(), "each_map_stands_for_itself"),
    "NaN hidden": ("rectifier", "rectify", lambda x: x.nan_to_num(0.0), "what_is_not_finite_stays_visible"),
    "zero by zero": (
        "normalizer",
        "normalize",
        lambda x, space: x / x.abs().amax(space, keepdim=True),
        "dead_maps_are_finite",
    ),
    "too large": ("normalizer", "normalize", lambda x, space: 2 * x, "range_is_at_most_one"),
    "negative all the same": ("normalizer", "normalize", lambda x, space: -x.abs(), "what_is_not_negative_stays_so"),
    "bent below zero": ("scaler", "scale", lambda x, stride: x - 0.1, "what_is_not_negative_stays_so"),
    "fused below zero": ("fuser", "fuse", lambda stack: stack[0] - stack[2], "what_is_not_negative_stays_so"),
    "no whole number": ("resizer", "size", lambda maps, inputs: (7.5, 7.5), "size_is_one_number_a_dimension"),
    "stack kept": ("fuser", "fuse", lambda stack: stack, "shape_and_type_are_kept"),
    "does not say": ("fuser", "fuse", lambda stack: stack.amax(0), "says_whether_to_normalize_again"),
}


@dataclass(frozen=True)
class Drawn:
    """A model whose weights nobody seeded."""

    def open(self) -> OpenedModel:
        return OpenedModel(nn.Linear(2, 2))


@dataclass(frozen=True)
class Bare:
    """A model that is not wrapped."""

    def open(self) -> Any:
        return nn.Linear(2, 2)


@dataclass(frozen=True)
class Shuffled:
    """Pictures in another order each time."""

    turns: tuple[int, ...] = ()
    _turns: list[int] = field(default_factory=list, compare=False, repr=False)

    def photographs(self) -> Sequence[Photograph]:
        self._turns.append(1)
        names = ["a", "b"] if len(self._turns) % 2 else ["b", "a"]
        return [Photograph(name, lambda: b"") for name in names]


@dataclass(frozen=True)
class Torn:
    """A picture that is none."""

    def photographs(self) -> Sequence[Photograph]:
        return [Photograph("a", lambda: b"no picture")]


@dataclass(frozen=True)
class Empty:
    """No picture."""

    def photographs(self) -> Sequence[Photograph]:
        return []


SOURCES = [
    ("model", Drawn, "opens_the_same_again"),
    ("model", Bare, "opens_a_model"),
    ("data", Shuffled, "pictures_are_listed_in_a_stable_order"),
    ("data", Empty, "pictures_are_listed_in_a_stable_order"),
    ("data", Torn, "pictures_can_be_read"),
]


def failing(kind: str, cls: type, name: str) -> None:
    (one,) = [check for check in checks_of(kind, cls) if check.name == name]
    with torch.random.fork_rng(devices=[]), pytest.raises(CheckFailed, match=rf"^{name}: "):
        one()


@pytest.mark.parametrize("fault", TARGETS)
def test_a_faulty_target_is_found(fault: str) -> None:
    pin, name = TARGETS[fault]
    failing("target", target(pin), name)


@pytest.mark.parametrize("fault", MEMBERS)
def test_a_faulty_member_of_a_target_is_found(fault: str) -> None:
    of_target, of_pinned, name = MEMBERS[fault]
    pinned = type("Pinned", (Chosen,), of_pinned)(first)
    members = {"__doc__": "A target.", "pin": lambda self, output, labels: pinned, **of_target}
    failing("target", dataclass(frozen=True)(type("Faulty", (), members)), name)


@pytest.mark.parametrize("fault", STAGES)
def test_a_faulty_stage_is_found(fault: str) -> None:
    kind, method, function, name = STAGES[fault]
    failing(kind, finisher(method, function), name)


@pytest.mark.parametrize(
    ("kind", "method", "function", "declared", "name"),
    [
        ("rectifier", "rectify", lambda x: x, "signed", "the_sign_is_as_declared"),
        ("normalizer", "normalize", lambda x, space: x / 9, "signed", "the_sign_is_as_declared"),
        ("rectifier", "rectify", lambda x: x.abs(), "drops_negative", "what_is_negative_is_dropped_as_declared"),
        (
            "rectifier",
            "rectify",
            lambda x: x.clamp_min(0) + 1,
            "drops_negative",
            "what_is_negative_is_dropped_as_declared",
        ),
    ],
)
def test_a_stage_that_declares_what_it_is_not_is_found(
    kind: str, method: str, function: Callable[..., Any], declared: str, name: str
) -> None:
    failing(kind, finisher(method, function, **{declared: declared == "drops_negative"}), name)


@pytest.mark.parametrize(
    ("kind", "member"), [("rectifier", "signed"), ("rectifier", "drops_negative"), ("normalizer", "signed")]
)
def test_a_stage_that_does_not_declare_its_sign_is_refused(kind: str, member: str) -> None:
    cls = finisher("rectify" if kind == "rectifier" else "normalize", lambda x, *_: x)
    delattr(cls, member)
    with pytest.raises(PluginContract, match=f"lacks {member}"):
        check_class(kind, cls, "mine")


@pytest.mark.parametrize(("kind", "cls", "name"), SOURCES)
def test_a_faulty_source_is_found(kind: str, cls: type, name: str) -> None:
    failing(kind, cls, name)


class Misspelt:
    @hookimpl
    def run_dne(self, run: RunDone) -> None: ...


class Wanting:
    @hookimpl
    def run_started(self, run: RunStarted, model: str) -> None: ...


class Strict:
    """Takes no mean that is NaN, and no failure."""

    @hookimpl
    def run_done(self, run: RunDone) -> None:
        assert all(value == value for value in run.numbers.values())

    @hookimpl
    def failed(self, failure: RunFailed) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("listener", "name"),
    [
        (Misspelt, "is_told_of_a_run"),
        (Wanting, "is_told_of_a_run"),
        (object, "is_told_of_a_failure"),
        (Strict, "is_told_of_a_run"),
        (Strict, "is_told_of_a_failure"),
    ],
)
def test_a_faulty_observer_is_found(listener: type, name: str) -> None:
    members = {"__doc__": "An observer.", "listen": lambda self: listener()}
    failing("observer", dataclass(frozen=True)(type("Faulty", (), members)), name)
