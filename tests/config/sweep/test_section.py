from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.config_files import NEEDED
from helpers.fake_plugins import fake_registry
from xaikit.config import load
from xaikit.config.sweep.grid import grid_of
from xaikit.config.sweep.section import read_sweep
from xaikit.config.sweep.shorthand import settle_sweep, within_sweep
from xaikit.plain.faults import Faults
from xaikit.schema.sections import VARIES, SweepConfig


def sweep(stated: Any, *overrides: str, **more: Any) -> SweepConfig:
    return load({**NEEDED, **more, "sweep": stated}, overrides, fake_registry()).sweep


# --- what it says


def test_axes_and_ranges() -> None:
    assert sweep({"seed": "0..3", "layers": [["a"], ["a", "b"]], "model.name": ["x"]}) == SweepConfig(
        {"seed": (0, 1, 2, 3), "layers": (["a"], ["a", "b"]), "model.name": ("x",)}
    )
    assert sweep({"seed": "7..7"}).axes == {"seed": (7,)}


@pytest.mark.parametrize("key", ["seed", "precision", "layers", "target", "methods.grad.layers"])
def test_nothing_varies_without_axes(say: Any, key: str) -> None:
    assert not say(sweep=None).sweep
    assert not say(sweep={}).sweep
    assert "sweep" not in say(sweep={}).plain()
    assert key not in say().sweep.axes


@pytest.mark.parametrize(
    ("key", "stated", "meant"),
    [
        ("layers", ["a", ["a", "b"]], (["a"], ["a", "b"])),
        ("layers", [{"name": "a", "call": "last"}], (["a@last"],)),
        ("target", ["top3", 5, "label"], ({"use": "top", "k": 3}, {"use": "logit", "index": 5}, {"use": "label"})),
        ("finish.scale", ["tanh", "none"], ({"use": "tanh"}, {"use": "none"})),
        ("finish.resize", [[3, 4]], ({"use": "size", "to": [3, 4]},)),
        ("finish", [{"fuse": "mean"}], ({"fuse": {"use": "mean"}},)),
        ("methods.grad", [None, "layer"], ({}, {"use": "layer"})),
        ("methods.grad.target", [None, 3], (None, {"use": "logit", "index": 3})),
        ("methods", ["layer", ["grad", "smooth"]], ({"layer": {}}, {"grad": {}, "smooth": {}})),
    ],
)
def test_values_are_settled_as_anywhere(key: str, stated: Any, meant: Any) -> None:
    settled_sweep = sweep({key: stated})
    assert settled_sweep.axes == {key: meant}
    assert settle_sweep(settled_sweep.plain(), Faults()) == settled_sweep.plain()


def test_axes_that_move_together() -> None:
    tied = {"model.name": ["a", "b"], "data.transform.size": [1, 2]}
    assert sweep({"zip": tied}).zip == ({"model.name": ("a", "b"), "data.transform.size": (1, 2)},)
    assert sweep({"zip": tied}) == sweep({"zip": [tied]})
    both = sweep({"zip": [tied, {"seed": "3..4", "layers": ["a", "b"]}]})
    assert both.zip[1] == {"seed": (3, 4), "layers": (["a"], ["b"])}
    assert sweep({"zip": {"seed": [1, 1], "layers": ["a", "b"]}}).zip[0]["seed"] == (1, 1)


def test_what_is_excluded_and_included() -> None:
    settled_sweep = sweep(
        {
            "seed": "0..4",
            "layers": ["a", "b"],
            "exclude": {"layers": "a", "seed": "1..2"},
            "include": {"seed": 9, "layers": "c", "target": "top2"},
        }
    )
    assert settled_sweep.exclude == ({"layers": (["a"],), "seed": (1, 2)},)
    assert settled_sweep.include == ({"seed": 9, "layers": ["c"], "target": {"use": "top", "k": 2}},)


def test_it_loads_as_it_is_said_again(say: Any) -> None:
    config = say(
        sweep={
            "seed": "0..2",
            "methods.grad.layers": ["a", None],
            "zip": {"model.name": ["a", "b"], "precision": ["float16", "float32"]},
            "exclude": [{"seed": 1, "model.name": ["a"]}],
            "include": [{"seed": 9}],
        }
    )
    assert load(config.plain(), registry=fake_registry()) == config
    assert load(config, registry=fake_registry()) == config
    assert json.loads(json.dumps(config.plain())) == config.plain()
    assert config.origins["sweep.seed"] == config.origins["sweep.zip"] == "argument"


# --- layers of it


