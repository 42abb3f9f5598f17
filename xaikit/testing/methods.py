"""The contract of a method, one function a promise."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import torch
from torch import Tensor

from xaikit.config.arguments import read_finish
from xaikit.errors import UndeclaredNeed
from xaikit.method import further_of, parts_of, variants_of
from xaikit.passes.process import DREW
from xaikit.plain.others import changed
from xaikit.registry import paper_of
from xaikit.registry.modules import summary_of
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import STAGES
from xaikit.testing.checks import (
    COMMON,
    CheckFailed,
    Work,
    distance,
    expect,
    expect_close,
    expect_finite,
    for_each,
    instances,
    shown,
)
from xaikit.testing.explaining import (
    Pooled,
    explained,
    of_class,
    on_every_net,
    only,
    raw,
    served,
    simplest_cases,
    space_of,
    twin,
    without,
)
from xaikit.testing.left_alone import (
    bystanders_see_nothing,
    evidence_is_left_alone,
    nothing_is_left_behind,
    untouched_when_a_pass_fails,
)
from xaikit.testing.nets import POOLED, TOKENS, NetCase
from xaikit.testing.subjects import Subject
from xaikit.testing.traits import traits_are_known
from xaikit.testing.variants import equal_variants_are_equal

ROUNDING = 1e-10


def card_is_complete(subject: Subject) -> None:
    """An equation, and where it comes from."""
    plugin = subject.plugin
    text = plugin.cls.__doc__ or ""
    expect("=" in text, f"expected an equation in the docstring of {plugin.cls.__name__}, got {shown(text)}")
    if subject.is_offered:
        summary = summary_of(plugin.module)
        is_cited = bool(re.search(r"\b(19|20)\d\d\b|arXiv:|doi:|no paper", f"{summary} {text}", re.IGNORECASE))
        expect(is_cited, f"expected a citation (a year, arXiv:, doi:) or the words 'no paper', got {summary!r}")


def every_option_changes_something(subject: Subject) -> None:
    """On one of the kit's nets, or in a case that the author names in ``examples``."""
    made = subject.instances()
    for name in [item.name for item in dataclasses.fields(subject.cls)]:
        tried = [(one, other) for one in made for other in (*changed(one, name), *made)]
        expect(
            any(getattr(one, name) != getattr(other, name) and _differ(one, other) for one, other in tried),
            f"option {name}: expected it to change the map on one of the kit's nets, and it changes nothing; "
            "name a case where it does in examples: ClassVar = ({...},), or drop it",
        )


def _differ(one: Any, other: Any) -> bool:
    pairs = ((raw(one, case), raw(other, case)) for case in served(one) if case in served(other))
    return any(first.shape != second.shape or distance(first, second) > ROUNDING for first, second in pairs)


def shape_in_one_two_and_three_dimensions(method: Any, case: NetCase) -> None:
    saliency, parts = raw(method, case), parts_of(method)
    expected = (2, *([parts] if parts else []), *space_of(method, case))
    expect(saliency.shape == expected, f"expected a map {expected}, got {tuple(saliency.shape)}")
    expect_finite(saliency, "the map")


def half_precision(method: Any, case: NetCase) -> None:
    for dtype in (torch.bfloat16, torch.float32):
        expect_finite(raw(method, case, inputs=case.inputs(dtype=dtype), net=case.net(dtype)), f"in {dtype}")


def finite_on_zero_gradients(method: Any, case: NetCase) -> None:
    expect_finite(raw(method, case, target=of_class(0, times=0.0)), "zero gradients")


def finite_on_constant_activations(method: Any, case: NetCase) -> None:
    expect_finite(raw(method, case, inputs=torch.zeros_like(case.inputs())), "zero inputs")


def small_gradients_are_not_swallowed(method: Any, case: NetCase) -> None:
    """An absolute epsilon outweighs the gradients of real networks, 1e-4 and smaller: the picture would depend on scale."""
    if not method.needs.gradients:
        return
    least = _normalized(method, case, 1e-12)
    for times in (0.1, 1e-3, 1e-9):
        far = distance(_normalized(method, case, times), least)
        expect(
            far < 0.03,
            f"expected the picture of scores x {times:g} to be that of scores x 1e-12, got a difference of {far:.2g}; "
            "is there an absolute epsilon?",
        )


