"""region: the class, the mask and the score of a segmentation, and maps of a tiny segmenter."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

import xaikit
from helpers.nets import PROPERTY, distance
from xaikit import ConfigError, XaikitError
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.testing import judged
from xaikit_metrics.averagedrop import AverageDrop
from xaikit_targets.region import Region

SIDES = (4, 6)


def logits(seed: int = 0, samples: int = 2, classes: int = 3, space: tuple[int, ...] = SIDES) -> Tensor:
    return torch.randn(samples, classes, *space, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Segmenter(nn.Module):
    """Logits of three classes at a third of the resolution, enlarged; in a dict as torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(3, 6, 3, stride=3), nn.ReLU())
            self.head = nn.Conv2d(6, 3, 3, padding=1)
        self.double().eval()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        small = self.head(self.features(x))
        return {"out": nn.functional.interpolate(small, x.shape[2:], mode="bilinear"), "aux": small}


def photographs() -> Tensor:
    return torch.randn(2, 3, 12, 15, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def explained(methods: Any, target: Any, x: Tensor | None = None) -> dict[str, xaikit.Explanation]:
    x = photographs() if x is None else x
    return xaikit.explain(Segmenter(), x, methods, layers="features", target={"use": "region", **target}, output="out")


@PROPERTY
@given(st.integers(0, 9999), st.integers(0, 2), st.booleans())
def test_the_score_is_the_sum_over_the_pixels_predicted_as_the_class(seed: int, of: int, mean: bool) -> None:
    clean, later = logits(seed), logits(seed + 1)
    pinned = Region(of, reduce="mean" if mean else "sum").pin(clean, None)
    for row in range(2):
        places = [(y, x) for y in range(4) for x in range(6) if clean[row, :, y, x].argmax() == of]
        expected = sum(later[row, of, y, x] for y, x in places) / (len(places) if mean else 1)
        torch.testing.assert_close(pinned.scores(later)[row, 0], torch.as_tensor(expected))


def test_top_is_the_most_frequent_prediction() -> None:
    output = torch.zeros(2, 3, 2, 2)
    output[0, 2] = 1  # all four pixels
    output[1, 1] = 1
    output[1, 0, 0, 0] = 2  # one of four
    assert Region().pin(output, None).indices.tolist() == [[2], [1]]
    assert Region(mask=(0.0, 0.0, 0.5, 0.5)).pin(output, None).indices.tolist() == [[2], [0]]
    assert Region(ignore=(1,)).pin(output[1:], None).indices.tolist() == [[0]]
    with pytest.raises(ConfigError, match=r"expected a class that is predicted beside \[2\], got none; name one by of"):
        Region(ignore=(2,)).pin(output, None)


def test_all_is_every_pixel_and_a_box_is_in_shares() -> None:
    output = logits()
    torch.testing.assert_close(Region(1, mask="all").pin(output, None).scores(output)[:, 0], output[:, 1].sum((1, 2)))
    box = Region(1, mask=(0.0, 0.5, 0.5, 1.0)).pin(output, None)
    torch.testing.assert_close(box.scores(output)[:, 0], output[:, 1, :2, 3:].sum((1, 2)))
    assert box.mask.sum((1, 2)).tolist() == [6, 6]


def test_boxes_that_share_a_side_share_no_pixel() -> None:
    left, right = (
        Region(0, mask=(0.0, *sides)).pin(logits(), None).mask for sides in ((0.0, 1.0, 0.4), (0.4, 1.0, 1.0))
    )
    assert torch.equal(left, ~right)


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions_of_space(dims: int) -> None:
    output = logits(space=(5, 4, 3)[:dims])
    box = Region(0, mask=(0.0,) * dims + (0.5,) * dims).pin(output, None)
    assert box.mask.flatten(1).sum(1).tolist() == [{1: 2, 3: 4}[dims]] * 2
    assert Region(0, mask="all").pin(output, None).scores(output).shape == (2, 1)


def test_one_logit_a_pixel_is_predicted_where_it_is_positive() -> None:
    output = logits(classes=1)
    pinned = Region().pin(output, None)
    assert torch.equal(pinned.mask, output[:, 0] > 0)
    torch.testing.assert_close(pinned.scores(output)[:, 0], output.clamp(min=0).sum((1, 2, 3)))
    assert Region(mask="all").pin(-output.abs(), None).indices.tolist() == [[0], [0]]
    with pytest.raises(ConfigError, match="expected pixels predicted as class 0, got none in sample 0"):
        Region().pin(-output.abs(), None)


@pytest.mark.parametrize("name", ["mask.png", "mask.npy"])
def test_a_file_is_laid_over_the_output(tmp_path: Path, name: str) -> None:
    mask = np.zeros((8, 12), dtype=bool)
    mask[2:6, 4:6] = True
    if name.endswith("png"):
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / name)
    else:
        np.save(tmp_path / name, mask)
    pinned = Region(1, mask=str(tmp_path / name)).pin(logits(), None)
    assert pinned.mask[0].nonzero().tolist() == [[1, 2], [2, 2]]


def test_a_file_that_does_not_serve_is_named(tmp_path: Path) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            Region(0, mask=str(path)).pin(logits(), None)
        return str(caught.value)

    Image.new("L", (5, 5)).save(tmp_path / "black.png")
    np.save(tmp_path / "flat.npy", np.ones(7))
    (tmp_path / "text.png").write_text("none")
    assert re.search(
        r"there is no file '.*blakc.png'; in '.*': did you mean 'black.png'", refusal(tmp_path / "blakc.png")
    )
    assert "mask: expected a pixel to explain, got none in" in refusal(tmp_path / "black.png")
    assert "mask: expected 2 dimensions in" in refusal(tmp_path / "flat.npy")
    assert "cannot be read as a picture: UnidentifiedImageError" in refusal(tmp_path / "text.png")


