import pytest
from torchvision.models import ResNet50_Weights

from xaikit.sources.imagenet import CLASSES, WNIDS, wnids_of


def test_a_thousand_of_each():
    assert len(CLASSES) == len(WNIDS) == len(set(WNIDS)) == 1000
    assert all(len(wnid) == 9 and wnid[0] == "n" and wnid[1:].isdecimal() for wnid in WNIDS)
    assert tuple(sorted(WNIDS)) == WNIDS  # the order of the outputs is that of the ids


@pytest.mark.parametrize(
    ("index", "wnid", "name"),
    [
        (0, "n01440764", "tench"),
        (134, "n02012849", "crane bird"),
        (207, "n02099601", "golden retriever"),
        (281, "n02123045", "tabby"),
        (517, "n03126707", "crane"),
        (657, "n03773504", "missile"),
        (967, "n07920052", "espresso"),
        (999, "n15075141", "toilet tissue"),
    ],
)
def test_ids_and_names_are_in_one_order(index, wnid, name):
    assert (WNIDS[index], CLASSES[index]) == (wnid, name)


def test_names_are_torchvisions():
    assert tuple(ResNet50_Weights.DEFAULT.meta["categories"]) == CLASSES


def test_ids_only_for_imagenets_thousand():
    assert wnids_of(CLASSES) == WNIDS
    assert wnids_of(CLASSES[:999]) is None
    assert wnids_of(None) is None
