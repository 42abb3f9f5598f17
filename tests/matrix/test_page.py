"""The page says what the matrix found, and the matrix is of all methods and of the networks that were promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from matrix.architectures import ARCHITECTURES
from matrix.cells import KINDS, OPTIONS, built_in, kind_of
from matrix.page import numbered, page, pattern
from matrix.run import differing, summary

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOUND = json.loads((DOCS / "coverage.json").read_text(encoding="utf-8"))
ROWS = FOUND["architectures"]
FAMILIES = {
    *("VGG", "ResNet", "DenseNet", "Inception", "GoogLeNet", "MobileNet", "ShuffleNet", "SqueezeNet", "EfficientNet"),
    *("RegNet", "ConvNeXt", "MNASNet", "ResNeXt", "ViT", "DeiT", "DINOv2", "BEiT", "Swin", "Swin 2", "MaxViT", "PVT"),
    *("CaiT", "XCiT", "EVA", "MLP-Mixer", "PoolFormer", "NFNet"),
}


def test_the_page_is_made_of_the_matrix() -> None:
    assert (DOCS / "coverage.md").read_text(encoding="utf-8") == page(FOUND)


def test_every_network_is_in_it_as_it_is_listed() -> None:
    listed = {name: (one.family, one.source, one.kind, list(one.shape)) for name, one in ARCHITECTURES.items()}
    facts = {name: (row["family"], row["source"], row["kind"], row["input"]) for name, row in ROWS.items()}
    assert facts == listed


def test_every_method_is_in_it() -> None:
    assert all(tuple(row["cells"]) == built_in() for row in ROWS.values())
    assert FOUND["options"] == {method: dict(options) for method, options in OPTIONS.items()}


def test_it_has_the_networks_that_were_promised() -> None:
    classifiers = [row for row in ROWS.values() if row["kind"] == "classifier"]
    assert len(classifiers) >= 40
    assert {row["family"] for row in classifiers} >= FAMILIES
    kinds = [row["kind"] for row in ROWS.values()]
    wanted = {"1-D": 1, "3-D": 1, "segmenter": 1, "detector": 2, "image and text": 1}
    assert {kind: kinds.count(kind) for kind in wanted} == wanted


def test_nothing_is_wrong() -> None:
    kinds = {kind_of(cell) for row in ROWS.values() for cell in row["cells"].values()}
    assert kinds <= set(KINDS) - {"wrong"}


def test_every_network_has_its_layer_and_more_maps_than_refusals() -> None:
    for row in ROWS.values():
        assert row["layers"]
        kinds = [kind_of(cell) for cell in row["cells"].values()]
        assert kinds.count("map") > len(kinds) / 2


def test_every_method_has_maps() -> None:
    for method in built_in():
        assert sum(row["cells"][method] == "map" for row in ROWS.values()) >= 1


def row(**cells: str) -> dict[str, Any]:
    return {"layers": {"a": "channels_first (1, 2)"}, "cells": cells}


def test_reasons_are_one_whatever_the_layer_and_the_numbers() -> None:
    rows = {
        "x": row(one="refused: layer a.1: got 3 of conv2d", two="map"),
        "y": row(one="refused: layer b: got 44 of conv2d", two="refused: no"),
    }
    assert numbered(rows, "refused") == {"got N of conv2d": 1, "no": 2}
    assert pattern("zero: 1e-06 or 1.5e+02 of x12") == "N or N of x12"


def test_differences_are_those_of_layers_and_kinds() -> None:
    committed = {"architectures": {"x": row(one="refused: 1", two="map")}}
    assert not [*differing(committed, {"architectures": {"x": row(one="refused: 2")}})]
    other = {"x": row(one="map", two="map") | {"layers": {}}, "y": row()}
    assert [*differing(committed, {"architectures": other})] == [
        "x: layers: expected {'a': 'channels_first (1, 2)'}, got {}",
        "x, one: expected refused: 1, got map",
        "y: not in the committed JSON",
    ]


@pytest.mark.parametrize(("count", "text"), [({}, ""), ({"wrong": 1, "map": 2}, "2 map, 1 wrong")])
def test_a_line_tells_what_there_is(count: dict[str, int], text: str) -> None:
    assert summary(count) == text
