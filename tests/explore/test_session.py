"""Explorations: a choice is a run of a config, and the YAML that is copied says the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import xaikit
from helpers.runs import CLASSES, config
from xaikit.explore import session as sessions
from xaikit.explore.guards import POLICY
from xaikit.explore.page import layer_choices, shown
from xaikit.explore.session import Choice, Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    methods = {"gradcam": {}, "early": {"use": "layercam", "layers": ["stem"]}}
    values = config(tmp_path, methods=methods, metrics=["sparseness"], observers=["tensorboard"])
    values["sweep"] = {"model.kwargs": [{"seed": 0}, {"seed": 1}]}
    return Session(values, to=str(tmp_path / "explored"))


def dropped(session: Session, name: str = "cat.png", size: int = 40) -> Path:
    """A picture as gradio leaves it."""
    folder = session.uploads / "0123"
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (size, size, 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def choice(session: Session, **changes: Any) -> Choice:
    values = {"picture": dropped(session), "model": next(iter(session.models)), "methods": ("gradcam", "early")}
    return Choice(**values | changes)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_models_are_those_of_the_config_and_methods_also_what_is_installed(session: Session) -> None:
    assert len(session.models) == 2
    assert session.methods[:2] == ("gradcam", "early")
    assert {"layercam", "scorecam", "edges"} < set(session.methods)
    assert len(set(session.methods)) == len(session.methods)


def test_maps_are_those_of_a_run_and_nothing_is_written_elsewhere(session: Session, tmp_path: Path) -> None:
    before, here = files(tmp_path), set(os.listdir())
    explored = session.explore(choice(session))
    assert [caption.partition(":")[0] for _, caption in explored.overlays] == ["gradcam, body", "early, stem"]
    assert all(picture.height == 32 for picture, _ in explored.overlays)
    assert all(path.is_relative_to(session.folder) for path in files(tmp_path) - before)
    assert set(os.listdir()) == here
    assert not (session.folder / "run" / "tensorboard").exists()


def test_the_yaml_says_the_same(session: Session, tmp_path: Path) -> None:
    chosen = choice(session, model=list(session.models)[1], methods=("early", "edges"), layers=("body",), target="star")
    explored = session.explore(chosen)
    said = yaml.safe_load(explored.yaml)
    assert said["methods"] == {"early": {"use": "layercam"}, "edges": {"use": "edges"}}
    assert (said["layers"], said["model"]["kwargs"]) == (["body"], {"seed": 1})
    assert not {"report", "sweep", "metrics", "observers", "executor", "device"} & set(said)
    again = xaikit.run({**said, "report": {"to": str(tmp_path / "again")}})
    mine = xaikit.open(session.folder / "run")
    for label in ("early", "edges"):
        (name,) = again.images
        assert np.array_equal(again.map(name, label), mine.map(name, label))
    assert {record.target_name for record in again.records if record.trial == "early"} == {"star"}


def test_a_model_is_opened_once_for_all_pictures(session: Session, tmp_path: Path) -> None:
    """Also for its layers and with other methods; the maps are those of a model that is opened anew."""
    models = tmp_path / "models.py"
    counting = "from pathlib import Path\nopened = Path(__file__).with_name('opened')\n"
    text = models.read_text().replace("def tiny(", "def _tiny(", 1)
    (tmp_path / "opened").write_text("")
    models.write_text(
        f"{counting}{text}\ndef tiny(**kwargs):\n    opened.write_text(opened.read_text() + 'x')\n    return _tiny(**kwargs)\n"
    )
    first, second = session.models
    for name in ("cat.png", "dog.png"):
        session.explore(choice(session, picture=dropped(session, name)))
        session.layers(choice(session))
    assert (tmp_path / "opened").read_text() == "x"
    session.explore(choice(session, model=second))
    assert (tmp_path / "opened").read_text() == "xx"
    explored = session.explore(choice(session, model=first))
    assert (tmp_path / "opened").read_text() == "xx"
    again = Session(session.config.written(), to=str(tmp_path / "anew"))
    for one, other in zip(explored.overlays, again.explore(choice(again)).overlays, strict=True):
        assert np.array_equal(np.asarray(one[0]), np.asarray(other[0]))


def test_layers_of_the_model_are_offered(session: Session) -> None:
    assert {"stem", "body"} <= set(session.layers(choice(session)))
    chosen = choice(session)
    assert {"stem", "body"} <= set(layer_choices(session, str(chosen.picture), chosen.model, ["gradcam"], [], ""))
    assert layer_choices(session, None, chosen.model, [], ["x"], "") == ["x"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("gradcm",)}, "methods.gradcm: no method 'gradcm'; did you mean 'gradcam'"),
        ({"methods": ()}, "methods: expected at least one method"),
        ({"layers": ("bodi",)}, "did you mean 'body'"),
        ({"target": "sta"}, "did you mean 'star'"),
        ({"target": "{a: ["}, "target: the value is not valid YAML: "),
        ({"target": "${oc.env:HOME}"}, "target: expected it without an interpolation"),
        ({"layers": ("${oc.env:HOME}",)}, "layers: expected it without an interpolation"),
        ({"model": "other"}, "model: expected one of the config, got 'other'"),
    ],
)
def test_what_is_wrong_is_a_note_with_the_nearest_name(session: Session, changes: dict[str, Any], message: str) -> None:
    chosen = choice(session, **changes)
    maps, notes, said = shown(session, str(chosen.picture), chosen.model, chosen.methods, chosen.layers, chosen.target)
    assert (maps, said) == ([], "")
    assert message in notes


@pytest.mark.parametrize(
    "target",
    ["{use: callable, function: 'FILE:f'}", "{use: callable, function: 'uploaded:f'}", "{use: box, format: 'FILE:f'}",
     "{use: region, of: 0, mask: FILE}", "{use: similarity, to: FILE}", "FILE", "FILE:Mine", "{use: 'FILE:Mine'}",
     "{use: uploaded:Mine}", "'uploaded:Mine'"],
)  # fmt: skip
def test_no_code_is_run_that_the_page_names(
    session: Session, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = dropped(session).with_name("uploaded.py")
    file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(file.parent)
    chosen = choice(session, target=target.replace("FILE", str(file)))
    with pytest.raises(xaikit.ConfigError, match="target: "):
        session.explore(chosen)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(xaikit.ConfigError, match="no method"):
        session.explore(choice(session, methods=(f"{file}:Mine",)))
    assert not (tmp_path / "ran").exists()


def test_code_that_the_config_names_is_run(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def best(output):\n    return output.amax(1)\n")
    target = {"use": "callable", "function": f"{tmp_path}/mine.py:best"}
    session = Session({**config(tmp_path), "target": target}, to=str(tmp_path / "explored"))
    typed = f"{{use: callable, function: {tmp_path}/mine.py:best}}"
    assert len(session.explore(choice(session, methods=("gradcam",), target=typed)).overlays) == 1
    with pytest.raises(xaikit.ConfigError, match="names a file, module or function"):
        session.said(choice(session, methods=("gradcam",), target=typed.replace("best", "other")))


@pytest.mark.parametrize("name", ["cat: tabby", "@home", "'quoted", "*"])
def test_a_class_is_known_by_its_name_before_it_is_yaml(tmp_path: Path, name: str) -> None:
    values = config(tmp_path)
    values["model"]["classes"] = [name, *(f"class {place}" for place in range(1, len(CLASSES)))]
    session = Session(values, to=str(tmp_path / "explored"))
    assert session.said(choice(session, methods=("gradcam",), target=name)).target.plain() == {
        "use": "logit",
        "index": name,
    }


def test_uploads_are_limited_and_no_other_file_is_read(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = dropped(session)
    outside = tmp_path / "photos" / "one.png"
    with pytest.raises(xaikit.DataError, match=r"picture: expected one that was uploaded, got 'one.png'"):
        session.said(choice(session, picture=outside))
    link = picture.with_name("link.png")
    link.symlink_to(outside)
    with pytest.raises(xaikit.DataError, match="expected one that was uploaded"):
        session.said(choice(session, picture=link))
    (text := picture.with_name("text.png")).write_text("no picture")
    with pytest.raises(xaikit.DataError, match=r"text.png: expected a picture"):
        session.said(choice(session, picture=text))
    monkeypatch.setattr(sessions, "MOST_PIXELS", 1000)
    with pytest.raises(xaikit.DataError, match=r"cat.png: expected at most 1,000 pixels, got 1,600"):
        session.said(choice(session))
    monkeypatch.setattr(sessions, "MOST_BYTES", 100)
    with pytest.raises(xaikit.DataError, match="expected at most 0 MiB"):
        session.said(choice(session))


def test_the_page_may_load_nothing_from_elsewhere() -> None:
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'self'; ")


def test_a_missing_gradio_is_an_error_that_says_what_to_install(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xaikit.explore.page import serve

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(xaikit.ConfigError, match=r"gradio is not installed: pip install 'xaikit\[ui\]'"):
        serve(session)
