"""Names, globs, modules and indices to taps, and a tap's tensor in whatever a module returned."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from helpers.nets import PROPERTY
from xaikit.errors import LayerNotFound, TapError
from xaikit.evidence.taps import Tap, resolve, tensors_at
from xaikit.layouts import Layout
from xaikit.passes.modules import module_at
from xaikit.passes.nests import replaced, tensors_in

Pair = namedtuple("Pair", ["out", "aux"])
ONE, TWO, THREE = (torch.full((1,), float(number)) for number in (1, 2, 3))


def stage() -> nn.Module:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(2, 2, 1), act=nn.ReLU()))


def model() -> nn.Module:
    names = ("layer1", "layer2", "layer10", "head")
    return nn.Sequential(OrderedDict((name, stage()) for name in names))


def names(*specs: Any, net: nn.Module | None = None) -> list[str]:
    return [str(tap) for tap in resolve(net or model(), list(specs))]


# --- resolve


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("layer2", ["layer2"]),
        ("layer2.conv", ["layer2.conv"]),
        ("layer*", ["layer1", "layer2", "layer10"]),
        ("layer?", ["layer1", "layer2"]),
        ("*", ["layer1", "layer2", "layer10", "head"]),
        ("*.act", ["layer1.act", "layer2.act", "layer10.act", "head.act"]),
        ("layer?.*", ["layer1.conv", "layer1.act", "layer2.conv", "layer2.act"]),
        ("layer2+", ["layer2+"]),
        ("layer?+", ["layer1+", "layer2+"]),
        ("layer2[1]", ["layer2[1]"]),
        ("layer2[out][0]+", ["layer2[out][0]+"]),
    ],
)
def test_names_and_globs(spec: str, expected: list[str]) -> None:
    assert names(spec) == expected
    assert [str(tap) for tap in resolve(model(), spec)] == expected


def test_the_order_is_the_one_given_and_nothing_comes_twice() -> None:
    assert names("layer2", "layer1", "layer?", "layer2") == ["layer2", "layer1"]
    assert names("layer2", "layer2+", "layer2[0]", "layer2[1]") == ["layer2", "layer2+", "layer2[0]", "layer2[1]"]
    assert names() == []


def test_an_index_that_is_a_number_is_one() -> None:
    assert resolve(model(), "layer1[1][out]+") == (Tap("layer1", (1, "out"), "consumed"),)


def test_a_module_stands_for_its_name() -> None:
    net = model()
    assert names(net.get_submodule("layer2.act"), "layer1", net=net) == ["layer2.act", "layer1"]
    assert resolve(net, net.get_submodule("layer2")) == (Tap("layer2"),)


def test_a_module_under_two_names_is_known_by_both() -> None:
    act = nn.ReLU()
    net = nn.Sequential(OrderedDict(one=act, two=act))
    assert names("two", net=net) == ["two"]
    assert names(act, net=net) == ["one"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("layer12", "no layer 'layer12'; did you mean 'layer2' or "),
        ("Layer2", "no layer 'Layer2'; did you mean 'layer2' or"),
        ("zzz*", "no layer 'zzz*'; known: head, head.act, head.conv, layer1, layer1.act"),
        ("layr2[0]+", "no layer 'layr2'; did you mean 'layer2'"),
        ("", "no layer ''; known: "),
        ("layer2[", "layer 'layer2[': expected a name, name[index], name@first, name@last or name+"),
        ("layer2[]", "layer 'layer2[]': expected a name, name[index], name@first, name@last or name+"),
        ("layer2+[0]", "layer 'layer2+[0]': expected a name, name[index], name@first, name@last or name+"),
    ],
)
def test_a_wrong_name_lists_the_nearest(spec: str, message: str) -> None:
    with pytest.raises(LayerNotFound) as caught:
        resolve(model(), spec)
    assert str(caught.value).startswith(message)


def test_a_module_of_another_model_is_refused() -> None:
    with pytest.raises(LayerNotFound) as caught:
        resolve(model(), nn.ReLU())
    assert str(caught.value) == ("ReLU is not a module of the model: expected one that model.named_modules() lists")


def test_a_model_without_modules_has_none_to_name() -> None:
    with pytest.raises(LayerNotFound, match=r"^no layer 'layer4'; there are none$"):
        resolve(nn.ReLU(), "layer4")


@PROPERTY
@given(
    st.from_regex(r"[a-z]{1,4}(\.[a-z0-9]{1,3}){0,2}", fullmatch=True),
    st.lists(st.integers(0, 99) | st.from_regex(r"[a-z]{1,4}", fullmatch=True), max_size=3).map(tuple),
    st.sampled_from(("output", "consumed")),
)
def test_what_a_tap_is_called_means_that_tap(name: str, index: tuple[str | int, ...], at: Any) -> None:
    net = nn.Module()
    inner = net
    for step in name.split("."):
        inner.add_module(step, nn.Module())
        inner = inner.get_submodule(step)
    tap = Tap(name, index, at)
    assert resolve(net, str(tap)) == (tap,)


def test_a_tap_with_a_layout_is_another_tap() -> None:
    assert Tap("a") == Tap("a")
    assert Tap("a") != Tap("a", layout=Layout("channels_last"))


# --- tensors_at


def at(output: Any, *index: str | int) -> tuple[tuple[str | int, ...], Tensor]:
    return tensors_at(output, Tap("neck", index))[0]


@pytest.mark.parametrize(
    ("output", "path"),
    [
        (ONE, ()),
        ((ONE, TWO), (0,)),
        ([None, {"x": ONE}], (1, "x")),
        ({"out": ONE, "aux": TWO}, ("out",)),
        (Pair(ONE, TWO), (0,)),
        (("text", (3, [ONE])), (1, 1, 0)),
    ],
)
def test_without_an_index_the_first_tensor_comes_first(output: Any, path: tuple[str | int, ...]) -> None:
    place, tensor = at(output)
    assert place == path
    assert tensor is ONE


@pytest.mark.parametrize(
    ("output", "index"),
    [
        ((TWO, ONE), (1,)),
        ({"out": TWO, "aux": ONE}, ("aux",)),
        ({"out": [TWO, ONE]}, ("out", 1)),
        (Pair(TWO, ONE), ("aux",)),
        (Pair(TWO, ONE), (1,)),
        ({0: TWO, 1: ONE}, (1,)),
    ],
)
def test_an_index_leads_to_its_tensor(output: Any, index: tuple[str | int, ...]) -> None:
    place, tensor = at(output, *index)
    assert place == index
    assert tensor is ONE


def test_without_an_index_every_floating_point_tensor_may_be_meant() -> None:
    counts = torch.zeros(1, dtype=torch.long)
    assert [path for path, _ in tensors_at((counts, ONE, {"x": TWO}), Tap("neck"))] == [(1,), (2, "x")]
    assert [path for path, _ in tensors_at((counts,), Tap("neck"))] == [(0,)]


@pytest.mark.parametrize(
    ("spec", "tap"),
    [
        ("conv@last", Tap("conv", call="last")),
        ("conv[1]@first", Tap("conv", (1,), call="first")),
        ("conv@last+", Tap("conv", at="consumed", call="last")),
    ],
)
def test_the_call_of_a_module_that_runs_more_than_once_can_be_named(spec: str, tap: Tap) -> None:
    model = nn.Sequential(OrderedDict(conv=nn.ReLU()))
    assert resolve(model, spec) == (tap,)
    assert str(tap) == spec


def test_the_module_inside_a_compiled_one_has_its_plain_name() -> None:
    inner = nn.Sequential(OrderedDict(conv=nn.ReLU()))
    model = nn.Sequential(OrderedDict(stage=torch.compile(inner)))
    assert resolve(model, "stage.conv") == (Tap("stage.conv"),)
    assert resolve(model, [inner, inner.conv]) == (Tap("stage"), Tap("stage.conv"))
    assert module_at(model, "stage.conv") is inner.conv
    assert module_at(model, "stage") is inner


def test_keys_that_are_digits_are_found() -> None:
    """torchvision's feature pyramids return ``{"0": ..., "1": ..., "pool": ...}``."""
    pyramid = OrderedDict([("0", TWO), ("1", ONE), ("pool", THREE)])
    (tap,) = resolve(nn.Sequential(OrderedDict(backbone=nn.ReLU())), "backbone[1]")
    ((path, tensor),) = tensors_at(pyramid, tap)
    assert path == ("1",)
    assert tensor is ONE
    assert replaced(pyramid, path, THREE)["1"] is THREE


