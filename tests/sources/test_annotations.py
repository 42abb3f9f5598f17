"""What the sources of pictures read about where objects are."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from xaikit import DataError
from xaikit_sources.csv import Csv
from xaikit_sources.files import Files
from xaikit_sources.folder import Folder
from xaikit_sources.imagefolder import ImageFolder

HEADER = "file,category,x_min,y_min,x_max,y_max\n"
VOC = """<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>
</object></annotation>"""


def stated(source):
    return {
        Path(each.name).name: (each.annotation.boxes, each.annotation.labels)
        for each in source.photographs()
        if each.annotation is not None
    }


def test_a_table_of_boxes(photos):
    (photos / "boxes.csv").write_text(
        HEADER + "2.png,cat,0,1,4,5.5\n2.png,,1,1,2,2\n10.png,,,,,\nelsewhere.png,dog,0,0,1,1\n"
    )
    assert stated(Folder(str(photos), annotations=str(photos / "boxes.csv"))) == {
        "2.png": (((0, 1, 4, 5.5), (1, 1, 2, 2)), ("cat", None)),
        "10.png": ((), ()),
    }


def test_coco(photos):
    content = {
        "images": [{"id": 7, "file_name": "c.png"}, {"id": 8, "file_name": "2.png"}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    (photos / "coco.json").write_text(json.dumps(content))
    source = ImageFolder(str(photos), annotations=str(photos / "coco.json"))
    assert stated(source) == {"c.png": (((1, 2, 4, 6),), ("dog",))}
    assert [each.label for each in source.photographs()] == ["cats", "cats", "dogs"]


def coco(folder: Path, **annotation: Any) -> Files:
    content = {
        "images": [{"id": 7, "file_name": "2.png"}],
        "annotations": [{"image_id": 7, "bbox": [0, 0, 4, 4], **annotation}],
    }
    (folder / "coco.json").write_text(json.dumps(content))
    return Files([str(folder / "2.png")], annotations=str(folder / "coco.json"))


@pytest.mark.parametrize(
    ("segmentation", "outlines"),
    [
        ([[0, 0, 4, 0, 4, 4], [1, 1, 2, 1, 2, 2]], (((0, 0), (4, 0), (4, 4)), ((1, 1), (2, 1), (2, 2)))),
        ({"counts": [3, 1], "size": [2, 2]}, ()),
        ([], ()),
    ],
)
def test_polygons_of_coco(photos, segmentation, outlines):
    (photograph,) = coco(photos, segmentation=segmentation).photographs()
    assert photograph.annotation.outlines == (outlines,)
    assert (photograph.annotation.digest() == coco(photos).photographs()[0].annotation.digest()) == (not outlines)


def test_the_box_around_polygons_stands_for_one_that_is_not_stated(photos):
    (photograph,) = coco(photos, bbox=None, segmentation=[[1, 0, 4, 0, 4, 3], [2, 1, 5, 1, 2, 2]]).photographs()
    assert photograph.annotation.boxes == ((1, 0, 5, 3),)
    with pytest.raises(DataError, match="annotation 0: expected bbox as x, y, width, height, got None"):
        coco(photos, bbox=None).photographs()


@pytest.mark.parametrize(
    "segmentation", [[[0, 0, 4, 0]], [[0, 0, 4, 0, 4, 4, 1]], [["x"] * 6], [[0, 0, 4, 0, 4, float("nan")]], [7]]
)
def test_what_is_no_polygon(photos, segmentation):
    with pytest.raises(DataError, match=r"annotation 0: expected polygons x, y, x, y, .* of three corners or more"):
        coco(photos, segmentation=segmentation).photographs()


def test_voc_counts_pixels_from_one_and_the_last_is_inside(photos):
    (photos / "xml").mkdir()
    (photos / "xml" / "2.xml").write_text(VOC)
    source = Files([str(photos / "2.png"), str(photos / "10.png")], annotations=str(photos / "xml"))
    assert stated(source) == {"2.png": (((0, 1, 5, 6),), ("cat",))}


def test_masks_beside_the_pictures_are_no_photographs(photos):
    masks = photos / "masks" / "cats"
    masks.mkdir(parents=True)
    (masks / "a.png").write_bytes((photos / "2.png").read_bytes())
    photographs = Folder(str(photos), annotations=str(photos / "masks")).photographs()
    assert len(photographs) == len(Folder(str(photos)).photographs()) - 1
    (annotation,) = (each.annotation for each in photographs if each.annotation)
    assert pickle.loads(pickle.dumps(annotation)).mask() == (photos / "2.png").read_bytes()


def test_xml_beside_its_picture(photos):
    (photos / "2.xml").write_text(VOC)
    source = Folder(str(photos), recursive=False, annotations=str(photos))
    assert stated(source) == {"2.png": (((0, 1, 5, 6),), ("cat",))}


def test_boxes_in_the_manifest(photos):
    rows = ["2.png,tabby,0,0,4,4,ear,m.png", "2.png,tabby,1,1,2,2,,", "10.png,,,,,,,"]
    (photos / "table.csv").write_text("\n".join(["path,label,l,t,r,b,part,mask", *rows]))
    (photos / "m.png").write_bytes(b"mask")
    options = {"box_columns": ["l", "t", "r", "b"], "box_label_column": "part", "mask_column": "mask"}
    one, other = Csv(str(photos / "table.csv"), **options).photographs()
    assert (one.name, one.label, other.name, other.label) == ("2.png", "tabby", "10.png", None)
    assert (one.annotation.boxes, one.annotation.labels) == (((0, 0, 4, 4), (1, 1, 2, 2)), ("ear", None))
    assert one.annotation.mask() == b"mask"
    assert other.annotation.boxes == ()
    assert other.annotation.mask is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "2.png,cat,4,1,4,5\n", r"b\.csv:2: expected a box x_min < x_max, y_min < y_max, got 4, 1, 4, 5"),
        (HEADER + "2.png,cat,4,1,x,5\n", r"b\.csv:2: expected four numbers as a box, got \['4', '1', 'x', '5'\]"),
        (HEADER + "2.png,cat,nan,1,3,5\n", r"b\.csv:2: expected a box"),
        (
            HEADER + "11.png,cat,0,1,3,5\n",
            r"expected something about the pictures, such as '2\.png', got '11\.png', which is none",
        ),
        (HEADER + "photos\\2.png,cat,0,1,3,5\n", r"got 'photos\\\\2\.png', which is none of them"),
        (HEADER, "got nothing"),
        (HEADER + "dogs/a.PNG,cat,0,1,3,5\n", r"got 'dogs/a\.PNG', which is none"),
        ("path,x_min,y_min,x_max\n", r"b\.csv:1: no column 'y_max'; did you mean 'x_max' or 'y_min'\?"),
        ("name,x_min,y_min,x_max,y_max\n", r"b\.csv:1: no column 'path' or 'file'"),
    ],
)
def test_faults_of_a_table(photos, text, message):
    (photos / "b.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        Folder(str(photos), annotations=str(photos / "b.csv")).photographs()


def test_a_name_that_may_be_two_pictures(photos):
    (photos / "birds" / "2.png").write_bytes((photos / "2.png").read_bytes())
    (photos / "b.csv").write_text(HEADER + "2.png,cat,0,0,1,1\n")
    with pytest.raises(DataError, match=r"'2\.png' may be .*2\.png or .*birds.2\.png; name the folder as well"):
        Folder(str(photos), annotations=str(photos / "b.csv")).photographs()
    (photos / "b.csv").write_text(HEADER + "birds/2.png,cat,0,0,1,1\n")
    assert list(stated(Folder(str(photos), annotations=str(photos / "b.csv")))) == ["2.png"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "as in COCO's JSON, got JSONDecodeError"),
        ("a.json", "{}", "as in COCO's JSON, got no 'images'"),
        ("a.json", "[]", "as in COCO's JSON, got TypeError"),
        ("a.json", '{"images": [], "annotations": [{"image_id": 1, "bbox": [0, 0, 1, 1]}]}', "no image with the id 1"),
        ("a.txt", "", r"expected a \.csv, a \.json or a folder, got '.*a\.txt'"),
        ("a/b.xml", "<a", "expected XML as in PASCAL VOC"),
        ("a/b.xml", "<a><object/></a>", "object 1: expected bndbox"),
        ("a/b.txt", "", r"expected \.xml or \.png files"),
    ],
)
def test_faults_of_other_files(photos, name, text, message):
    place = photos / "annotations" / name
    place.parent.mkdir(parents=True)
    place.write_text(text)
    read = place if name.count("/") == 0 else place.parent
    with pytest.raises(DataError, match=message):
        Folder(str(photos), annotations=str(read)).photographs()


def test_no_annotations_there(photos):
    with pytest.raises(DataError, match=r"annotations: there is no '.*boxs\.csv'"):
        Folder(str(photos), annotations=str(photos / "boxs.csv")).photographs()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,l,t,r,b\n2.png,x,0,0,0,1\n", r"t\.csv:2: expected a box"),
        (
            "path,label,l,t,r,b\n2.png,x,0,0,1,1\n2.png,y,0,0,1,1\n",
            r"t\.csv:3: label: expected 'x', as in line 2, got 'y'",
        ),
        ("path,label,l,t,r\n", r"t\.csv:1: box_columns: no column 'b'"),
    ],
)
def test_faults_of_a_manifest(photos, text, message):
    (photos / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        Csv(str(photos / "t.csv"), box_columns=["l", "t", "r", "b"]).photographs()


@pytest.mark.parametrize(
    "options", [{"box_columns": ["a"]}, {"box_label_column": "a"}, {"annotations": "a", "mask_column": "m"}]
)
def test_options_that_do_not_fit(options):
    with pytest.raises(ValueError, match="expected"):
        Csv("t.csv", **options)


def test_what_changes_the_digest(photos):
    (photos / "b.csv").write_text(HEADER + "2.png,cat,0,0,1,1\n")
    source = Folder(str(photos), annotations=str(photos / "b.csv"))
    (before,) = (each.annotation.digest() for each in source.photographs() if each.annotation)
    (photos / "b.csv").write_text(HEADER + "2.png,dog,0,0,1,1\n")
    (after,) = (each.annotation.digest() for each in source.photographs() if each.annotation)
    assert before != after
