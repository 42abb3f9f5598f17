import sys

import pytest

from xaikit import ConfigError, DataError
from xaikit.bench.decode import decode
from xaikit_sources.samples_data import SamplesData


def test_five_photographs_by_default():
    photographs = SamplesData().photographs()
    assert [photograph.name for photograph in photographs] == [
        "coffee",
        "chelsea",
        "rocket",
        "camera",
        "motorcycle_left",
    ]
    sizes = {photograph.name: decode(photograph.read(), photograph.name).size for photograph in photographs}
    assert sizes["coffee"] == (600, 400)
    assert sizes["camera"] == (512, 512)


def test_names_in_their_order_each_once():
    photographs = SamplesData(names=["rocket", "astronaut", "rocket"]).photographs()
    assert [photograph.name for photograph in photographs] == ["rocket", "astronaut"]


def test_unknown_name():
    with pytest.raises(DataError, match=r"data samples: there is no picture 'cofee'; did you mean 'coffee'\?"):
        SamplesData(names=["cofee"]).photographs()


def test_no_names():
    with pytest.raises(DataError, match="expected at least one name, got an empty list"):
        SamplesData(names=[]).photographs()


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ConfigError, match=r"needs scikit-image; install it by: pip install 'xaikit\[demo\]'"):
        SamplesData().photographs()