def test_an_empty_mask_says_what_to_do() -> None:
    output = logits()
    output[:, 2] = -100
    with pytest.raises(ConfigError) as caught:
        Region(2).pin(output, None)
    assert str(caught.value) == (
        "target region: expected pixels predicted as class 2, got none in sample 0; "
        "name a class that is predicted there, or a mask"
    )


def test_infinite_logits_outside_of_the_mask_do_not_matter() -> None:
    output = logits()
    output[:, 1, 0, 0] = -torch.inf
    assert Region(1).pin(output, None).scores(output).isfinite().all()


def test_halves_do_not_overflow() -> None:
    output = torch.full((1, 2, 60, 60), 30.0, dtype=torch.float16)
    assert Region(0, mask="all").pin(output, None).scores(output).tolist() == [[108000.0]]


def test_rows_and_probabilities() -> None:
    clean, later, index = logits(), logits(3), torch.tensor([1, 0, 1])
    pinned = Region().pin(clean, None)
    assert torch.equal(pinned.rows(index).scores(later[index]), pinned.scores(later)[index])
    probabilities = pinned.probabilities(later)
    expected = [later.softmax(1)[row, pinned.indices[row, 0]][pinned.mask[row]].mean() for row in range(2)]
    torch.testing.assert_close(probabilities[:, 0], torch.stack(expected))
    with pytest.raises(
        XaikitError, match=r"expected an output of \(4, 6\) pixels, as when it was pinned, got \(4, 5\)"
    ):
        pinned.scores(later[..., :5])


@pytest.mark.parametrize("output", [torch.zeros(2, 3), {"out": torch.zeros(2, 3, 4, 4)}, None])
def test_what_is_no_segmentation_is_refused(output: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"^target region: expected logits \(N, classes, H, W\), got .*such as 'out'$"
    ):
        Region().pin(output, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"of": True}, "of: expected a class or 'top', got True"),
        ({"mask": (0.0, 0.0, 1.0)}, "mask: expected [y0, x0, y1, x1] in shares of the sides, got [0.0, 0.0, 1.0]"),
        (
            {"mask": (0.5, 0.0, 0.2, 1.0)},
            "mask: expected [y0, x0, y1, x1] in shares of the sides, got [0.5, 0.0, 0.2, 1.0]",
        ),
        ({"mask": (0.0, 0.0, 64.0, 64.0)}, "mask: expected [y0, x0, y1, x1] in shares of the sides"),
        ({"reduce": "max"}, "reduce: expected 'sum' or 'mean', got 'max'"),
    ],
)
def test_options_are_checked_when_they_are_given(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        Region(**options)


def test_a_config_says_mask_and_class() -> None:
    options = {"of": 2, "mask": [0, 0.25, 1, 0.75], "reduce": "mean"}
    assert instantiate("target", Use("region", options), Registry()) == Region(2, (), (0.0, 0.25, 1.0, 0.75), "mean")


def test_the_map_of_a_region_is_the_sum_of_the_maps_of_its_pixels() -> None:
    x = photographs()
    classes = Region().pin(Segmenter()(x)["out"], None)

    def of_mask(output: Tensor) -> Tensor:
        return torch.stack([output[row, classes.indices[row, 0]][classes.mask[row]].sum() for row in range(2)])

    explanation = explained("gradcam", {}, x)["gradcam"]
    expected = xaikit.explain(Segmenter(), x, "gradcam", layers="features", target=of_mask, output="out")["gradcam"]
    assert explanation.maps["features"].flatten(1).any(1).all()
    assert distance(explanation.maps["features"], expected.maps["features"]) < 1e-12
    left, right, whole = (
        explained("gradcam", {"of": 1, "mask": mask}, x)["gradcam"].maps["features"]
        for mask in ([0, 0, 1, 0.4], [0, 0.4, 1, 1], "all")
    )
    assert distance(left + right, whole) < 1e-12


def test_the_mean_is_the_same_map_by_a_factor() -> None:
    maps = [explained("gradcam", {"reduce": how})["gradcam"].maps["features"].flatten(1) for how in ("sum", "mean")]
    total, mean = (values / values.abs().amax(1, keepdim=True) for values in maps)
    torch.testing.assert_close(total, mean)


@pytest.mark.parametrize("method", ["scorecam", "ablationcam", "reciprocam"])
def test_methods_that_score_again_serve_it(method: str) -> None:
    saliency = explained(method, {})[method].maps["features"]
    alone = torch.cat([explained(method, {}, row[None])[method].maps["features"] for row in photographs()])
    assert saliency.flatten(1).any(1).all()
    assert distance(saliency, alone) < 1e-9


def test_the_logit_of_a_region_is_its_mean_and_metrics_score_it() -> None:
    pinned = Region(of=1, mask="all").pin(logits(), None)
    assert torch.equal(pinned.logits(logits()), logits()[:, 1].flatten(1).mean(1, keepdim=True))
    net = nn.Conv2d(3, 3, 1).double()
    images = logits(1).abs()
    for scored in ("probability", "logit", "target"):
        measures = judged(AverageDrop(scored=scored), net, images, images[:, 0], target=Region())
        assert all(math.isfinite(each.value) or "not above 0" in each.reason for each in measures)
