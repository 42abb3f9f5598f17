import pytest

from xaikit import DataError
from xaikit_sources.files import Files


def names(path):
    return [photograph.name for photograph in Files(path).photographs()]


def test_one_file(photos):
    (photograph,) = Files(str(photos / "2.png")).photographs()
    assert photograph.name == str(photos / "2.png")
    assert photograph.read() == (photos / "2.png").read_bytes()
    assert photograph.label is None


def test_relative_names_stay_relative(photos, monkeypatch):
    monkeypatch.chdir(photos)
    assert names("2.png") == ["2.png"]
    assert names("*.png") == ["2.png", "10.png"]


def test_list_keeps_its_order_and_counts_a_file_once(photos, monkeypatch):
    monkeypatch.chdir(photos)
    assert names(["dogs/c.png", "*.png", "2.png"]) == ["dogs/c.png", "2.png", "10.png"]


def test_glob_takes_pictures_only(photos, monkeypatch):
    monkeypatch.chdir(photos)
    assert names("*") == ["2.png", "10.png"]
    assert names("**/*.png") == ["2.png", "10.png", "dogs/c.png"]


def test_a_name_with_brackets_is_a_file_first(photos, monkeypatch):
    monkeypatch.chdir(photos)
    (photos / "a[1].png").write_bytes(b"")
    assert names("a[1].png") == ["a[1].png"]


def test_any_suffix_where_it_is_named(photos):
    assert len(names(str(photos / "notes.txt"))) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("3.png", r"data files: there is no '3\.png'; in '.*photos': did you mean '2\.png'"),
        ("*.jpg", r"data files: no picture matches '\*\.jpg' \(from '.*photos'\)"),
        ("*.txt", r"data files: no picture matches '\*\.txt'"),
        ("cats", r"data files: expected a file, got the folder 'cats'; for folders there is 'source: folder'"),
        ([], r"data files: path: expected at least one path, got an empty list"),
        (["2.png", "nowhere.png"], r"there is no 'nowhere\.png'"),
    ],
)
def test_what_is_not_there_is_named(photos, monkeypatch, path, message):
    monkeypatch.chdir(photos)
    with pytest.raises(DataError, match=message):
        names(path)
