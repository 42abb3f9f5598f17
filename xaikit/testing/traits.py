"""What a method may say of itself in ``traits``; what it says is asserted, on the nets for which the theorem holds.

The identities are those of the methods' papers: a declaration that does not hold is a mistake in the formula, or in the
declaration.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.errors import nearest
from xaikit.registry import needs_of, traits_of
from xaikit.registry.declarations import draws_of
from xaikit.testing.checks import Work, distance, expect, expect_close, for_each, instances, named
from xaikit.testing.explaining import Scores, explained, of_class, on_every_net, only, raw, served
from xaikit.testing.nets import ATTENTION, FLAT, POOLED, SIGNED, Net, NetCase
from xaikit.testing.subjects import Subject

ROUNDING = 1e-9
DEFAULT = frozenset({"per_sample"})
"""Of a method that declares nothing: it explains every sample for itself."""


def per_sample(method: Any, case: NetCase) -> None:
    """The map of a sample is the same whatever batch it stands in, and in whatever order."""
    x, ids = case.inputs(3), ["a", "b", "c"]
    batch = raw(method, case, inputs=x, ids=ids)
    for row in range(3):
        alone = raw(method, case, inputs=x[row : row + 1], ids=ids[row : row + 1])
        expect_close(batch[row], alone[0], ROUNDING, "a sample alone and in a batch")
    turned = raw(method, case, inputs=x.flip(0), ids=ids[::-1])
    expect_close(turned.flip(0), batch, ROUNDING, "a batch in another order")


def class_specific(method: Any) -> None:
    """Another class has another map."""
    far = _most_between_classes(method)
    expect(far > 1e-3, "expected another map for another class, got the same on every net of the kit")


def class_agnostic(method: Any, case: NetCase) -> None:
    """Every class has the same map."""
    one, other = (raw(method, case, target=index) for index in (0, 1))
    expect_close(one, other, 0.0, "the maps of two classes")


def target_plays_a_part(method: Any) -> None:
    """A method that the target is nothing to declares it."""
    far = _most_between_classes(method)
    expect(far > 0, "expected another map for another class, got the same; if that is meant: Needs(scores=False)")


def _most_between_classes(method: Any) -> float:
    return max(distance(raw(method, case, target=0), raw(method, case, target=1)) for case in served(method))


def linear(method: Any, case: NetCase) -> None:
    """The map of a difference of scores is the difference of their maps."""
    difference = raw(method, case, target=Scores((1.0, -1.0, 0.0)))
    apart = raw(method, case, target=of_class(0)) - raw(method, case, target=of_class(1))
    expect_close(difference, apart, ROUNDING, "the map of y_0 - y_1 and the difference of maps")


def scale_free(method: Any, case: NetCase) -> None:
    """Scores times ten leave the picture as it is."""
    once, tenfold = (raw(method, case, target=of_class(1, times)) for times in (1.0, 10.0))
    expect(bool(once.any()), "expected a map that is not zero")
    expect_close(tenfold / tenfold.abs().amax(), once / once.abs().amax(), ROUNDING, "y and 10 y, normalized")


def complete(method: Any) -> None:
    """Behind a linear tail the map sums to the score less the bias."""
    cases = [case for case in served(method) if case in (POOLED, FLAT)]
    expect(bool(cases), "expected the kit's nets with a linear tail to be explained, got a refusal")
    for case in cases:
        net = case.net()
        assert isinstance(net, Net)
        total, scores = _total(method, case, net)
        expect_close(total + net.head.bias.detach()[1], scores, ROUNDING, f"on {case.name}: sum + bias and the score")


def conserves(method: Any) -> None:
    """At the input the map sums to the score less what is added on the way: to all of it where nothing is."""
    cases = [replace(case, layer="input") for case in served(method) if case in (POOLED, FLAT, SIGNED, ATTENTION)]
    expect(bool(cases), "expected the kit's nets of ReLUs, or that of attention, to be explained, got a refusal")
    for case in cases:
        net = case.net()
        for value in (value for name, value in net.named_parameters() if name.endswith(("bias", "token"))):
            value.data.zero_()
        expect_close(*_total(method, case, net), ROUNDING, f"on {case.name}: sum and score")


def _total(method: Any, case: NetCase, net: nn.Module) -> tuple[Tensor, Tensor]:
    explanation = explained({"checked": method}, case, target=1, net=net)["checked"]
    return only(explanation).flatten(1).sum(1), explanation.scores


def deterministic(method: Any, case: NetCase) -> None:
    """Nothing is drawn: another seed changes nothing, unless ``draws`` says that these options make it draw."""
    same = torch.equal(raw(method, case, seed=0), raw(method, case, seed=1))
    expect(same or draws_of(method), "another seed, another map")


def drawn(method: Any) -> None:
    """Something is drawn: another seed changes something."""
    same = all(torch.equal(raw(method, case, seed=0), raw(method, case, seed=1)) for case in served(method))
    expect(not same, "expected another map for another seed, got the same: declare the trait deterministic")


_OF_INSTANCES = for_each(instances, class_specific, complete, conserves)
TRAITS = named((*on_every_net(per_sample, linear, scale_free, deterministic), *_OF_INSTANCES))
OPPOSITES = named((*on_every_net(class_agnostic), *for_each(instances, target_plays_a_part, drawn)))
"""What is asserted of methods that do not declare a trait which they must declare where they have it."""


def traits_are_known(subject: Subject) -> None:
    """Every declared trait is one that the kit asserts."""
    for trait in traits_of(subject.cls) or ():
        expect(trait in TRAITS, f"traits: no trait {trait!r}; {nearest(trait, TRAITS)}")


def trait_holds(name: str) -> Work:
    """A check that asserts a trait where it is declared, and its opposite where a method must declare it."""

    def work(subject: Subject) -> None:
        traits, needs = traits_of(subject.cls), needs_of(subject.cls)
        if name in (DEFAULT if traits is None else traits):
            TRAITS[name](subject)
        elif name == "deterministic" and traits is not None:
            OPPOSITES["drawn"](subject)
        elif name == "class_specific":
            is_agnostic = needs is not None and not needs.scores
            OPPOSITES["class_agnostic" if is_agnostic else "target_plays_a_part"](subject)

    return work
