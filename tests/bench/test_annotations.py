"""Objects in the frame of the model, against pixels that go the same way."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from xaikit.bench.loader import Loader, Picture
from xaikit.bench.transforms import OwnTransform
from xaikit.metric import Annotation
from xaikit.schema.classes import Classes
from xaikit.sources import FileAnnotation, Photograph, Transform

BOX = (30, 10, 50, 40)
"""Of a picture of 60 x 80."""


def encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def drawn(box: tuple[int, int, int, int] = BOX, size: tuple[int, int] = (60, 80)) -> bytes:
    pixels = np.zeros((*size[::-1], 3), np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = 255
    return encoded(Image.fromarray(pixels))


def read(transform: Transform, annotation: FileAnnotation | None, data: bytes | None = None) -> Picture:
    photograph = Photograph("a.png", lambda: data or drawn(), annotation=annotation)
    picture = Loader(transform, Classes(("cat", "dog"))).read(photograph)
    assert isinstance(picture, Picture)
    return picture


def annotation_of(picture: Picture) -> Annotation:
    assert picture.annotation is not None
    return picture.annotation


TRANSFORMS = [
    Transform(size=40, crop=32, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation="nearest"),
    Transform(size=60, crop=60, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation="nearest"),
    Transform(size=(50, 30), crop=(50, 30), mean=(0.0,) * 3, std=(1.0,) * 3, interpolation="nearest"),
    Transform(size=60, crop=100, mean=(0.0,) * 3, std=(1.0,) * 3, interpolation="nearest"),
]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_boxes_and_masks_go_where_the_pixels_go(transform: Transform) -> None:
    picture = read(transform, FileAnnotation((BOX,), mask=drawn))
    seen = picture.pixels[0] > 0.5
    annotation = annotation_of(picture)
    boxes = Annotation(annotation.boxes).places(seen.shape)
    for places in (boxes, annotation.places(seen.shape)):
        union = int((places | seen).sum())
        assert int((places & seen).sum()) >= 0.9 * union, "but for the rounding of edges"
    assert annotation.lost == 0


CORNERS = ((30, 10), (50, 10), (50, 40), (30, 40))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_outlines_go_where_the_pixels_go(transform: Transform) -> None:
    picture = read(transform, FileAnnotation((BOX,), outlines=((CORNERS,),)))
    seen, annotation = picture.pixels[0] > 0.5, annotation_of(picture)
    places = annotation.places(seen.shape)
    assert int((places & seen).sum()) >= 0.9 * int((places | seen).sum()), "but for the rounding of edges"


def test_outlines_of_what_the_crop_cuts_away_go_with_their_box() -> None:
    outline = ((0, 0), (60, 0), (60, 5))
    stated = FileAnnotation(((0, 0, 60, 5), BOX), ("dog", "cat"), outlines=((outline,), (CORNERS,)))
    annotation = annotation_of(read(TRANSFORMS[0], stated))
    assert (annotation.labels, annotation.lost, len(annotation.outlines)) == ((0,), 1, 1)


def test_labels_are_classes_of_the_model_where_it_has_them() -> None:
    stated = FileAnnotation((BOX, BOX, BOX), ("dog", "bowl", None))
    assert annotation_of(read(TRANSFORMS[0], stated)).labels == (1, "bowl", None)


def test_objects_that_the_crop_cuts_away_are_counted() -> None:
    stated = FileAnnotation(((0, 0, 60, 5), BOX), ("dog", "cat"), lambda: drawn((0, 0, 60, 5)))
    annotation = annotation_of(read(TRANSFORMS[0], stated))
    assert (annotation.labels, annotation.lost) == ((0,), 2), "a box and the mask"
    assert annotation.boxes[0].tolist() == pytest.approx([16, 0, 29.33, 16], abs=1), "what is left of it, to rounding"


def test_a_picture_on_its_side_is_stated_upright() -> None:
    turned = Image.open(io.BytesIO(drawn())).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "PNG", exif=exif)
    picture = read(TRANSFORMS[2], FileAnnotation((BOX,)), buffer.getvalue())
    seen = picture.pixels[0] > 0.5
    assert bool((annotation_of(picture).places(seen.shape) == seen).float().mean() > 0.95)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "1", "P"])
def test_what_is_opaque_is_no_object_by_that(mode: str) -> None:
    picture = Image.open(io.BytesIO(drawn())).convert("L")
    mask = annotation_of(read(TRANSFORMS[0], FileAnnotation(mask=lambda: encoded(picture.convert(mode))))).mask
    plain = annotation_of(read(TRANSFORMS[0], FileAnnotation(mask=drawn))).mask
    assert mask is not None
    assert plain is not None
    assert torch.equal(mask, plain)


def test_what_is_transparent_is_no_object() -> None:
    picture = Image.new("RGBA", (60, 80), (255, 0, 0, 0))
    picture.paste((255, 0, 0, 255), BOX)
    mask = annotation_of(read(TRANSFORMS[0], FileAnnotation(mask=lambda: encoded(picture)))).mask
    plain = annotation_of(read(TRANSFORMS[0], FileAnnotation(mask=drawn))).mask
    assert mask is not None
    assert plain is not None
    assert torch.equal(mask, plain)


def test_a_mask_that_does_not_fit_is_said_and_stops_nothing() -> None:
    wrong = FileAnnotation(mask=lambda: drawn(size=(61, 80)))
    assert (
        annotation_of(read(TRANSFORMS[0], wrong)).note
        == "mask: expected 60 x 80 pixels, as the picture has, got 61 x 80"
    )
    damaged = FileAnnotation(mask=lambda: b"no picture")
    assert annotation_of(read(TRANSFORMS[0], damaged)).note.startswith("mask: cannot be read as a picture")


def test_where_the_geometry_is_not_known_that_is_said() -> None:
    own = OwnTransform(lambda picture: torch.rand(3, 8, 8), "own", "")
    photograph = Photograph("a.png", drawn, annotation=FileAnnotation((BOX,)))
    picture = Loader(own).read(photograph)
    assert isinstance(picture, Picture)
    annotation = annotation_of(picture)
    assert annotation.note == "where in the file the model looks is not known"
    assert annotation.lost == 0


def test_without_an_annotation_there_is_none() -> None:
    assert read(TRANSFORMS[0], None).annotation is None
