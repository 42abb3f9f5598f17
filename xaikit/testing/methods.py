"""The contract of a method, one function a promise."""

from __future__ import annotations

import dataclasses
import gc
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.config.arguments import read_finish
from xaikit.config.plugins import instantiate
from xaikit.config.schema import STAGES
from xaikit.errors import UndeclaredNeed
from xaikit.method import further_of, parts_of, variants_of
from xaikit.registry import paper_of
from xaikit.registry.modules import summary_of
from xaikit.testing.checks import COMMON, CheckFailed, distance, expect, expect_close, expect_finite, shown
from xaikit.testing.explaining import (
    Pooled,
    explained,
    of_class,
    only,
    raw,
    served,
    served_cases,
    space_of,
    twin,
    without,
)
from xaikit.testing.nets import POOLED, TOKENS, Case
from xaikit.testing.subjects import Subject, changed
from xaikit.testing.traits import traits_are_known
from xaikit.testing.variants import equal_variants_are_equal

ROUNDING = 1e-10
FAULTS: tuple[type[BaseException], ...] = (RuntimeError, KeyboardInterrupt, torch.OutOfMemoryError)
Work = Callable[[Subject], None]


def card_is_complete(subject: Subject) -> None:
    """An equation, and where it comes from."""
    plugin = subject.plugin
    text = plugin.cls.__doc__ or ""
    expect("=" in text, f"expected an equation in the docstring of {plugin.cls.__name__}, got {shown(text)}")
    if subject.is_offered:
        summary = summary_of(plugin.module)
        cited = re.search(r"\b(19|20)\d\d\b|arXiv:|doi:|no paper", f"{summary} {text}", re.IGNORECASE)
        expect(
            cited is not None, f"expected a citation (a year, arXiv:, doi:) or the words 'no paper', got {summary!r}"
        )


def every_option_changes_something(subject: Subject) -> None:
    """On one of the kit's nets, or in a case that the author names in ``examples``."""
    for name in [item.name for item in dataclasses.fields(subject.cls)]:
        tried = [(one, other) for one in subject.instances() for other in changed(one, name)]
        tried += [(one, other) for one in subject.instances() for other in subject.instances() if one != other]
        relevant = [(one, other) for one, other in tried if getattr(one, name) != getattr(other, name)]
        expect(
            any(_differ(one, other) for one, other in relevant),
            f"option {name}: expected it to change the map on one of the kit's nets, and it changes nothing; "
            "name a case where it does in examples: ClassVar = ({...},), or drop it",
        )


def _differ(one: Any, other: Any) -> bool:
    pairs = ((raw(one, case), raw(other, case)) for case in served(one) if case in served(other))
    return any(first.shape != second.shape or distance(first, second) > ROUNDING for first, second in pairs)


def shape_in_one_two_and_three_dimensions(subject: Subject) -> None:
    for method, case in served_cases(subject):
        saliency, parts = raw(method, case), parts_of(method)
        expected = (2, *([parts] if parts else []), *space_of(method, case))
        shape = tuple(saliency.shape)
        expect(shape == expected, f"on {case.name}: expected a map {expected}, got {shape}")
        expect_finite(saliency, f"on {case.name}")


def half_precision(subject: Subject) -> None:
    for method in subject.instances():
        case = served(method)[0]
        for dtype in (torch.bfloat16, torch.float32):
            expect_finite(raw(method, case, inputs=case.inputs(dtype=dtype), net=case.net(dtype)), f"in {dtype}")


def finite_on_zero_gradients(subject: Subject) -> None:
    for method, case in served_cases(subject):
        expect_finite(raw(method, case, target=of_class(0, times=0.0)), f"on {case.name}, zero gradients")


def finite_on_constant_activations(subject: Subject) -> None:
    for method, case in served_cases(subject):
        expect_finite(raw(method, case, inputs=torch.zeros_like(case.inputs())), f"on {case.name}, zero inputs")


def small_gradients_are_not_swallowed(subject: Subject) -> None:
    """An absolute epsilon outweighs the gradients of real networks, 1e-4 and smaller: the picture would depend on scale."""
    for method, case in served_cases(subject):
        if not method.needs.gradients:
            continue
        least = _normalized(method, case, 1e-12)
        for times in (0.1, 1e-3, 1e-9):
            far = distance(_normalized(method, case, times), least)
            expect(
                far < 0.03,
                f"on {case.name}: expected the picture of scores x {times:g} to be that of scores x 1e-12, got a "
                f"difference of {far:.2g}; is there an absolute epsilon?",
            )


def _normalized(method: Any, case: Case, times: float) -> Tensor:
    saliency = raw(method, case, target=of_class(1, times))
    peak = saliency.abs().amax()
    return saliency / peak if peak > 0 else saliency


def same_seed_same_map(subject: Subject) -> None:
    for method, case in served_cases(subject):
        one, other = raw(method, case, seed=3), raw(method, case, seed=3)
        expect(
            torch.equal(one, other),
            f"on {case.name}: expected the same map twice, got a difference of {distance(one, other):.2g}",
        )


