"""Needs form a union: what a pass records is what any of its methods reads."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.nets import PROPERTY
from xaikit.needs import Backward, LinearRule, Needs, union

FIELDS = st.fixed_dictionaries(
    dict(
        gradients=st.sampled_from((0, 1, 2)),
        inputs=st.booleans(),
        module=st.booleans(),
        head=st.booleans(),
        attention=st.sampled_from((0, 1, 2)),
        biases=st.booleans(),
        reruns=st.booleans(),
        replays=st.booleans(),
        scores=st.booleans(),
        layers=st.sampled_from(("none", "one", "all")),
    )
)


def allowed(fields: dict[str, Any]) -> Needs:
    """What goes together: attention and biases are of all layers."""
    return Needs(**{**fields, "layers": "all"} if fields["attention"] or fields["biases"] else fields)


NEEDS = FIELDS.map(allowed)
LEAST = Needs(scores=False, layers="none")


@PROPERTY
@given(NEEDS, NEEDS, NEEDS)
def test_the_union_is_commutative_associative_and_idempotent(a: Needs, b: Needs, c: Needs) -> None:
    assert a | b == b | a
    assert (a | b) | c == a | (b | c)
    assert a | a == a
    assert a | LEAST == a


@PROPERTY
@given(NEEDS, NEEDS)
def test_nothing_that_one_side_needs_is_lost(a: Needs, b: Needs) -> None:
    both = a | b
    assert (both | a) == both == (both | b)
    for field in dataclasses.fields(Needs):
        assert getattr(both, field.name) in (getattr(a, field.name), getattr(b, field.name))
    assert both.gradients == max(a.gradients, b.gradients)


def test_scores_are_needed_as_soon_as_one_method_needs_them() -> None:
    agnostic = Needs(scores=False)
    assert not union([agnostic, agnostic]).scores
    assert union([agnostic, Needs(gradients=1)]) == Needs(gradients=1)
    assert union([]) == LEAST


def test_the_layers_widen_from_none_over_one_to_all() -> None:
    assert (Needs(layers="none") | Needs(layers="one")).layers == "one"
    assert (Needs(layers="all") | Needs(layers="one")).layers == "all"


def test_a_method_asks_for_nothing_but_one_tap_unless_it_says_so() -> None:
    assert Needs() == Needs(gradients=0, inputs=False, module=False, head=False, attention=False, reruns=False)
    assert Needs().layers == "one"


def test_needs_are_values() -> None:
    assert hash(Needs(gradients=1)) == hash(Needs(gradients=1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Needs().inputs = True  # type: ignore[misc]
    with pytest.raises(TypeError, match="gradient"):
        Needs(gradient=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attention": 1}, 'layers: expected "all" beside attention or biases, .* got "one"'),
        ({"biases": True, "gradients": 1, "layers": "none"}, 'got "none"'),
    ],
)
def test_what_makes_no_sense_is_refused(fields: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Needs(**fields)


RULES = Backward(product="half", dense=LinearRule("gamma"), first=LinearRule("flat"))


def test_rules_are_of_one_method_and_no_part_of_a_union() -> None:
    needs = Needs(gradients=1, backward=RULES)
    assert needs | LEAST == needs | needs == Needs(gradients=1)


def test_rules_are_of_first_gradients_at_a_layer_or_the_input() -> None:
    assert Needs(gradients=1, layers="input", backward=RULES).backward == RULES
    for fields in ({"gradients": 0}, {"gradients": 2}, {"gradients": 1, "layers": "all"}):
        with pytest.raises(
            ValueError, match='backward: expected gradients=1 and layers "one" or "input" beside it, got'
        ):
            Needs(backward=RULES, **fields)  # type: ignore[arg-type]


def test_rules_say_what_they_are() -> None:
    assert str(RULES) == "(attention constant, activation gate, product half, dense gamma, first flat)"
    assert RULES.inside == Backward(product="half", dense=LinearRule("gamma"))


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r'^dense: expected a share .*, got "flat"'):
        Backward(dense=LinearRule("flat"))
    with pytest.raises(ValueError, match=r"^alpha: expected beta \+ 1, .* got 2.0 and 0.0"):
        LinearRule("alphabeta", alpha=2.0)
