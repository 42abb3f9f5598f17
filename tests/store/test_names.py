import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaikit.store.names import safe_names, stems

HOSTILE = [
    "../../etc/passwd", "..", ".", "", "/", ".hidden", "a/..jpg", "C:\\pictures\\cat.jpg", "CON.jpg", "nul", "com1.png",
    "a\x00b.jpg", "a\nb.jpg", "a\u202eb.jpg", "a:b.jpg", "a*b?.jpg", "<a>|\".jpg", " lead.jpg", "trail .jpg", "-rf.jpg",
    "\udcff.jpg", "x" * 300 + ".jpg", "é" * 300 + ".jpg", "日本.jpg", "e\u0301.jpg", "IMG.2020.01.jpg", "🐈.jpg", "~",
    "$HOME.jpg",
]  # fmt: skip


def is_safe(stem: str) -> bool:
    unsafe = set('/\\:*?"<>|.\0~$')
    printable = all(unicodedata.category(char)[0] in "LMNPSZ" for char in stem)
    reserved = stem.lower() in {"con", "prn", "aux", "nul", "com1", "lpt1"}
    ends = stem[0] in " -" or stem[-1] in " -"
    return (
        bool(stem) and printable and not reserved and not ends and not unsafe & set(stem) and len(stem.encode()) <= 150
    )


def test_plain_names_keep_their_stems() -> None:
    names = ["pets/cat.jpg", "DSC_0001.JPG", "photo (1).png", "naïve.webp", "espresso"]
    assert list(stems(names).values()) == ["cat", "DSC_0001", "photo (1)", "naïve", "espresso"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_gets_a_safe_stem(name: str) -> None:
    stem = stems([name])[name]
    assert is_safe(stem), stem


def test_hostile_names_stay_apart() -> None:
    chosen = list(stems(HOSTILE).values())
    assert len({unicodedata.normalize("NFKC", stem.casefold()) for stem in chosen}) == len(HOSTILE)


def test_equal_stems_and_stems_equal_but_for_case_are_told_apart() -> None:
    chosen = stems(["a/cat.jpg", "b/cat.jpg", "b/CAT.png", "dog.jpg"])
    assert chosen["dog.jpg"] == "dog"
    assert len({stem.casefold() for stem in chosen.values()}) == 4
    assert all(stem.casefold().startswith("cat-") for name, stem in chosen.items() if name != "dog.jpg")


def test_a_picture_that_bears_the_digest_of_another_does_not_collide() -> None:
    digested = stems(["a/cat.jpg", "b/cat.jpg"])["a/cat.jpg"]
    chosen = stems(["a/cat.jpg", "b/cat.jpg", f"{digested}.jpg"])
    assert len(set(chosen.values())) == 3


def test_names_that_are_done_keep_their_stem_and_others_make_way() -> None:
    first = stems(["a/cat.jpg"])
    assert first == {"a/cat.jpg": "cat"}
    later = stems(["a/cat.jpg", "b/cat.jpg"], taken=first)
    assert later["a/cat.jpg"] == "cat"
    assert later["b/cat.jpg"] == stems(["a/cat.jpg", "b/cat.jpg"])["b/cat.jpg"]


def test_dots_are_replaced_so_that_names_made_of_parts_are_read_in_one_way() -> None:
    chosen = {
        f"{stem}.{label}"
        for stem in stems(["a.b.jpg", "a.jpg"]).values()
        for label in safe_names(["c", "b.c"]).values()
    }
    assert len(chosen) == 4
    assert all(name.count(".") == 1 for name in chosen)


@given(st.lists(st.text(max_size=12), unique=True, max_size=12), st.randoms(use_true_random=False))
def test_stems_are_unique_safe_and_independent_of_the_order(names: list[str], random: object) -> None:
    chosen = stems(names)
    assert list(chosen) == names
    assert len({unicodedata.normalize("NFKC", stem.casefold()) for stem in chosen.values()}) == len(names)
    assert all(map(is_safe, chosen.values()))
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert stems(shuffled) == chosen


@pytest.mark.parametrize("stem", ["../../elsewhere", "a/b", "a\\b", "a.b", "", "a\x1b[31m"])
def test_a_stem_that_lies_elsewhere_is_not_taken_over(stem: str) -> None:
    assert stems(["a/cat.jpg"], taken={"a/cat.jpg": stem}) == {"a/cat.jpg": "cat"}