def test_sweeps_merge_key_by_key(write: Any, head: str) -> None:
    write(head + "methods: grad\nsweep: {seed: [1, 2], layers: [a], zip: {target: [1, 2]}}\n", "base.yaml")
    file = write(
        "extends: base.yaml\nsweep:\n  seed: 3..4\n  methods.grad.layers: [b]\n  zip: {precision: [float16]}\n"
    )
    config = load(file, registry=fake_registry())
    assert config.sweep.axes == {"seed": (3, 4), "layers": (["a"],), "methods.grad.layers": (["b"],)}
    assert config.sweep.zip == ({"precision": ("float16",)},)
    assert list(config.sweep.axes) == ["seed", "layers", "methods.grad.layers"]
    assert config.origins["sweep.seed"] == "c.yaml:3:3"
    assert config.origins["sweep.layers"] == "base.yaml:4:23"


@pytest.mark.parametrize("drop", ["~sweep.methods.smooth.n", "~sweep.seed", "~sweep.zip"])
def test_an_axis_is_dropped_in_a_file_and_on_the_command_line(write: Any, head: str, drop: str) -> None:
    text = "methods: smooth\nsweep: {seed: [1, 2], methods.smooth.n: [2, 3], zip: {target: [1, 2]}}\n"
    base = write(head + text, "base.yaml")
    file = load(write(f"extends: base.yaml\n{drop}:\n"), registry=fake_registry()).sweep
    assert file == load(base, [drop], fake_registry()).sweep
    assert drop.removeprefix("~sweep.") not in file.plain()
    assert len(file.plain()) == 2


def test_a_whole_sweep_is_dropped(write: Any, head: str) -> None:
    base = write(head + "methods: grad\nsweep: {seed: [1, 2]}\n", "base.yaml")
    assert not load(base, ["~sweep"], fake_registry()).sweep
    assert not load(write("extends: base.yaml\n~sweep:\n"), registry=fake_registry()).sweep


def test_overrides_reach_into_a_sweep() -> None:
    stated = {"seed": [0, 1], "methods.smooth.n": [2, 3], "zip": {"model.name": ["a", "b"], "target": [1, 2]}}
    settled_sweep = sweep(
        stated,
        "sweep.seed=5..6",
        "sweep.methods.smooth.n=[8]",
        "sweep.layers=[[a], b]",
        "sweep.zip[0].model.name=[c, d]",
        "sweep.zip[0].target[1]=7",
        methods="smooth",
    )
    assert settled_sweep.axes == {"seed": (5, 6), "methods.smooth.n": (8,), "layers": (["a"], ["b"])}
    assert settled_sweep.zip[0] == {
        "model.name": ("c", "d"),
        "target": ({"use": "logit", "index": 1}, {"use": "logit", "index": 7}),
    }
    assert sweep(stated, "sweep.methods.smooth.n[1]=9", methods="smooth").axes["methods.smooth.n"] == (2, 9)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (("seed",), ("seed",)),
        (("sweep",), ("sweep",)),
        (("sweep", "seed"), ("sweep", "seed")),
        (("sweep", "methods", "a", "n"), ("sweep", "methods.a.n")),
        (("sweep", "methods", "a", "n", 1, "use"), ("sweep", "methods.a.n", 1, "use")),
        (("sweep", "zip"), ("sweep", "zip")),
        (("sweep", "exclude", 2, "model", "name", 0), ("sweep", "exclude", 2, "model.name", 0)),
        (("sweep", "zip", "model", "name"), ("sweep", "zip", "model.name")),
    ],
)
def test_a_dotted_key_is_one_key_of_a_sweep(path: Any, meant: Any) -> None:
    assert within_sweep(path) == meant


def test_an_override_of_what_varies_anyhow_is_no_silent_nothing(faults: Any, say: Any) -> None:
    text = "varies by sweep.seed, so that this says nothing; write sweep.seed=[...], or ~sweep.seed"
    assert faults(overrides=["seed=5"], sweep={"seed": [1, 2]}) == (f"override 'seed=5': seed: {text}",)
    text = "varies by sweep.zip[0].seed, so that this says nothing; write sweep.zip[0].seed=[...], or ~sweep.zip"
    assert faults(overrides=["seed=5"], sweep={"zip": {"seed": [1, 2]}}) == (f"override 'seed=5': seed: {text}",)
    assert say("seed=5", "~sweep.seed", sweep={"seed": [1, 2]}).seed == 5
    assert say("seed=5", sweep={"seed": [1, 2], "include": {"layers": "a"}}).seed == 5


# --- what is wrong with it

