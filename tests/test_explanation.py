"""An explanation is a value; its remarks are made when somebody reads them."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import xaikit
from helpers.hard_nets import Plain, images, seeded
from xaikit import ConfigError
from xaikit.explanation import Explanation, Remark, RemarkCounts
from xaikit.pictures.window import stretched
from xaikit.targets import PinnedClasses


def explanation(*noted: RemarkCounts) -> Explanation:
    maps = {"layer4": torch.zeros(3, 7, 7)}
    target = PinnedClasses(torch.zeros(3, 1, dtype=torch.long))
    return Explanation("mine", maps, maps, None, torch.zeros(3), target, {"layer4": 32.0}, noted)


@pytest.mark.parametrize(
    ("remark", "text"),
    [
        (Remark(0, "layer4", "zero gradients"), "sample 0, layer4: zero gradients"),
        (Remark(2, "features+", "weight 0", 17), "sample 2, features+: weight 0 (17)"),
    ],
)
def test_a_remark_reads_as_a_line(remark: Remark, text: str) -> None:
    assert str(remark) == text


def test_only_the_samples_concerned_get_a_remark() -> None:
    noted = RemarkCounts("layer4", "weight 0", torch.tensor([3, 0, 1]))
    assert noted.remarks() == [Remark(0, "layer4", "weight 0", 3), Remark(2, "layer4", "weight 0", 1)]


def test_a_reason_that_is_not_counted_shows_no_number() -> None:
    assert [
        str(remark) for remark in RemarkCounts("layer4", "dead", torch.tensor([0, 1]), counted=False).remarks()
    ] == ["sample 1, layer4: dead"]


def test_warnings_are_sorted_by_sample_then_layer_and_otherwise_as_they_came() -> None:
    some = explanation(
        RemarkCounts("layer4", "b", torch.tensor([1, 1, 0])),
        RemarkCounts("layer4", "a", torch.tensor([1, 0, 0])),
        RemarkCounts("layer3", "c", torch.tensor([0, 2, 0])),
    )
    assert [(remark.sample, remark.layer, remark.reason) for remark in some.warnings] == [
        (0, "layer4", "b"),
        (0, "layer4", "a"),
        (1, "layer3", "c"),
        (1, "layer4", "b"),
    ]
    assert explanation().warnings == ()


def test_it_is_frozen_and_its_notes_stay_out_of_sight() -> None:
    some = explanation(RemarkCounts("layer4", "a", torch.tensor([1, 0, 0])))
    assert "noted" not in repr(some)
    with pytest.raises(dataclasses.FrozenInstanceError):
        some.label = "other"  # type: ignore[misc]


def test_a_method_that_ignores_the_target_says_so() -> None:
    model, x = seeded(Plain), images()
    explanations = xaikit.explain(
        model, x, ["gradcam", "ablationcam", "eigencam", "lafam", "center"], layers="conv2", target=2
    )
    assert {label: one.targeted for label, one in explanations.items()} == {
        "gradcam": True,
        "ablationcam": True,
        "eigencam": False,
        "lafam": False,
        "center": False,
    }


def test_what_is_of_no_class_says_so_and_a_score_that_there_is_not_is_left_out() -> None:
    x = images()
    alone = xaikit.explain(seeded(Plain), x, ["eigencam", "dff"], layers="conv2")
    assert "target no class" in repr(alone["eigencam"])
    assert alone["eigencam"].in_words(0) == ["no class"]
    assert alone["dff"].in_words(1) == [f"part {part} of 4" for part in (1, 2, 3, 4)]
    several = xaikit.explain(seeded(Plain), x, "gradcam", layers="conv2", target=[[0, 1], [2]])["gradcam"]
    assert several.in_words(1)[1] == "no target"
    assert several.in_words(1)[0].startswith("class 2 ")
    broken = xaikit.explain(seeded(Plain), x * torch.nan, ["gradcam", "eigencam"], layers="conv2", target=0)
    assert broken["gradcam"].in_words(0, ": ") == ["class 0: nan"], "a score that is NaN stays visible"


# --- how it is looked at


def explained(**options: Any) -> Explanation:
    return xaikit.explain(seeded(Plain), images(), "gradcam", layers=["conv1", "conv2"], **options)["gradcam"]


def test_a_repr_says_label_shapes_target_and_warnings_on_one_line() -> None:
    text = repr(explained(target=[1, 0]))
    assert text.startswith("Explanation('gradcam': map (2, ")
    assert "raw maps conv1 (2, " in text
    assert "target class 1 or class 0" in text
    dead = explanation(RemarkCounts("layer4", "zero gradients", torch.tensor([1, 0, 1])))
    assert "2 warnings, first sample 0, layer4: zero gradients" in repr(dead)
    many = repr(explained(target=[0, 1], finish={"fuse": "none"}))
    assert "map none" in many
    assert max(map(len, (text, repr(dead), many))) < 400
    assert "\n" not in text


def test_numpy_is_the_map_of_the_whole_or_of_a_layer() -> None:
    one = explained()
    assert one.map is not None
    assert (one.numpy() == one.map.numpy()).all()
    assert (one.numpy("conv1") == one.finished["conv1"].numpy()).all()
    with pytest.raises(ConfigError, match="no layer 'conv3'; did you mean"):
        one.numpy("conv3")
    with pytest.raises(ConfigError, match="expected one of conv1, conv2; no fused map"):
        explained(finish={"fuse": "none"}).numpy()
    halves = dataclasses.replace(one, map=one.map.bfloat16())
    assert halves.numpy().dtype == "float32"


def test_an_overlay_is_of_one_sample_and_target_over_what_the_model_received() -> None:
    one = explained(target={"use": "top", "k": 2})
    high, wide = images().shape[2:]
    pictures = [one.overlay(sample=sample, target=target) for sample in (0, 1) for target in (0, 1)]
    assert {picture.height for picture in pictures} == {high}
    assert len({picture.tobytes() for picture in pictures}) == 4
    assert one.overlay(sample=-1, target=-1).tobytes() == pictures[3].tobytes()
    assert one.overlay(layer="conv1").tobytes() != pictures[0].tobytes()
    plain = one.overlay(alpha=0.0).crop((0, 0, wide, high))
    assert plain.tobytes() == stretched(images()[0]).tobytes()
    for options, message in (
        ({"sample": 2}, "sample: expected 0 ... 1, got 2"),
        ({"target": 2}, "target: expected 0 ... 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            one.overlay(**options)


def test_another_picture_is_covered_as_a_whole() -> None:
    picture = Image.new("RGB", (40, 20))
    assert explained().overlay(picture).height == 20


def test_a_plot_has_a_row_a_sample_and_a_column_a_target() -> None:
    one = explained(target={"use": "top", "k": 2})
    whole, first = one.plot(), one.plot([0])
    assert whole.width == first.width > 3 * 224
    assert whole.height > first.height > 224


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.pdf"])
def test_it_is_saved_as_its_ending_says(name: str, tmp_path: Path) -> None:
    one = explained()
    assert one.save(tmp_path / name, sample=1, alpha=0.3) == tmp_path / name
    small = (tmp_path / name).stat().st_size
    one.save(str(tmp_path / name))
    assert (tmp_path / name).stat().st_size > small > 0


def test_it_is_saved_as_numbers_and_nothing_else(tmp_path: Path) -> None:
    one = explained()
    one.save(tmp_path / "a.npy")
    assert (np.load(tmp_path / "a.npy") == one.numpy()).all()
    with pytest.raises(ConfigError, match=r"expected an ending such as \.png, .* got 'a\.xyz'"):
        one.save(tmp_path / "a.xyz")
    with pytest.raises(ConfigError, match="save: expected a path, got BytesIO"):
        one.save(io.BytesIO())  # type: ignore[arg-type]
    assert one.save(tmp_path / "new" / "folder" / "a.png").is_file()


def test_boxes_and_masks_are_of_every_sample_and_target() -> None:
    one, both = explained(target=0), explained(target={"use": "classes", "of": [0, 1]})
    for boxes, masks in zip(both.boxes(), both.mask(), strict=True):
        assert [mask.shape for mask in masks] == [images().shape[2:]] * 2
        assert all(each.shape[1:] == (4,) for each in boxes)
    assert torch.equal(both.boxes("otsu")[1][0], one.boxes("otsu")[1])
    assert torch.equal(both.mask(0.3)[1][0], one.mask(0.3)[1])
    assert [len(each) <= 1 for each in one.boxes(keep="largest")] == [True, True]


def test_a_sample_without_a_target_has_no_box_and_a_map_that_is_not_finite_is_named() -> None:
    padded = explained(target=[[0, 1], [2]])
    assert len(padded.boxes()[1][1]) == 0
    assert not padded.mask()[1][1].any()
    broken = dataclasses.replace(explained(), map=torch.full((2, 4, 4), torch.nan))
    with pytest.raises(ConfigError, match=r"^sample 0, target 0: regions: expected a finite map"):
        broken.boxes()
    assert broken.map is not None
    broken.map[0] = 1
    with pytest.raises(ConfigError, match=r"^sample 1, target 0: .* NaN .* has those of the other samples"):
        broken.mask()


def test_without_its_inputs_boxes_are_in_pixels_of_the_map_and_another_picture_is_covered() -> None:
    for options in ({}, {"target": {"use": "top", "k": 2}}, {"finish": {"resize": "none"}, "target": 0}):
        one = explained(**options)
        assert one.map is not None
        alone = dataclasses.replace(one, shown=None)
        assert repr(alone.boxes()) == repr(one.boxes()) or options.get("finish")
        flat = alone.mask()[0][0] if one.target.plural else alone.mask()[0]
        assert flat.shape == one.map.shape[-2:]
        picture = Image.new("RGB", (40, 20))
        assert alone.overlay(picture).tobytes() == one.overlay(picture).tobytes()
    for draw in (alone.overlay, alone.plot):
        with pytest.raises(ConfigError, match="the inputs are not known"):
            draw()


def test_a_notebook_shows_it() -> None:
    one = explained()
    png = one._repr_png_()
    assert png is not None
    assert Image.open(io.BytesIO(png)).height > 2 * 224
    assert 'src="data:image/png;base64,' in one._repr_html_()
    assert "&#x27;gradcam&#x27;" in one._repr_html_()


def test_what_is_no_picture_is_shown_as_words() -> None:
    unknown = explanation()
    assert unknown._repr_png_() is None
    assert unknown._repr_html_().startswith("<pre>Explanation")
    with pytest.raises(ConfigError, match="the inputs are not known"):
        explanation().overlay(layer="layer4")