def _normalized(method: Any, case: NetCase, times: float) -> Tensor:
    saliency = raw(method, case, target=of_class(1, times))
    peak = saliency.abs().amax()
    return saliency / peak if peak > 0 else saliency


def same_seed_same_map(method: Any, case: NetCase) -> None:
    explanations = [explained({"checked": method}, case, seed=3)["checked"] for _ in range(2)]
    # the process's own random numbers are put back after a method, which may hide that it drew from them
    drawn = [remark.reason for remark in explanations[0].warnings if remark.reason.startswith(DREW)]
    expect(
        not drawn, f"expected draws from view.generator alone, got a method that {' and '.join(dict.fromkeys(drawn))}"
    )
    one, other = map(only, explanations)
    far = distance(one, other)
    expect(torch.equal(one, other), f"expected the same map twice, got a difference of {far:.2g}")


def alone_equals_shared(method: Any, case: NetCase) -> None:
    # "same" is one answer with it, a twin is asked anew
    others = {"before": Pooled(), "checked": method, "same": method, "again": twin(method), "after": twin(Pooled())}
    shared = {label: only(explanation) for label, explanation in explained(others, case).items()}
    alone = raw(method, case)
    same = all(torch.equal(shared[label], alone) for label in ("checked", "same", "again"))
    expect(same, "expected the map beside other methods to be the map alone, to the bit")
    expect(
        torch.equal(shared["before"], shared["after"]),
        "expected the evidence to be left as it is: Grad-CAM after it differs from Grad-CAM before it",
    )


def tokens_equal_maps(method: Any) -> None:
    if POOLED in served(method) and not method.needs.reruns:
        as_tokens, as_map = raw(method, TOKENS), raw(method, POOLED)
        expect_close(as_tokens, as_map, ROUNDING, "the same activations as tokens and as a map")


def several_targets_equal_one_by_one(method: Any, case: NetCase) -> None:
    together = raw(method, case, target={"use": "classes", "of": [2, 0]})
    for place, index in enumerate([2, 0]):
        # parts are the same whatever is asked for
        mine = together if parts_of(method) else together[:, place]
        expect_close(mine, raw(method, case, target=index), ROUNDING, "a class alone and among others")


def the_pinned_target_is_explained(method: Any, case: NetCase) -> None:
    """The class that is likeliest on the clean input is explained in every further pass, whatever wins there."""
    with torch.no_grad():
        likeliest = case.net()(case.inputs()).argmax(1).tolist()
    one, other = (raw(method, case, target=target) for target in ("top1", likeliest))
    expect_close(one, other, ROUNDING, "top1 and the class it is")


def needs_are_enough(method: Any) -> None:
    try:
        served(method)
    except UndeclaredNeed as error:
        raise CheckFailed(str(error)) from error


def needs_are_used(subject: Subject) -> None:
    for need in ("gradients", "backward", "inputs", "module", "head", "attention", "biases", "reruns", "replays"):
        wanting = [method for method in subject.instances() if getattr(method.needs, need)]
        is_used = not wanting or any(_is_missed(method, need) for method in wanting)
        expect(is_used, f"needs: {need} is declared and never read; leave it out of Needs(...)")


def _is_missed(method: Any, need: str) -> bool:
    try:
        return _differ(method, without(method, need))
    except UndeclaredNeed:
        return True


def declared_members_have_their_kind(method: Any) -> None:
    """``further`` gives a number of passes at any tap, ``parts`` is a number of maps, ``variants`` can be compared."""
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
    *for_each(instances, needs_are_enough),
    needs_are_used,
    *COMMON,
    card_is_complete,
    paper_finish_exists,
    *for_each(instances, declared_members_have_their_kind, tokens_equal_maps),
    *for_each(
        simplest_cases,
        evidence_is_left_alone,
        half_precision,
        untouched_when_a_pass_fails,
        bystanders_see_nothing,
        nothing_is_left_behind,
    ),
    *on_every_net(
        shape_in_one_two_and_three_dimensions,
        finite_on_zero_gradients,
        finite_on_constant_activations,
        small_gradients_are_not_swallowed,
        same_seed_same_map,
        alone_equals_shared,
        several_targets_equal_one_by_one,
        the_pinned_target_is_explained,
    ),
    every_option_changes_something,
    equal_variants_are_equal,
    traits_are_known,
)
