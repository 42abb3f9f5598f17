import pytest

from xaikit.bench.labels import match_label
from xaikit.errors import DataError

CLASSES = ("tench", "tiger cat", "crane", "Cardigan", "cardigan", "crane")
WNIDS = ("n01440764", "n02123159", "n02012849", "n02113186", "n02963159", "n03126707")


def index(label: str | int) -> int:
    return match_label(label, CLASSES, WNIDS, "photos/a.jpg")


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
        match_label(6, None, WNIDS, "a.jpg")


def test_index_without_any_knowledge_of_the_classes():
    assert match_label("731", None, None, "a.jpg") == 731
    with pytest.raises(DataError, match="expected a class index of 0 or more, got -1"):
        match_label(-1, None, None, "a.jpg")


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
        match_label("tench", None, None, "a.jpg")


def test_wnid_for_a_model_without_names():
    assert match_label("n02123159", None, WNIDS, "a.jpg") == 1
