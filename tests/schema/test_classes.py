import pytest

from xaikit.errors import DataError
from xaikit.schema.classes import Classes

CLASSES = ("tench", "tiger cat", "crane", "Cardigan", "cardigan", "crane")
WNIDS = ("n01440764", "n02123159", "n02012849", "n02113186", "n02963159", "n03126707")


def index(label: str | int) -> int:
    return Classes(CLASSES, WNIDS).index(label, "photos/a.jpg")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (0, 0),
        (5, 5),
        ("3", 3),
        ("003", 3),
        (" 3 ", 3),
        ("n02123159", 1),
        ("n03126707", 5),
        ("tench", 0),
        ("TENCH", 0),
        ("tiger_cat", 1),
        ("Tiger  Cat ", 1),
        ("cardigan", 4),  # as it stands comes before without case
        ("Cardigan", 3),
    ],
)
def test_index_then_wnid_then_name(label, expected):
    assert index(label) == expected


@pytest.mark.parametrize("label", [6, "6", -1])
def test_index_out_of_range(label):
    with pytest.raises(DataError, match=rf"^photos/a\.jpg: expected a class index of 0 to 5, got {label}$"):
        index(label)


def test_range_is_that_of_the_wnids_where_names_are_unknown():
    with pytest.raises(DataError, match="0 to 5, got 6"):
        Classes(None, WNIDS).index(6, "a.jpg")


def test_index_without_any_knowledge_of_the_classes():
    assert Classes(None, None).index("731", "a.jpg") == 731
    with pytest.raises(DataError, match="expected a class index of 0 or more, got -1"):
        Classes(None, None).index(-1, "a.jpg")


@pytest.mark.parametrize(("label", "places"), [("crane", "2 and 5"), ("CARDIGAN", "3 and 4")])
def test_ambiguous_names_ask_for_index_or_wnid(label, places):
    with pytest.raises(
        DataError, match=rf"^photos/a\.jpg: '{label}' names the classes {places}; use the index or the wnid$"
    ):
        index(label)


def test_unknown_name_lists_the_nearest():
    with pytest.raises(DataError, match=r"^photos/a\.jpg: the model has no class 'tinch'; did you mean 'tench'\?$"):
        index("tinch")


def test_unknown_wnid_is_no_class():
    with pytest.raises(DataError, match="no class 'n99999999'"):
        index("n99999999")


def test_name_for_a_model_without_names():
    with pytest.raises(DataError, match="class names are unknown; expected an index"):
        Classes(None, None).index("tench", "a.jpg")


def test_wnid_for_a_model_without_names():
    assert Classes(None, WNIDS).index("n02123159", "a.jpg") == 1


def test_one_of_several_names_of_a_class():
    assert Classes(("tench, Tinca tinca", "tabby, tabby cat")).index("Tabby_Cat", "a.jpg") == 1


def test_imagenets_classes_go_by_all_their_synonyms():
    from xaikit.sources.imagenet import CLASSES, WNIDS

    assert [Classes(CLASSES, WNIDS).index(name, "a") for name in ("tabby", "tabby cat", "Tinca tinca")] == [281, 281, 0]
    assert Classes(CLASSES, WNIDS).index("crane", "a") == 517, "as it stands before what it is called as well"
