"""Superpixels: IROF's segments follow the photograph, and each has as many as it has."""

from __future__ import annotations

import sys

import pytest
import torch
from skimage import data
from skimage.segmentation import slic
from torch import nn

from helpers.additive import additive
from xaikit import ConfigError
from xaikit.evaluation.judged import judged
from xaikit.ops import superpixels
from xaikit_metrics._blocks import Blocks
from xaikit_metrics.irof import Irof


def test_segments_are_those_of_slic_and_removed_by_their_mean() -> None:
    """The curve of one photograph, restated: segment by segment."""
    picture = data.astronaut()  # type: ignore[no-untyped-call]
    image = torch.from_numpy(picture[::16, ::16] / 255.0).movedim(-1, 0).unsqueeze(0)
    saliency = torch.rand(1, *image.shape[2:], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(image[0].numel(), 2)).double()
    scaled = (image[0] - image.min()) / (image.max() - image.min())
    labels = torch.from_numpy(slic(scaled.movedim(0, -1).numpy(), n_segments=20, start_label=0, channel_axis=-1))
    count = int(labels.max()) + 1
    means = torch.stack([saliency[0][labels == each].mean() for each in range(count)])
    left, scores = image.clone(), [image]
    for segment in means.argsort(descending=True):
        left = torch.where(labels == segment, image.mean((2, 3), keepdim=True), left)
        scores.append(left)
    curve = net(torch.cat(scores)).detach().softmax(1)[:, 0]
    expected = 1 - (torch.trapezoid(curve) / count / curve[0]).item()
    (measure,) = judged(Irof(segments="slic", count=20, steps=count), net, image, saliency, classes=[0])
    assert measure.value == pytest.approx(expected)
    assert (measure.numbers or {})["segments"] == count
    assert 5 < count < 40


def test_photographs_of_unlike_numbers_of_segments_are_judged_as_alone() -> None:
    busy, plain = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 3, 24, 24)
    plain[..., :12] = 1
    images = torch.cat([busy, plain])
    counts = (superpixels(images, 30).flatten(1).amax(1) + 1).tolist()
    assert counts[0] != counts[1]
    maps = torch.randn(2, 24, 24, generator=torch.Generator().manual_seed(1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 2))
    metric = Irof(segments="slic", count=30)
    together = [each.value for each in judged(metric, net, images, maps, ids=["a", "b"])]
    alone = [judged(metric, net, images[[row]], maps[[row]], ids=["ab"[row]])[0].value for row in range(2)]
    assert together == pytest.approx(alone, rel=1e-5)


def test_a_photograph_is_segmented_once_for_all_its_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))[[0, 1, 0, 0]]
    seen: list[object] = []
    monkeypatch.setattr("skimage.segmentation.slic", lambda *args, **kwargs: seen.append(args) or slic(*args, **kwargs))
    blocks = superpixels(images, 9)
    assert len(seen) == 2
    assert torch.equal(blocks, torch.cat([superpixels(image[None], 9) for image in images]))


def test_blocks_that_a_photograph_lacks_weigh_nothing() -> None:
    blocks = Blocks(torch.tensor([[0, 0, 1, 2], [0, 1, 1, 1]]), 3)
    assert blocks.present.tolist() == [[True, True, True], [True, True, False]]
    assert blocks.mean(torch.tensor([[1.0, 3, 5, 7], [1, 2, 3, 4]])).tolist() == [[2, 5, 7], [1, 3, 0]]
    gone = torch.tensor([[[True, False, False]], [[False, True, False]]])
    assert blocks.spread(gone).tolist() == [[[True, True, False, False]], [[False, True, True, True]]]


def test_without_scikit_image_segments_are_blocks_unless_superpixels_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, image, exact = additive()
    grid = judged(Irof(segments="grid", block=2), net, image, exact, classes=[0])[0]
    monkeypatch.setattr("xaikit_metrics.irof.find_spec", lambda name: None)
    assert judged(Irof(block=2), net, image, exact, classes=[0])[0].value == grid.value
    assert (grid.numbers or {})["segments"] == 9
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(
        ConfigError, match=r"slic: scikit-image is not installed: pip install 'xaikit\[superpixels\]', or say grid"
    ):
        judged(Irof(segments="slic"), net, image, exact, classes=[0])


def test_no_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="count: expected 1 or more, got 0"):
        Irof(count=0)
