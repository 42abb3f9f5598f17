import pytest

from xaikit import DataError
from xaikit_sources.folder import Folder


def names(photos, **options):
    return [photograph.name.removeprefix(f"{photos}/") for photograph in Folder(str(photos), **options).photographs()]


def test_pictures_of_all_folders_in_natural_order(photos):
    assert names(photos) == ["2.png", "10.png", "cats/a.PNG", "cats/deep/b.jpeg", "dogs/c.png"]


def test_pictures_of_the_folder_itself(photos):
    assert names(photos, recursive=False) == ["2.png", "10.png"]


def test_names_are_below_the_path_as_given(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    assert Folder("photos", recursive=False).photographs()[0].name == "photos/2.png"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("photoz", r"data folder: there is no 'photoz'; in '.*': did you mean 'photos'\?"),
        ("photos/2.png", r"data folder: expected a folder, got the file 'photos/2\.png'; for files there is"),
        ("photos/birds", r"data folder: expected pictures, found none in 'photos/birds'$"),
    ],
)
def test_what_is_not_there_is_named(photos, monkeypatch, path, message):
    monkeypatch.chdir(photos.parent)
    with pytest.raises(DataError, match=message):
        Folder(path).photographs()


def test_pictures_further_down_are_hinted_at(photos):
    (photos / "cats/a.PNG").unlink()
    with pytest.raises(DataError, match="recursive: true looks into the folders in it"):
        Folder(str(photos / "cats"), recursive=False).photographs()