def alone_equals_shared(subject: Subject) -> None:
    for method, case in served_cases(subject):
        alone = raw(method, case)
        # "same" is one answer with it, a twin is asked anew
        others = {"before": Pooled(), "checked": method, "same": method, "again": twin(method), "after": twin(Pooled())}
        shared = explained(others, case)
        for label in ("checked", "same", "again"):
            expect(
                torch.equal(only(shared[label]), alone),
                f"on {case.name}: expected the map beside other methods to be the map alone, to the bit",
            )
        expect(
            torch.equal(only(shared["before"]), only(shared["after"])),
            f"on {case.name}: expected the evidence to be left as it is: Grad-CAM after it differs from Grad-CAM before it",
        )


def tokens_equal_maps(subject: Subject) -> None:
    for method in subject.instances():
        if POOLED in served(method) and not method.needs.reruns:
            expect_close(
                raw(method, TOKENS), raw(method, POOLED), ROUNDING, "the same activations as tokens and as a map"
            )


def several_targets_equal_one_by_one(subject: Subject) -> None:
    for method, case in served_cases(subject):
        together = raw(method, case, target={"use": "classes", "of": [2, 0]})
        for place, index in enumerate([2, 0]):
            # parts are the same whatever is asked for
            mine = together if parts_of(method) else together[:, place]
            alone = raw(method, case, target=index)
            expect_close(mine, alone, ROUNDING, f"on {case.name}: a class alone and among others")


def the_pinned_target_is_explained(subject: Subject) -> None:
    """The class that is likeliest on the clean input is explained in every further pass, whatever wins there."""
    for method, case in served_cases(subject):
        with torch.no_grad():
            likeliest = case.net()(case.inputs()).argmax(1).tolist()
        expect_close(
            raw(method, case, target="top1"),
            raw(method, case, target=likeliest),
            ROUNDING,
            f"on {case.name}: top1 and the class it is",
        )


def needs_are_enough(subject: Subject) -> None:
    for method in subject.instances():
        try:
            served(method)
        except UndeclaredNeed as error:
            raise CheckFailed(str(error)) from error


def needs_are_used(subject: Subject) -> None:
    for need in ("gradients", "inputs", "module", "head", "attention", "biases", "reruns", "replays"):
        wanting = [method for method in subject.instances() if getattr(method.needs, need)]
        expect(
            not wanting or any(_is_missed(method, need) for method in wanting),
            f"needs: {need} is declared and never read; leave it out of Needs(...)",
        )


def _is_missed(method: Any, need: str) -> bool:
    for case in served(method):
        try:
            raw(without(method, need), case)
        except UndeclaredNeed:
            return True
    return False


def untouched_when_a_pass_fails(subject: Subject) -> None:
    for method in subject.instances():
        case = served(method)[0]
        for fault in FAULTS:
            for at in range(1, 4):
                _fails(method, case, fault, at)


def _fails(method: Any, case: Case, fault: type[BaseException], at: int) -> None:
    """Forwards from the ``at``-th on raise in the middle; the kit around it says what was left behind."""
    net = case.net().train()
    count = 0

    def hook(module: nn.Module, args: Any) -> None:
        nonlocal count
        count += 1
        if count >= at:
            raise fault("planted by the kit")

    net.get_submodule("head").register_forward_pre_hook(hook)
    try:
        explained({"checked": method}, case, net=net)
    except fault:
        return
    expect(
        count < at or fault is torch.OutOfMemoryError,
        f"expected {fault.__name__} of forward {at} to come through, and it was swallowed",
    )


def nothing_is_left_behind(subject: Subject) -> None:
    """Neither hooks nor tensors: what a method keeps would grow with every explanation."""
    for method in subject.instances():
        case = served(method)[0]
        net, x = case.net(), case.inputs()
        # what is there already is not looked through again: all of torch's modules and the process's tests
        gc.freeze()
        try:
            for _ in range(2):
                explained({"checked": method}, case, net=net, inputs=x)
            before = _tensors()
            for _ in range(5):
                explained({"checked": method}, case, net=net, inputs=x)
            more = _tensors() - before
        finally:
            gc.unfreeze()
        expect(more <= 0, f"expected no tensor to stay alive after an explanation, got {more} after five")


def _tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())


def declared_members_have_their_kind(subject: Subject) -> None:
    """``further`` gives a number of passes at any tap, ``parts`` is a number of maps, ``variants`` can be compared."""
    for method in subject.instances():
        for channels, places in ((1, 1), (4, 30), (2048, 49)):
            further_of(method, channels, places)
        parts_of(method)
        variants_of(method)


def paper_finish_exists(subject: Subject) -> None:
    stages = read_finish(paper_of(subject.cls), subject.registry)
    for stage, use in stages.items():
        if use.use not in ("auto", "none"):
            instantiate(STAGES[stage], use, subject.registry)


CHECKS: tuple[Work, ...] = (
    needs_are_enough,
    needs_are_used,
    *COMMON,
    card_is_complete,
    paper_finish_exists,
    declared_members_have_their_kind,
    shape_in_one_two_and_three_dimensions,
    half_precision,
    finite_on_zero_gradients,
    finite_on_constant_activations,
    small_gradients_are_not_swallowed,
    every_option_changes_something,
    same_seed_same_map,
    alone_equals_shared,
    tokens_equal_maps,
    several_targets_equal_one_by_one,
    the_pinned_target_is_explained,
    equal_variants_are_equal,
    untouched_when_a_pass_fails,
    nothing_is_left_behind,
    traits_are_known,
)
