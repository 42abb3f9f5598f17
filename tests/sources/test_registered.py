import dataclasses
from importlib.resources import files

import pytest

from xaikit import Registry

SOURCES = [
    *(("model", name) for name in ("hub", "importpath", "samples", "timm", "torchvision", "transformers")),
    *(("data", name) for name in ("csv", "files", "folder", "imagefolder", "samples")),
]


@pytest.mark.parametrize(("kind", "name"), SOURCES)
def test_every_source_is_found_by_its_name(kind, name):
    plugin = Registry().find(kind, name)
    assert plugin.distribution == "xaikit"
    assert all(field.type for field in dataclasses.fields(plugin.cls))


@pytest.mark.parametrize("kind", ["model", "data"])
def test_the_catalogue_says_what_each_is(kind):
    entries = {entry.name: entry.summary for entry in Registry().catalogue(kind)}
    assert {name for place, name in SOURCES if place == kind} <= entries.keys()
    assert not [summary for summary in entries.values() if summary.startswith("(")]


def test_the_ids_of_imagenet_lie_in_the_package():
    assert files("xaikit.sources").joinpath("imagenet.txt").read_text(encoding="utf-8").count("\n") == 1000
