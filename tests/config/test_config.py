from __future__ import annotations

import contextlib
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.errors import ConfigError
from xaikit.schema.keys import Use
from xaikit.schema.sections import Config, FinishConfig, MethodConfig, ReportConfig, SweepConfig


def test_what_is_not_said_is_filled_in(say: Any) -> None:
    config = say()
    assert (config.version, config.name, config.seed, config.device) == (1, "run", 0, "auto")
    assert config.target == Use("top", {"k": 1})
    assert config.layers == ("auto",)
    assert config.finish == FinishConfig()
    assert config.methods == {"grad": MethodConfig("grad")}
    assert config.model.source == Use("zoo", {"name": "resnet", "weights": "DEFAULT"})
    assert (config.data.batch_size, config.data.workers, config.data.transform) == (8, 0, None)
    assert config.report == ReportConfig(to=None, overlays="auto", maps="float16", shard=64)
    assert (config.executor, config.budget) == (Use("serial", {"threads": None}), None)
    assert config.sweep == SweepConfig()
    assert "sweep" not in config.plain()


def test_the_name_of_a_file_is_its_stem_and_files_are_relative_to_it(write: Any, head: str) -> None:
    config = load(write(head + "methods: grad\n", "sub/night.yaml"), registry=fake_registry())
    assert (config.name, config.base) == ("night", "sub")
    assert load("sub/night.yaml", ["name=day"], fake_registry()).name == "day"


def test_a_plugin_file_is_relative_to_the_config(write: Any, head: str) -> None:
    write(
        "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass MyCam:\n"
        "    k: int = 2\n    def explain(self, view): ...\nMyCam.needs = None\n",
        "sub/mycam.py",
    )
    file = write(head + "methods:\n  mine: {use: './mycam.py:MyCam', k: 3}\n", "sub/c.yaml")
    assert load(file, registry=fake_registry()).methods["mine"] == MethodConfig("./mycam.py:MyCam", {"k": 3})


def test_origins_say_where_every_value_came_from(write: Any, head: str) -> None:
    write("seed: 4\ntarget: top3\nlayers: [a, b]\nfinish: {scale: {use: tanh, gamma: 3}}\n", "base.yaml")
    file = write(
        head + "extends: base.yaml\nmethods:\n  smooth:\n    n: 8\n    finish: {scale: {use: tanh, max_stride: 4}}\n"
    )
    config = load(file, ["layers.1=x", "methods.smooth.std=2"], fake_registry())
    assert {key: config.origins[key] for key in ("seed", "target.use", "target.k", "model.source")} == {
        "seed": "base.yaml:1:1",
        "target.use": "base.yaml:2:1",
        "target.k": "base.yaml:2:1",
        "model.source": "c.yaml:1:9",
    }
    assert config.origins["layers"] == "override 'layers.1=x'"
    assert config.origins["methods.smooth.n"] == "c.yaml:6:5"
    assert config.origins["methods.smooth.std"] == "override 'methods.smooth.std=2'"
    assert config.origins["methods.smooth.variant"] == config.origins["name"] == "default"
    assert config.origins["methods.smooth.finish.scale.max_stride"] == "c.yaml:7:33"
    assert config.origins["methods.smooth.finish.scale.gamma"] == "base.yaml:4:29"


def test_there_is_an_origin_for_every_leaf(say: Any) -> None:
    config = say(target=3, finish={"scale": "tanh"})
    assert config.origins["target.index"] == "argument"
    assert config.origins["finish.scale.gamma"] == "default"
    assert config.origins["finish.scale.use"] == "argument"
    assert "methods.grad.use" in config.origins


def test_a_config_is_a_source_and_keeps_its_origins(write: Any, head: str) -> None:
    config = load(write(head + "methods: [grad, smooth]\nseed: 4\n", "sub/c.yaml"), registry=fake_registry())
    again = load(config, ["device=cpu"], fake_registry())
    assert again == Config(**{**vars(config), "device": "cpu"})
    assert (again.base, again.origins["seed"]) == ("sub", "sub/c.yaml:4:1")
    assert again.origins["device"] == "override 'device=cpu'"


def test_the_mapping_that_is_given_is_left_alone(write: Any, head: str) -> None:
    write(head + "methods: grad\n", "base.yaml")
    values = {"extends": "base.yaml", "methods": {"smooth": {"n": 3}}, "~methods.grad": None}
    copy = {**values}
    assert list(load(values, ["methods.smooth.n=5"], fake_registry()).methods) == ["smooth"]
    assert values == copy
    assert values["methods"] == {"smooth": {"n": 3}}


def test_files_of_omegaconf_load_as_mappings(say: Any) -> None:
    assert say(**OmegaConf.to_container(OmegaConf.create({"seed": 3}))).seed == 3  # type: ignore[arg-type]