@pytest.mark.parametrize(
    ("output", "index", "message"),
    [
        ("text", (), "layer neck: expected a tensor, got str"),
        (None, (), "layer neck: expected a tensor, got NoneType"),
        ((None, [3]), (), "layer neck: expected a tensor, got tuple"),
        ((ONE, TWO), (2,), "layer neck[2]: returned nothing at [2]; it returned [0], [1]"),
        (
            {"out": ONE, "aux": (TWO, THREE)},
            ("aus",),
            "layer neck[aus]: returned nothing at [aus]; it returned [out], [aux][0], [aux][1]",
        ),
        ({"0": ONE}, (1,), "layer neck[1]: returned nothing at [1]; it returned [0]"),
        ((ONE, TWO), ("out",), "layer neck[out]: returned nothing at [out]; it returned [0], [1]"),
        ((), (0,), "layer neck[0]: returned nothing at [0]; it returned no tensor"),
        (ONE, (0,), "layer neck[0]: returned nothing at [0]; it returned a tensor"),
        ((ONE, TWO), (1, 0), "layer neck[1][0]: returned nothing at [0]; it returned [0], [1]"),
        ((ONE, "text"), (1,), "layer neck[1]: expected a tensor, got str"),
    ],
)
def test_an_index_that_leads_nowhere_says_what_there_is(
    output: Any, index: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(TapError) as caught:
        at(output, *index)
    assert str(caught.value) == message


# --- replaced

LEAVES = st.builds(lambda value: torch.full((1,), value), st.floats(-9, 9)) | st.none() | st.text(max_size=3)
NESTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=8,
)


@PROPERTY
@given(NESTS)
def test_any_tensor_of_a_nest_is_replaced_alone_and_in_a_copy(nest: Any) -> None:
    before = [(path, tensor) for path, tensor in tensors_in(nest)]
    for path, _ in before:
        result = replaced(nest, path, THREE)
        assert type(result) is (type(nest) if path else Tensor)
        for other, old in before:
            ((_, changed),) = tensors_at(result, Tap("x", other)) if other else tensors_in(result)
            assert changed is (THREE if other == path else old)
    assert all(tensor is old for (_, tensor), (_, old) in zip(tensors_in(nest), before, strict=True))


def test_the_kind_of_mapping_is_kept() -> None:
    result = replaced(OrderedDict(a=ONE, b=TWO), ("b",), THREE)
    assert type(result) is OrderedDict
    assert list(result) == ["a", "b"]


def test_an_attribute_cannot_be_replaced() -> None:
    with pytest.raises(TapError) as caught:
        replaced(Pair(ONE, TWO), ("aux",), THREE)
    assert str(caught.value) == "expected a tuple, list or mapping to replace [aux] in, got Pair"
