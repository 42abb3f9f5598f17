from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from helpers.config_files import NEEDED
from helpers.fake_plugins import Size, Smooth, fake_registry
from xaikit.config import load
from xaikit.config.arguments import read_finish, read_methods, read_target
from xaikit.errors import ConfigError, PluginConflict, PluginContract, PluginError, UnknownPlugin
from xaikit.hookspecs import hookimpl
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import MethodConfig

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTypes

REGISTRY = fake_registry()


@dataclass(frozen=True)
class Lost:
    needs: ClassVar[Any] = None
    explain: ClassVar[Any] = None
    amount: OnlyForTypes | None = None


@dataclass(frozen=True)
class Calling:
    needs: ClassVar[Any] = None
    explain: ClassVar[Any] = None
    function: Callable[[int], int] = abs
    ratio: float = 2


def test_what_a_class_refuses_is_an_error_at_its_key(faults: Any) -> None:
    assert faults(methods={"smooth": {"n": 0}}) == ("methods.smooth.n: expected at least 1, got 0",)
    assert faults(methods={"smooth": {"n": 2, "std": 2}}) == ("methods.smooth: std and n must differ",)
    assert faults(methods={"smooth": {"n": 0}}, seed="x") == (
        "seed: expected an integer, got 'x'",
        "methods.smooth.n: expected at least 1, got 0",
    )


def test_what_is_required(faults: Any) -> None:
    assert faults(target={"use": "logit"}, model={"source": "zoo"}) == (
        "model.name: required, but not given",
        "target.index: required, but not given",
    )


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("n", True, "expected an integer, got true"),
        ("n", "many", "expected an integer, got 'many'"),
        ("n", 2.5, "expected an integer, got 2.5"),
        ("std", False, "expected a number, got false"),
        ("note", 3, 'expected a string, got 3; quote it, "3"'),
        ("note", True, 'expected a string, got true; YAML reads true as a boolean: quote it, "true"'),
        ("variant", "papr", "expected 'paper' or 'corrected', got 'papr'; did you mean 'paper'?"),
        ("sizes", "x", "expected a list or an integer, got 'x'"),
        ("sizes", [1, True], "expected an integer at [1] or an integer, got [1, True]"),
    ],
)
def test_types(faults: Any, option: str, value: Any, text: str) -> None:
    assert faults(methods={"smooth": {option: value}}) == (f"methods.smooth.{option}: {text}",)


def test_numbers_may_come_as_text_and_end_as_numbers(say: Any) -> None:
    options = say(methods={"smooth": {"n": "8", "std": 2, "sizes": (1, 2)}}).methods["smooth"].options
    assert options == {"n": 8, "std": 2.0, "variant": "corrected", "note": None, "sizes": [1, 2]}
    assert isinstance(options["std"], float)


def test_several_methods_at_fault_are_named_with_their_causes(faults: Any) -> None:
    broken = fake_registry(EntryPoint("broken", "no_such_module_of_anyone", "xaikit.methods"))
    with pytest.raises(ConfigError) as caught:
        load({**NEEDED, "methods": "broken"}, registry=broken)
    assert isinstance(caught.value.__cause__, PluginError)
    assert caught.value.problems[0].startswith(
        "methods.broken: method 'broken' (no_such_module_of_anyone, from unknown"
    )
    with pytest.raises(ConfigError) as caught:
        load({**NEEDED, "methods": ["broken", "gard"]}, registry=broken)
    assert len(caught.value.problems) == 2
    assert caught.value.__cause__ is None


@pytest.fixture
def conflict(tmp_path: Path) -> Any:
    points = []
    for owner in ("first", "second"):
        info = tmp_path / f"{owner}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {owner}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[xaikit.methods]\ntwin = fake_method_grad\n")
        points += list(Distribution.at(info).entry_points)
    return fake_registry(*points)


def test_a_conflict_alone_stays_a_conflict(conflict: Any) -> None:
    with pytest.raises(PluginConflict) as caught:
        load({**NEEDED, "methods": "twin"}, registry=conflict)
    assert str(caught.value) == (
        "methods.twin: method 'twin' is offered by first and second; write use: first:twin or use: second:twin"
    )
    with pytest.raises(ConfigError) as listed:
        load({**NEEDED, "methods": "twin", "seed": "x"}, registry=conflict)
    assert len(listed.value.problems) == 2