BAD = """\
model: {source: zoo, name: resnet}
data: {source: folder, path: x}
methods:
  grad: {finish: {scale: tanh}}
  x: {use: smooth}
sweep:
  methods.x.n: [2, many, 3]
  layers: [[a], b, [a, no], a]
  seed: 4..0
  finish.scale.gamma: [1, x]
  finish.scale.use: [tanh]
  sed: [1]
  data.batch_size: [1, 2]
  methods.x.nn: [1, 2]
  target: [top3, 5, {use: logit}, {use: logit, index: 5}]
  methods.x.std: {a: 1}
  methods.x: [3]
  precision: []
  name: [a, b]
  report.maps: [uint8]
  layers[0]: [a]
  sweep.seed: [1]
  data: [{path: y, workers: 3}, {pth: z}]
  zip:
    - {model.name: [r1, r2], data.transform.size: [1, 2, 3]}
    - {methods.x.note: [a, 3], methods.grad.layers: [q, q]}
    - {methods.x.n: [1], model.name: [r1], methods.x.sizes: [1]}
    - {}
    - {model.output: [a, a], model.weights: [b, b]}
  exclude:
    - {layers: [[a]], methods.x.n: [2, 7]}
    - {layrs: 3}
    - {model.output: []}
    - {}
    - {seed: 1}
  include:
    - {seed: 9, layers: [layer4]}
    - {seed: -1, device: cpu}
    - {}
"""

MESSAGES = """\
c.yaml:7:20: sweep.methods.x.n[1]: expected an integer, got 'many'
c.yaml:8:24: sweep.layers[2][1]: expected a string, got false; YAML reads no as a boolean: quote it, "no"
c.yaml:8:29: sweep.layers[3]: stands twice; first as sweep.layers[0]
c.yaml:9:3: sweep.seed: expected a range that goes up, by at most 1000000 values, got 4..0
c.yaml:12:3: sweep.sed: unknown key; did you mean 'seed'?
c.yaml:13:3: sweep.data.batch_size: changes no map; write data.batch_size: ...
c.yaml:14:3: sweep.methods.x.nn: unknown option of smooth; did you mean 'n'?
c.yaml:15:21: sweep.target[2].index: required, but not given
c.yaml:15:35: sweep.target[3]: stands twice; first as sweep.target[1]
c.yaml:16:3: sweep.methods.x.std: expected a list of values or a range such as 0..4, got {'a': 1}; write methods.x.std.a: [...]
c.yaml:17:15: sweep.methods.x[0]: expected a plugin's name or a mapping, got 3
c.yaml:18:3: sweep.precision: expected at least one value, got []
c.yaml:19:3: sweep.name: changes no map; write name: ...
c.yaml:20:3: sweep.report.maps: changes no map; write report.maps: ...
c.yaml:21:3: sweep.layers[0]: expected a key such as methods.gradcam.layers; an element of a list does not vary alone
c.yaml:22:3: sweep.sweep.seed: expected a key of the config; a sweep has none of its own
c.yaml:23:20: sweep.data[0].workers: changes no map; write data.workers: ...
c.yaml:23:34: sweep.data[1].pth: unknown option of folder; did you mean 'path'?
c.yaml:25:7: sweep.zip[0]: expected lists of one length, got 2 of model.name, 3 of data.transform.size
c.yaml:26:28: sweep.zip[1].methods.x.note[1]: expected a string, got 3; quote it, "3"
c.yaml:27:8: sweep.zip[2].methods.x.n: stands twice; first as sweep.methods.x.n
c.yaml:27:26: sweep.zip[2].model.name: stands twice; first as sweep.zip[0].model.name
c.yaml:28:7: sweep.zip[3]: expected axes that move together, got {}
c.yaml:29:26: sweep.zip[4].model.output[1]: stands twice; first as sweep.zip[4].model.output[0]
c.yaml:31:40: sweep.exclude[0].methods.x.n[1]: expected a value of the axis, got 7; known: 2, 3, many
c.yaml:32:8: sweep.exclude[1].layrs: expected an axis, got 'layrs'; did you mean 'layers'?
c.yaml:33:8: sweep.exclude[2].model.output: expected at least one value, got []
c.yaml:34:7: sweep.exclude[3]: expected at least one axis with values, got {}
c.yaml:38:8: sweep.include[1].seed: expected greater than or equal to 0, got -1
c.yaml:38:18: sweep.include[1].device: changes no map; write device: ...
c.yaml:39:7: sweep.include[2]: expected at least one key with its value, got {}
"""


def test_all_faults_are_reported_at_once(write: Any, faults: Any) -> None:
    assert faults(write(BAD)) == tuple(MESSAGES.splitlines())


