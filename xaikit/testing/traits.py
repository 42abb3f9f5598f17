"""What a method may say of itself in ``traits``; what it says is asserted, on the nets for which the theorem holds.

The identities are those of the methods' papers: a declaration that does not hold is a mistake in the formula, or in the
declaration.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from xaikit.errors import nearest
from xaikit.registry import needs_of, traits_of
from xaikit.testing.checks import distance, expect, expect_close
from xaikit.testing.explaining import Scores, explained, of_class, only, raw, served, served_cases
from xaikit.testing.nets import FLAT, POOLED, Net
from xaikit.testing.subjects import Subject

ROUNDING = 1e-9
DEFAULT = frozenset({"per_sample"})
"""Of a method that declares nothing: it explains every sample for itself."""


def per_sample(subject: Subject) -> None:
    """The map of a sample is the same whatever batch it stands in, and in whatever order."""
    for method, case in served_cases(subject):
        x, ids = case.inputs(3), ["a", "b", "c"]
        batch = raw(method, case, inputs=x, ids=ids)
        for row in range(3):
            alone = raw(method, case, inputs=x[row : row + 1], ids=ids[row : row + 1])
            expect_close(batch[row], alone[0], ROUNDING, f"on {case.name}: a sample alone and in a batch")
        turned = raw(method, case, inputs=x.flip(0), ids=ids[::-1])
        expect_close(turned.flip(0), batch, ROUNDING, f"on {case.name}: a batch in another order")


def class_specific(subject: Subject) -> None:
    """Another class has another map."""
    for method in subject.instances():
        far = max(distance(raw(method, case, target=0), raw(method, case, target=1)) for case in served(method))
        expect(far > 1e-3, "expected another map for another class, got the same on every net of the kit")


def class_agnostic(subject: Subject) -> None:
    """Every class has the same map."""
    for method, case in served_cases(subject):
        expect_close(
            raw(method, case, target=0),
            raw(method, case, target=1),
            0.0,
            f"on {case.name}: the maps of two classes",
        )


def _target_plays_a_part(subject: Subject) -> None:
    """A method that the target is nothing to declares it."""
    for method in subject.instances():
        far = max(distance(raw(method, case, target=0), raw(method, case, target=1)) for case in served(method))
        expect(far > 0, "expected another map for another class, got the same; if that is meant: Needs(scores=False)")


def linear(subject: Subject) -> None:
    """The map of a difference of scores is the difference of their maps."""
    for method, case in served_cases(subject):
        difference = raw(method, case, target=Scores((1.0, -1.0, 0.0)))
        apart = raw(method, case, target=of_class(0)) - raw(method, case, target=of_class(1))
        expect_close(difference, apart, ROUNDING, f"on {case.name}: the map of y_0 - y_1 and the difference of maps")


def scale_free(subject: Subject) -> None:
    """Scores times ten leave the picture as it is."""
    for method, case in served_cases(subject):
        once, tenfold = (raw(method, case, target=of_class(1, times)) for times in (1.0, 10.0))
        expect(bool(once.any()), f"on {case.name}: expected a map that is not zero")
        expect_close(
            tenfold / tenfold.abs().amax(),
            once / once.abs().amax(),
            ROUNDING,
            f"on {case.name}: y and 10 y, normalized",
        )


def complete(subject: Subject) -> None:
    """Behind a linear tail the map sums to the score less the bias."""
    for method in subject.instances():
        cases = [case for case in served(method) if case in (POOLED, FLAT)]
        expect(bool(cases), "expected the kit's nets with a linear tail to be explained, got a refusal")
        for case in cases:
            net = case.net()
            assert isinstance(net, Net)
            explanation = explained({"checked": method}, case, target=1, net=net)["checked"]
            bias = net.head.bias.detach()[1]
            expect_close(
                only(explanation).flatten(1).sum(1) + bias,
                explanation.scores,
                ROUNDING,
                f"on {case.name}: sum + bias and the score",
            )


def deterministic(subject: Subject) -> None:
    """Nothing is drawn: another seed changes nothing."""
    for method, case in served_cases(subject):
        expect(
            torch.equal(raw(method, case, seed=0), raw(method, case, seed=1)),
            f"on {case.name}: another seed, another map",
        )


def drawn(subject: Subject) -> None:
    """Something is drawn: another seed changes something."""
    for method in subject.instances():
        same = all(torch.equal(raw(method, case, seed=0), raw(method, case, seed=1)) for case in served(method))
        expect(not same, "expected another map for another seed, got the same: declare the trait deterministic")


TRAITS: dict[str, Callable[[Subject], None]] = {
    "per_sample": per_sample,
    "class_specific": class_specific,
    "linear": linear,
    "scale_free": scale_free,
    "complete": complete,
    "deterministic": deterministic,
}


def traits_are_known(subject: Subject) -> None:
    """Every declared trait is one that the kit asserts."""
    for trait in traits_of(subject.cls) or ():
        expect(trait in TRAITS, f"traits: no trait {trait!r}; {nearest(trait, TRAITS)}")


def trait_holds(name: str) -> Callable[[Subject], None]:
    """A check that asserts a trait where it is declared, and its opposite where a method must declare it."""

    def work(subject: Subject) -> None:
        traits, needs = traits_of(subject.cls), needs_of(subject.cls)
        if name in (DEFAULT if traits is None else traits):
            TRAITS[name](subject)
        elif name == "deterministic" and traits is not None:
            drawn(subject)
        elif name == "class_specific":
            (class_agnostic if needs is not None and not needs.scores else _target_plays_a_part)(subject)

    return work
