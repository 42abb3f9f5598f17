import pytest

from xaikit import DataError
from xaikit_sources.imagefolder import ImageFolder


def test_the_label_is_the_name_of_the_first_folder(photos):
    labels = [(item.name.removeprefix(f"{photos}/"), item.label) for item in ImageFolder(str(photos)).photographs()]
    assert labels == [("cats/a.PNG", "cats"), ("cats/deep/b.jpeg", "cats"), ("dogs/c.png", "dogs")]


def test_without_class_folders(photos):
    with pytest.raises(
        DataError, match=r"expected class folders with pictures in '.*deep', found none; .*source: folder"
    ):
        ImageFolder(str(photos / "cats" / "deep")).photographs()


def test_absent(photos):
    with pytest.raises(DataError, match=r"data imagefolder: there is no '.*photo'; .* did you mean 'photos'\?"):
        ImageFolder(str(photos)[:-1]).photographs()
