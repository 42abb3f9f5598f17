"""What a plugin may declare beside its contract is read in one place, and refused where it is something else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import xaikit
from xaikit.errors import PluginContract
from xaikit.method import further_of, parts_of, variants_of
from xaikit.needs import Needs
from xaikit.registry import needs_of, paper_of, traits_of
from xaikit.registry.declarations import draws_of, is_drawn
from xaikit.targets import count_of, is_spatial, layer_of, needs_labels, plural_of, probabilities_of, rows_of

MEMBERS = "needs paper traits further variants parts draws count plural layer needs_labels rows probabilities spatial"
HOMES = {"errors.py", "method.py", "targets.py", "registry/declarations.py", "cli/metric_facts.py"}


def made(**members: Any) -> Any:
    return type("Plugin", (), members)


def test_what_is_not_declared_is_its_default() -> None:
    cls = made()
    assert (needs_of(cls), traits_of(cls), paper_of(cls)) == (None, None, {})
    assert (further_of(cls(), 4, 9), parts_of(cls()), variants_of(cls())) == (0, 0, None)
    assert (count_of(cls()), plural_of(cls()), layer_of(cls()), needs_labels(cls())) == (None, None, None, False)
    assert (draws_of(cls()), is_drawn(cls, {})) == (False, True)
    assert (rows_of(cls()), probabilities_of(cls()), is_spatial(cls())) == (None, None, False)


def test_what_is_declared_is_read() -> None:
    cls = made(needs=Needs(gradients=1), traits=["linear"], paper={"rectify": "relu"}, parts=3, count=2, layer="conv")
    assert (needs_of(cls), traits_of(cls), paper_of(cls)) == (Needs(gradients=1), {"linear"}, {"rectify": "relu"})
    assert (parts_of(cls()), count_of(cls()), layer_of(cls())) == (3, 2, "conv")
    counting = made(further=lambda self, channels, places: channels * places, variants=lambda self: (1, "a"))()
    assert (further_of(counting, 4, 9), variants_of(counting)) == (36, (1, "a"))


def test_the_seed_matters_where_options_make_a_deterministic_method_draw() -> None:
    fixed = made(traits=["deterministic"])
    assert not is_drawn(fixed, {})
    noisy = made(
        traits=["deterministic"],
        __init__=lambda self, noise: setattr(self, "noise", noise),
        draws=property(lambda self: self.noise > 0),
    )
    assert [is_drawn(noisy, {"noise": noise}) for noise in (0, 1)] == [False, True]


def test_needs_that_only_an_instance_tells_are_unknown_of_its_class() -> None:
    assert needs_of(made(needs=property(lambda self: Needs(reruns=True)))) is None


@pytest.mark.parametrize(
    ("read", "members", "message"),
    [
        (traits_of, {"traits": "linear"}, "traits: expected names of traits, got 'linear'"),
        (paper_of, {"paper": ("relu",)}, "paper: expected a mapping from stages to choices, got ('relu',)"),
        (lambda cls: parts_of(cls()), {"parts": True}, "parts: expected a number of maps, 1 or more, got True"),
        (
            lambda cls: further_of(cls(), 4, 9),
            {"further": lambda self, channels, places: 1.5},
            "further: expected a number of passes, 0 or more, got 1.5",
        ),
        (lambda cls: draws_of(cls()), {"draws": 1}, "draws: expected True or False, got 1"),
        (lambda cls: count_of(cls()), {"count": 0}, "count: expected a number of scores, 1 or more, got 0"),
        (lambda cls: plural_of(cls()), {"plural": "no"}, "plural: expected True or False, got 'no'"),
        (lambda cls: layer_of(cls()), {"layer": 4}, "layer: expected the name of a module, got 4"),
        (lambda cls: needs_labels(cls()), {"needs_labels": 1}, "needs_labels: expected True or False, got 1"),
        (lambda cls: is_spatial(cls()), {"spatial": "yes"}, "spatial: expected True or False, got 'yes'"),
    ],
)
def test_what_is_of_another_kind_is_refused(read: Any, members: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginContract) as caught:
        read(made(**members))
    assert str(caught.value) == message


def test_nobody_else_probes() -> None:
    root = Path(xaikit.__file__).parent
    probe = re.compile(rf"(getattr|hasattr)\([^()]*, \"({'|'.join(MEMBERS.split())})\"")
    probing = {str(path.relative_to(root)) for path in root.rglob("*.py") if probe.search(path.read_text("utf-8"))}
    assert probing <= HOMES
    assert probe.search('hasattr(target, "rows")')
