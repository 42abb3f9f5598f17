"""One forward and one gradient call a target for all methods that make no further pass, at all layers together."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from helpers.untouched import untouched
from xaikit.engine import Batch, Request, explain
from xaikit.evidence.taps import resolve, whole
from xaikit.passes.tally import Tally
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.testing.nets import ATTENTION, POOLED, NetCase

REGISTRY = Registry()
ONE_PASS = {
    POOLED.name: "cam center dff edges eigencam eigengradcam elementcam fem fullgrad gradcam gradcampp gradient hirescam "
    "inputxgradient kpcacam lafam layercam randomcam segeigencam uniform xgradcam",
    ATTENTION.name: "center dff edges eigencam eigengradcam elementcam fem gae gradcam gradcampp gradient hirescam "
    "inputxgradient kpcacam lafam layercam randomcam rawattention rollout segeigencam uniform xgradcam",
}
RULED = ["alilrp", "attnlrp", "cplrp", "decompx", "libragrad", "lrp"]
"""Methods that share the forward, and have a gradient call for rules that differ on the net."""
RECTIFIED = ["deconvnet", "guidedbackprop"]
"""The same, refused where there is no ReLU."""


def needs(name: str) -> Any:
    return REGISTRY.find("method", name).cls.needs


def requests(case: NetCase, names: list[str], layers: list[str], target: Use) -> list[Request]:
    taps, aim = resolve(case.net(), layers), instantiate("target", target, REGISTRY)
    listed = []
    for name in names:
        method = instantiate("method", Use(name), REGISTRY)
        single = whole(method.needs)
        # CAM is of the layer that is pooled, which is the last
        at = (single,) if single is not None else taps[-1:] if name == "cam" else taps
        listed.append(Request(name, name, method, at, aim, None))
    return listed


CASES = pytest.mark.parametrize(
    ("case", "layers"),
    [(POOLED, ["conv", "act"]), (ATTENTION, ["blocks.0", "blocks.1"])],
    ids=["maps", "tokens"],
)


@CASES
@pytest.mark.parametrize("classes", [(1,), (0, 2)], ids=["one class", "two classes"])
def test_all_one_pass_methods_share_one_forward(case: NetCase, layers: list[str], classes: tuple[int, ...]) -> None:
    names = ONE_PASS[case.name].split()
    net, x, tally = case.net(), case.inputs(), Tally()
    target = Use("classes", {"of": list(classes)})
    with untouched(net, x):
        _, explanations = explain(net, Batch(x, ("a", "b")), requests(case, names, layers, target), tally=tally)
    assert list(explanations) == names
    assert (tally.forwards, tally.reruns) == (1, 0)
    assert tally.gradient_calls <= len(classes)
    assert all(maps.isfinite().all() for name in names for maps in explanations[name].maps.values())


def test_no_method_of_one_pass_is_left_out() -> None:
    """Those that ask for no further pass, less those that a net of either kind refuses."""
    single = {
        name
        for name in REGISTRY.names("method")
        if not (needs(name).reruns or needs(name).replays or needs(name).gradients > 1 or needs(name).attention > 1)
    }
    assert single == {*" ".join(ONE_PASS.values()).split(), *RULED, *RECTIFIED}
    assert {name for name in REGISTRY.names("method") if needs(name).backward is not None} == {
        *RULED,
        *RECTIFIED,
        "guidedgradcam",
    }


@CASES
def test_methods_with_rules_of_their_own_share_the_forward(case: NetCase, layers: list[str]) -> None:
    names = [*ONE_PASS[case.name].split(), *RULED, *(RECTIFIED if case is POOLED else [])]
    net, x, tally, target = case.net(), case.inputs(), Tally(), Use("classes", {"of": [0, 2]})
    _, explanations = explain(net, Batch(x, ("a", "b")), requests(case, names, layers, target), tally=tally)
    assert list(explanations) == names
    # of ReLUs alone the rules of five methods are one; z-plus is another; each rule of ReLUs is one more
    ways = {POOLED: 5, ATTENTION: 5}[case]
    assert (tally.forwards, tally.reruns, tally.gradient_calls) == (1, 0, 2 * ways)


def test_the_same_maps_alone() -> None:
    case = POOLED
    names = ONE_PASS[case.name].split()
    net, x, target = case.net(), case.inputs(), Use("classes", {"of": [0, 2]})
    together = explain(net, Batch(x, ("a", "b")), requests(case, names, ["conv", "act"], target))[1]
    for name in names:
        alone = explain(net, Batch(x, ("a", "b")), requests(case, [name], ["conv", "act"], target))[1][name]
        for layer, maps in alone.maps.items():
            assert torch.equal(together[name].maps[layer], maps), (name, layer)