def test_a_distribution_settles_a_conflict(conflict: Any) -> None:
    config = load({**NEEDED, "methods": {"mine": {"use": "second:twin"}}}, registry=conflict)
    assert config.methods == {"mine": MethodConfig("second:twin")}


@pytest.fixture
def calling(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, cls in (("lost", Lost), ("calling", Calling)):
        module = ModuleType(f"fake_{name}")
        module.xaikit_method = hookimpl(lambda cls=cls: cls)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"fake_{name}", module)
    points = [EntryPoint(name, f"fake_{name}", "xaikit.methods") for name in ("lost", "calling")]
    return fake_registry(*points)


def test_a_type_hint_that_cannot_be_read_is_the_plugins_fault(calling: Any) -> None:
    with pytest.raises(ConfigError, match="a type hint cannot be read: name 'OnlyForTypes' is not defined") as caught:
        load({**NEEDED, "methods": "lost"}, registry=calling)
    assert isinstance(caught.value.__cause__, PluginContract)


def test_a_default_that_yaml_cannot_say_stays_with_the_class(calling: Any) -> None:
    config = load({**NEEDED, "methods": "calling"}, registry=calling)
    assert config.methods["calling"].options == {"ratio": 2.0}
    assert instantiate("method", Use("calling", {"ratio": 2.0}), calling).function is abs


def test_a_value_that_yaml_cannot_say(calling: Any) -> None:
    with pytest.raises(ConfigError, match=r"methods.calling.function: "):
        load({**NEEDED, "methods": {"calling": {"function": "abs"}}}, registry=calling)


def test_instances_have_the_types_of_their_fields() -> None:
    assert instantiate("resizer", Use("size", {"to": [3, 4]}), REGISTRY) == Size((3, 4))
    assert instantiate("method", Use("smooth", {"sizes": [1], "std": 2}), REGISTRY) == Smooth(sizes=(1,), std=2.0)


def test_instances_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"smooth.m: unknown option of smooth; did you mean 'n'|known: "):
        instantiate("method", Use("smooth", {"m": 3}), REGISTRY)
    with pytest.raises(UnknownPlugin, match="no method 'smoth'; did you mean 'smooth'"):
        instantiate("method", Use("smoth"), REGISTRY)


def test_methods_without_a_config() -> None:
    assert read_methods("grad", REGISTRY) == {"grad": MethodConfig("grad")}
    assert list(read_methods(["grad", "layer"], REGISTRY)) == ["grad", "layer"]
    methods = {"mine": {"use": "grad", "finish": {"scale": {"use": "tanh", "max_stride": 4}}}}
    (mine,) = read_methods(methods, REGISTRY, finish={"scale": {"use": "tanh", "gamma": 5}}).values()
    assert mine.finish == {"scale": Use("tanh", {"gamma": 5.0, "max_stride": 4.0})}


def test_targets_and_finishes_without_a_config() -> None:
    assert read_target("top3", REGISTRY) == Use("top", {"k": 3})
    assert read_finish(None, REGISTRY) == {}
    assert read_finish({"fuse": "auto", "resize": (3, 4)}, REGISTRY) == {
        "resize": Use("size", {"to": [3, 4]}),
        "fuse": Use("auto"),
    }


def test_all_that_is_wrong_without_a_config() -> None:
    with pytest.raises(ConfigError) as caught:
        read_methods({"gard": None, "smooth": {"n": "x"}}, REGISTRY)
    assert caught.value.problems == (
        "methods.gard: no method 'gard'; did you mean 'grad'?",
        "methods.smooth.n: expected an integer, got 'x'",
    )
    with pytest.raises(ConfigError, match=r"methods: expected a mapping, got 3"):
        read_methods(3, REGISTRY)
    with pytest.raises(ConfigError, match=r"finish.scal: unknown key; did you mean 'scale'"):
        read_finish({"scal": "tanh"}, REGISTRY)
    with pytest.raises(ConfigError, match=r"target: expected one target, got \[1, 2\]"):
        read_target([1, 2], REGISTRY)