@pytest.mark.parametrize(
    ("stated", "line"),
    [
        (3, "sweep: expected a mapping from keys to their values, got 3"),
        ("${seed}", "sweep: expected a mapping from keys to their values, got '${seed}'"),
        ({"seed": 3}, "sweep.seed: expected a list of values or a range such as 0..4, got 3"),
        ({"seed": None}, "sweep.seed: expected a list of values or a range such as 0..4, got null"),
        ({"seed": "0..x"}, "sweep.seed: expected a list of values or a range such as 0..4, got '0..x'"),
        (
            {"seed": "0..9999999"},
            "sweep.seed: expected a range that goes up, by at most 1000000 values, got 0..9999999",
        ),
        ({"zip": [3]}, "sweep.zip: expected a mapping from keys to values or a list of such, got [3]"),
        ({"zpi": [3]}, "sweep.zpi: unknown key; did you mean 'zip'?"),
        ({"methds.grad.layers": ["a"]}, "sweep.methds.grad.layers: unknown key; did you mean 'methods' or 'metrics'?"),
        ({"executor.threads": [1]}, "sweep.executor.threads: changes no map; write executor.threads: ..."),
        (
            {"a..b": [1]},
            "sweep.a..b: expected a key such as methods.gradcam.layers; an element of a list does not vary alone",
        ),
        (
            {"methods": {"grad": ["layer"]}},
            "sweep.methods: expected a list of values or a range such as 0..4, got {'grad': ['layer']}; "
            "write methods.grad: [...]",
        ),
        ({"target": [[1, 2]]}, "sweep.target[0]: expected one target, got [1, 2]; write {use: classes, of: [1, 2]}"),
        (
            {"methods.grad": [{"target": True}]},
            "sweep.methods.grad[0].target: expected a plugin's name or a mapping, got true; YAML reads true as a boolean: "
            'quote it, "true"',
        ),
        ({"exclude": {"seed": 1}}, "sweep.exclude[0].seed: expected an axis, got 'seed'; there are none"),
        (
            {"zip": {"seed": [1, 2], "target": [1, 2]}, "exclude": {"seed": 1, "target": 2}},
            "sweep.exclude[0]: matches no point: these values never stand together",
        ),
        ({"seed": [1, 2], "exclude": [{"seed": 2}, {"seed": 1}]}, "sweep.exclude: leaves no point"),
        ({"seed": [1, 1.0]}, "sweep.seed[1]: stands twice; first as sweep.seed[0]"),
        ({"layers": ["a", ["a"]]}, "sweep.layers[1]: stands twice; first as sweep.layers[0]"),
        (
            {"methods.grad.nn": [1, 2]},
            "sweep.methods.grad.nn: unknown option of grad; known: augment, finish, layers, output, reduce, target, use",
        ),
        ({"methods.grda.layers": ["a", "b"]}, "sweep.methods.grda.layers: no method 'grda'; did you mean 'grad'?"),
        (
            {"precision": ["float16", "half"]},
            "sweep.precision[1]: expected 'float32', 'bfloat16' or 'float16', got 'half'; "
            "known: bfloat16, float16, float32",
        ),
        ({"include": [{"model.nam": "x"}]}, "sweep.include[0].model.nam: unknown option of zoo; did you mean 'name'?"),
        ({"methods.grad.augment": [{}, 2]}, "sweep.methods.grad.augment[1]: expected a mapping, got 2"),
    ],
)
def test_faults_stand_at_their_place(faults: Any, stated: Any, line: str) -> None:
    assert faults(sweep=stated) == (line,)


def test_a_point_remains_where_one_is_included() -> None:
    stated = {"seed": [1, 2], "exclude": {"seed": [1, 2]}, "include": {"seed": 3}}
    assert len(grid_of(sweep(stated)).points) == 1


def test_a_value_is_wrong_once_though_labels_take_it_over(faults: Any) -> None:
    stated = {"finish.scale.gamma": [1, "x"]}
    lines = faults(
        sweep=stated, finish={"scale": "tanh"}, methods={"grad": {"finish": {"scale": "tanh"}}, "layer": None}
    )
    assert lines == ("sweep.finish.scale.gamma[1]: expected a number, got 'x'",)


def test_values_are_wrong_together(faults: Any) -> None:
    stated = {"methods.x.use": ["grad", "smooth"], "methods.x.n": [4, 8]}
    line = "at methods.x.use=grad, methods.x.n=4 and 1 further combinations: unknown option of grad; known: "
    for use in ("smooth", "grad"):
        (fault,) = faults(sweep=stated, methods={"x": {"use": use}})
        assert fault.startswith(f"sweep.methods.x.n[0]: {line}")