NAMES = st.text(string.ascii_letters + "_", min_size=1, max_size=8)
TARGETS = st.one_of(
    st.integers(0, 999),
    st.integers(1, 9).map("top{}".format),
    st.just("label"),
    st.lists(st.integers(0, 9), min_size=1).map(lambda of: {"use": "classes", "of": of}),
)
FINISHES = st.fixed_dictionaries(
    {},
    optional={
        "rectify": st.sampled_from(["auto", "none", "relu"]),
        "scale": st.one_of(
            st.sampled_from(["auto", "none", "tanh"]),
            st.fixed_dictionaries(
                {"use": st.just("tanh")}, optional={"gamma": st.floats(0.1, 9), "max_stride": st.integers(1, 9)}
            ),
        ),
        "resize": st.one_of(st.just("input"), st.lists(st.integers(1, 99), min_size=1, max_size=3)),
        "fuse": st.sampled_from(["max", "mean", "none"]),
    },
)
METHODS = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"use": st.just("smooth")},
        optional={
            "n": st.integers(2, 99),
            "note": st.sampled_from(["no", "1e3", "2020-01-01", "~", "é: #", "", "top1"]),
            "sizes": st.one_of(st.integers(1, 9), st.lists(st.integers(1, 9), max_size=3)),
            "layers": st.one_of(NAMES, st.lists(NAMES, min_size=1, max_size=3)),
            "target": TARGETS,
            "finish": FINISHES,
        },
    ),
    min_size=1,
    max_size=3,
)
VALUES = st.fixed_dictionaries(
    {"methods": METHODS},
    optional={
        "seed": st.integers(0, 2**40),
        "target": TARGETS,
        "finish": FINISHES,
        "layers": st.lists(NAMES, min_size=1, max_size=3),
        "report": st.fixed_dictionaries(
            {}, optional={"to": NAMES, "overlays": st.booleans(), "shard": st.integers(1, 9)}
        ),
        "executor": st.sampled_from(["serial", {"use": "actors", "workers": 3}]),
        "budget": st.sampled_from([None, 90, "1h30m"]),
        "sweep": st.fixed_dictionaries(
            {},
            optional={
                "seed": st.one_of(st.just("0..3"), st.lists(st.integers(0, 9), min_size=1, unique=True)),
                "layers": st.lists(NAMES, min_size=1, unique=True),
                "zip": st.just({"model.name": ["a", "b"], "target": ["top1", 3]}),
                "include": st.just({"precision": "float16"}),
            },
        ),
    },
)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_what_a_config_says_loads_as_the_same_config(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    needed = {"model": {"source": "zoo", "name": "resnet", "output": 1}, "data": {"source": "folder", "path": "x"}}
    registry = fake_registry()
    config = load({**needed, **values, "name": "c"}, registry=registry)
    assert load(config.plain(), registry=registry) == config
    assert load(config, registry=registry) == config
    file = tmp_path_factory.mktemp("round") / "c.yaml"
    file.write_text(OmegaConf.to_yaml(OmegaConf.create(config.plain())), encoding="utf-8")
    assert load(file, registry=registry) == config
    assert set(config.origins.values()) <= {"argument", "default"}


WORDS = st.sampled_from(["${a}", "${name}", "auto", "top1", "grad", "a:b", "~"])
OPTIONS = st.sampled_from(
    ["use", "source", "finish", "scale", "name", "k", "of", "seed", "zip", "exclude", "include", "methods.smooth.n"]
)
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 9), st.floats(), st.text(max_size=4), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(OPTIONS, inner, max_size=3)),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        *("model", "data", "methods", "target", "layers", "finish", "report", "seed", "name", "device", "extends"),
        *("sweep", "executor", "budget"),
    ]
)
LEAVES = [
    "model.name",
    "methods.grad",
    "methods.smooth.n",
    "target.of",
    "layers[0]",
    "layers.0",
    "finish.scale",
    "data.transform",
    "sweep",
    "sweep.seed",
    "sweep.methods.smooth.n",
    "sweep.zip",
    "sweep.seed[0]",
]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(KEYS, JUNK, max_size=3),
    st.lists(st.tuples(st.sampled_from(LEAVES), JUNK | st.text(max_size=6)), max_size=2),
)
def test_nothing_that_is_said_ends_in_another_error(values: dict[str, Any], overrides: list[tuple[str, Any]]) -> None:
    needed = {
        "model": {"source": "zoo", "name": "x"},
        "data": {"source": "folder", "path": "x"},
        "methods": ["grad", "smooth"],
    }
    texts = [f"{key}={value}" for key, value in overrides]
    with contextlib.suppress(ConfigError):
        config = load({**needed, **values}, texts, fake_registry())
        assert load(config, registry=fake_registry()) == config


def test_no_torch_is_needed(write: Any, head: str) -> None:
    tests = Path(__file__).parents[1]
    file = write(head + "methods: grad\n").resolve()
    code = (
        f"import sys; sys.path.insert(0, {str(tests)!r}); from helpers.fake_plugins import fake_registry; "
        f"from xaikit.config import load; from xaikit.trials.expansion import expand; "
        f"r = fake_registry(); expand(load({str(file)!r}, registry=r), r); "
        "print({'torch', 'torchvision', 'numpy'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"


@pytest.mark.parametrize("name", ["", ".", "..", "/tmp/x", "a//b", "a/../b", "a\\b", "a\0b", "x" * 300])
def test_the_name_of_a_run_is_a_folder_below_runs(name: str) -> None:
    sources = {"model": {"source": "samples"}, "data": {"source": "samples"}, "methods": "gradcam"}
    with pytest.raises(ConfigError, match="name: expected the name of a folder below runs, got "):
        load({**sources, "name": name})
    assert load({**sources, "name": "google/vit 2"}).name == "google/vit 2"
