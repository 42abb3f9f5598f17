import pytest

from xaikit import DataError
from xaikit_sources._paths import missing, photograph, pictures_in, suffixes


def test_suffixes_are_those_that_pillow_decodes():
    assert {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".gif", ".bmp"} <= suffixes()
    assert not {".h5", ".pdf", ".eps", ".mpg", ".wmf", ".txt", ""} & suffixes()


def test_missing_names_the_first_missing_part(photos):
    assert missing(str(photos / "catz" / "a.PNG")).endswith(f"; in {str(photos)!r}: did you mean 'cats'?")
    assert missing(str(photos / "cats" / "a.PGN")).endswith(f"; in {str(photos / 'cats')!r}: did you mean 'a.PNG'?")
    assert missing(str(photos / "birds" / "x")).endswith("there are none")


def test_missing_below_a_file(photos):
    assert missing(str(photos / "2.png" / "x")).endswith(f"; in {str(photos / '2.png')!r}: there are none")


def test_a_file_that_vanished_is_named(tmp_path):
    gone = photograph(tmp_path / "gone.png", "gone.png")
    with pytest.raises(DataError, match=r"gone\.png: cannot be read: No such file"):
        gone.read()


def test_arrays_are_pictures_where_there_are_no_others(tmp_path):
    (tmp_path / "a.npy").touch()
    assert [path.name for path in pictures_in(tmp_path, True)] == ["a.npy"]
    (tmp_path / "b.png").touch()
    assert [path.name for path in pictures_in(tmp_path, True)] == ["b.png"]