def test_an_exclusion_makes_them_right(say: Any) -> None:
    stated = {"methods.x.use": ["grad", "smooth"], "methods.x.n": [4, 8], "exclude": {"methods.x.use": "grad"}}
    assert say(sweep=stated, methods={"x": "smooth"}).sweep


def test_what_a_class_refuses_names_the_point(faults: Any) -> None:
    stated = {"methods.smooth.n": [2, 3, 5], "methods.smooth.std": [2, 3], "seed": [0, 1]}
    assert faults(sweep=stated, methods="smooth") == (
        "sweep.methods.smooth.std[0]: at methods.smooth.n=2, methods.smooth.std=2 and 1 further combinations: "
        "std and n must differ",
    )


def test_a_value_is_to_blame_alone_where_every_point_that_has_it_is_wrong(faults: Any) -> None:
    stated = {"methods.smooth.n": [0, 3], "methods.smooth.std": [7, 8]}
    assert faults(sweep=stated, methods="smooth") == ("sweep.methods.smooth.n[0]: expected at least 1, got 0",)


def test_faults_of_the_config_are_not_said_again(faults: Any) -> None:
    lines = faults(sweep={"methods.smooth.n": [2, 3], "seed": [1, "x"]}, methods={"smooth": {"nn": 1}}, seed=True)
    assert lines == (
        "seed: expected an integer, got true",
        "methods.smooth.nn: unknown option of smooth; did you mean 'n'?",
        "sweep.seed[1]: expected an integer, got 'x'",
    )


def test_interpolations_in_values_are_looked_up(faults: Any, say: Any) -> None:
    assert (
        say(sweep={"methods.smooth.sizes": ["${seed}", 3]}, methods="smooth").sweep.axes["methods.smooth.sizes"][0]
        == "${seed}"
    )
    (line,) = faults(sweep={"methods.smooth.sizes": ["${sead}", 3]}, methods="smooth")
    assert line.startswith("sweep.methods.smooth.sizes[0]: Interpolation key 'sead' not found")


OPTIONS = st.sampled_from([*VARIES, "use", "zip", "a.b", ""])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["0..3", "a", "grad", "${seed}", "top1", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(OPTIONS, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*VARIES, "methods.grad.n", "zip", "exclude", "include", "x", ""])


@given(st.dictionaries(KEYS, JUNK, max_size=4))
def test_settling_twice_changes_nothing_and_reading_never_fails(stated: dict[str, Any]) -> None:
    faults = Faults()
    settled = settle_sweep(stated, faults)
    again = Faults()
    assert settle_sweep(settled, again) == settled
    settled_sweep = read_sweep(settled, faults)
    assert grid_of(settled_sweep).keys is not None
    if not faults.items:
        assert read_sweep(settle_sweep(settled_sweep.plain(), faults), faults) == settled_sweep
        assert not faults.items


@pytest.mark.parametrize(
    ("sweep", "count"),
    [
        ({"seed": "0..9999", "layers": [[f"layer{n}"] for n in range(1000)]}, 10_000_000),
        ({"zip": [{"seed": "0..999"}, {"layers": [[f"layer{n}"] for n in range(1000)]}]}, 1_000_000),
        ({"seed": "0..999999"}, 1_000_000),
        ({"seed": "0..3", "include": [{"seed": 7}], "limit": 4}, 5),
    ],
)
def test_a_sweep_of_too_many_points_is_refused_before_it_is_built(
    faults: Any, monkeypatch: pytest.MonkeyPatch, sweep: dict[str, Any], count: int
) -> None:
    made: list[int] = []
    monkeypatch.setattr("xaikit.config.grid_of", lambda sweep: made.append(1) or grid_of(sweep))
    limit = sweep.get("limit", 200_000)
    (fault,) = faults(sweep=sweep)
    assert fault == f"sweep: {count} points, expected at most {limit}; vary less, or write sweep.limit: {count}"
    assert made == [1], "of the config without a sweep"


def test_the_limit_of_a_sweep_is_a_key_like_any_other(say: Any, faults: Any) -> None:
    config = say("sweep.limit=5", sweep={"seed": "0..3", "limit": 2})
    assert (config.sweep.limit, config.plain()["sweep"]) == (5, {"seed": [0, 1, 2, 3], "limit": 5})
    assert load(config.plain(), registry=fake_registry()) == config
    assert "limit" not in say(sweep={"seed": "0..3"}).plain()["sweep"]
    assert not say(sweep={"limit": 5}).sweep
    for wrong in ("x", 0, 1.5, True):
        (fault,) = faults(sweep={"seed": "0..3", "limit": wrong})
        assert fault.startswith("sweep.limit: expected a number of points from 1 on, got ")
