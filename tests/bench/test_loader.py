from __future__ import annotations

from pathlib import Path

import torch

from helpers.runs import pictures
from xaikit.bench.loader import Loader, Picture, UnreadablePicture
from xaikit.schema.classes import Classes
from xaikit.sources import Photograph, Transform

TRANSFORM = Transform(32, 32, (0.5,) * 3, (0.25,) * 3)


def photographs(folder: Path, names: tuple[str, ...], label: str | None = None) -> list[Photograph]:
    pictures(folder, names)
    return [Photograph(name, (folder / name).read_bytes, label) for name in names]


def test_batches_come_in_order_with_and_without_workers(tmp_path: Path) -> None:
    nine = photographs(tmp_path, tuple(f"{n}.png" for n in range(9)))
    cut = [nine[:2], nine[2:4], nine[4:5], nine[5:9]]
    for workers in (0, 3):
        batches = Loader(TRANSFORM, workers=workers).batches(cut)
        names = [[item.photograph.name for item in batch] for batch in batches]
        assert names == [["0.png", "1.png"], ["2.png", "3.png"], ["4.png"], ["5.png", "6.png", "7.png", "8.png"]]
        assert list(Loader(TRANSFORM, workers=workers).batches([])) == []


def test_a_picture_knows_what_the_model_sees(tmp_path: Path) -> None:
    picture = Loader(TRANSFORM).read(photographs(tmp_path, ("a.png",))[0])
    assert isinstance(picture, Picture)
    assert picture.rgb.size == (32, 32)
    assert picture.pixels.shape == (3, 32, 32)
    first = torch.tensor(picture.rgb.getpixel((0, 0)), dtype=torch.float32)
    torch.testing.assert_close(picture.pixels[:, 0, 0], (first / 255 - 0.5) / 0.25)


def test_what_cannot_be_read_is_a_value() -> None:
    unreadable = Loader(TRANSFORM).read(Photograph("zz.png", lambda: b""))
    assert isinstance(unreadable, UnreadablePicture)
    assert "zz.png" in unreadable.error


def test_a_label_that_is_no_class_is_a_complaint_and_the_picture_stays(tmp_path: Path) -> None:
    (photograph,) = photographs(tmp_path, ("a.png",), "triangel")
    labelled = Loader(TRANSFORM, Classes(("square", "triangle")), labelled=True).read(photograph)
    assert isinstance(labelled, Picture)
    assert "did you mean 'triangle'" in labelled.unlabelled
    unlabelled = Loader(TRANSFORM, Classes(("square", "triangle"))).read(photograph)
    assert isinstance(unlabelled, Picture)
    assert unlabelled.unlabelled == ""
