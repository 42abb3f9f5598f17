import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from xaikit.pictures.colors import NOT_FINITE, table
from xaikit.pictures.overlay import Scale, color_bar, overlay


def sequential() -> torch.Tensor:
    return torch.from_numpy(table("sequential"))


def diverging() -> torch.Tensor:
    return torch.from_numpy(table("diverging"))


GREY = Image.new("RGB", (40, 40), (100, 150, 200))


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).int()


def drawn(saliency: torch.Tensor, alpha: float = 1.0, picture: Image.Image = GREY, **more: Any) -> torch.Tensor:
    """The part of an overlay that lies on the picture."""
    return pixels(overlay(picture, saliency, alpha, **more))[:, : picture.width]


def flat(value: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.full((40, 40), value, dtype=dtype)


def bar_says(*words: str, colormap: str = "sequential", odd: str = "") -> Image.Image:
    high, low = words
    return color_bar(Scale(float(low), float(high), colormap, odd), 40)


def blended(value: float, alpha: float = 0.5) -> torch.Tensor:
    """The colour of GREY, whose luma is 141, below a signed map of [-1, 1]."""
    colour = diverging()[round(255 * (value + 1) / 2)].double()
    share = min(1, 2 * alpha) * abs(2 * round(255 * (value + 1) / 2) / 255 - 1)
    return (1 - share) * ((1 - alpha) * 141 + alpha * 255) + share * colour


@pytest.mark.parametrize(
    ("value", "index"), [(0, 0), (0.25, 64), (0.5, 128), (0.75, 191), (1, 255), (0.0019, 0), (0.002, 1)]
)
def test_the_colour_is_linear_in_the_map(value: float, index: int) -> None:
    assert (drawn(flat(value)) == sequential()[index].int()).all()


def test_every_entry_of_the_table_is_reached_in_order() -> None:
    ramp = torch.linspace(0, 1, 256).repeat(2, 1)
    picture = Image.new("RGB", (256, 2))
    assert torch.equal(drawn(ramp, picture=picture)[0], sequential().int())


@pytest.mark.parametrize("value", [-1, -0.5, 0, 0.5, 1])
@pytest.mark.parametrize("alpha", [0, 0.25, 0.5, 0.75, 1])
def test_signed_maps_are_linear_around_zero_and_as_strong_as_their_values(value: float, alpha: float) -> None:
    saliency = flat(value)
    saliency[0, 0] = -1
    assert (drawn(saliency, alpha)[20, 20] - blended(value, alpha)).abs().max() <= 1


def test_where_a_signed_map_is_zero_the_picture_shows_in_pale_grey() -> None:
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    expected = (pixels(photograph.convert("L").convert("RGB")) + 255) / 2
    assert (drawn(flat(0), 0.5, photograph, signed=True) - expected).abs().max() <= 1


def test_single_pixels_of_a_signed_map_stand_out_of_any_picture() -> None:
    """Of attributions of the input, whose photograph looked as if there were no map."""
    draw = np.random.default_rng(0)
    photograph = Image.fromarray(draw.integers(0, 256, (40, 40, 3), np.uint8))
    saliency = flat(0)
    places = draw.permutation(1600)[:200]
    saliency.view(-1)[torch.from_numpy(places)] = torch.tensor([-1.0, 1.0]).repeat(100)
    result = drawn(saliency, picture=photograph, alpha=0.5).float()
    colourful = (result.amax(2) - result.amin(2)).view(-1)
    assert bool(colourful[places].min() > 100)
    assert int((colourful > 10).sum()) == 200


def test_maps_that_may_be_negative_share_a_scale() -> None:
    assert (drawn(flat(0.5), 0.5, signed=True) - blended(0.5)).abs().max() <= 1


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 1.0])
def test_the_picture_shows_through_by_alpha_and_keeps_its_brightness(alpha: float) -> None:
    expected = (1 - alpha) * torch.tensor([100.0, 150.0, 200.0]) + alpha * sequential()[64].double()
    assert (drawn(flat(0.25), alpha) - expected).abs().max() <= 0.5


def test_maps_are_not_stretched_to_their_own_maximum() -> None:
    assert (drawn(flat(0.1)) == sequential()[26].int()).all()


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8, torch.int64, torch.bool]
)
def test_every_type_of_map_is_drawn_alike(dtype: torch.dtype) -> None:
    saliency = torch.zeros(40, 40)
    saliency[:, 20:] = 1
    result = drawn(saliency.to(dtype))
    assert (result[:, :20] == sequential()[0].int()).all()
    assert (result[:, 20:] == sequential()[255].int()).all()


def test_a_map_of_bytes_does_not_wrap() -> None:
    bytes_ = torch.arange(256).to(torch.uint8).repeat(2, 1)
    assert torch.equal(drawn(bytes_, picture=Image.new("RGB", (256, 2)))[0], sequential().int())


def test_a_map_beyond_one_is_scaled_by_its_largest_number_and_the_bar_says_so() -> None:
    saliency = flat(2.0)
    saliency[0, 0] = 8
    assert (drawn(saliency)[20, 20] == sequential()[64].int()).all()
    assert torch.equal(pixels(overlay(GREY, saliency))[:, 40:], pixels(bar_says("8", "0")))


def test_a_signed_map_beyond_one_is_symmetric() -> None:
    saliency = flat(1.0)
    saliency[0, 0] = -4
    assert (drawn(saliency, 0.5)[20, 20] - blended(0.25)).abs().max() <= 1
    assert torch.equal(pixels(overlay(GREY, saliency))[:, 40:], pixels(bar_says("4", "-4", colormap="diverging")))


@pytest.mark.parametrize(("value", "word"), [(math.nan, "NaN"), (math.inf, "inf"), (-math.inf, "inf")])
def test_what_is_not_finite_is_magenta_and_said(value: float, word: str) -> None:
    saliency = flat(0.25)
    saliency[:, :20] = value
    result = drawn(saliency)
    assert (result[:, :20] == torch.tensor(NOT_FINITE)).all()
    assert (result[:, 20:] == sequential()[64].int()).all(), "and moves nothing else"
    assert torch.equal(pixels(overlay(GREY, saliency))[:, 40:], pixels(bar_says("1", "0", odd=word)))


def test_a_map_of_nothing_but_nan_is_drawn() -> None:
    assert (drawn(flat(math.nan)) == torch.tensor(NOT_FINITE)).all()


def test_the_bar_runs_from_bottom_to_top_beside_the_picture() -> None:
    result = pixels(overlay(Image.new("RGB", (300, 256)), torch.zeros(256, 300)))
    assert result.shape[0] == 256
    column = result[:, 300 + 14 // 2 + 3]
    assert torch.equal(column, sequential().int().flip(0))
    assert (result[:, 300] == 255).all(), "a gap of white between them"
    assert (result[:20, 325:] < 100).any(), "a number at the top"
    assert (result[-20:, 325:] < 100).any(), "a number at the bottom"


def test_a_smaller_map_is_resized_bilinearly_by_half_pixels() -> None:
    small = torch.rand(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    large = interpolate(small[None, None], size=(40, 40), mode="bilinear", align_corners=False)[0, 0]
    assert torch.equal(drawn(small), drawn(large))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (32, 32), (500, 333)])
def test_pictures_of_any_size_and_mode_are_drawn_without_a_warning(size: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mode in ("RGB", "L", "RGBA", "P"):
            result = overlay(Image.new(mode, size), torch.rand(2, 2).requires_grad_())
            assert (result.mode, result.height) == ("RGB", size[1])
            assert result.width > size[0]


def test_the_picture_and_the_map_are_left_alone() -> None:
    picture, saliency = GREY.copy(), torch.rand(40, 40) * 3
    before = picture.tobytes(), saliency.clone()
    overlay(picture, saliency)
    assert (picture.tobytes(), True) == (before[0], torch.equal(saliency, before[1]))


def test_a_colour_map_is_named_and_the_bar_left_out() -> None:
    shown = overlay(GREY, flat(0.25), 1.0, colormap="jet", colorbar=False)
    assert shown.size == GREY.size
    assert (pixels(shown) == torch.from_numpy(table("jet"))[64].int()).all()


def test_an_alpha_that_is_no_share_and_a_colour_map_that_there_is_not_are_refused() -> None:
    with pytest.raises(ValueError, match=r"alpha: expected a share in \[0, 1\], got 1.5"):
        overlay(GREY, flat(0), 1.5)
    with pytest.raises(ValueError, match=r"colormap: expected one of auto, .*, got 'fire'"):
        overlay(GREY, flat(0), colormap="fire")


def test_arrays_are_drawn_as_tensors_are() -> None:
    saliency = torch.rand(5, 7, generator=torch.Generator().manual_seed(0))
    assert overlay(GREY, saliency.numpy()).tobytes() == overlay(GREY, saliency).tobytes()


def test_a_map_of_another_rank_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a map \(H, W\), got shape \(1, 7, 7\)"):
        overlay(GREY, torch.zeros(1, 7, 7))


def test_a_crop_is_shown_in_the_middle_of_its_photograph() -> None:
    background = Image.new("RGB", (13, 9), "blue")
    crop = Image.new("RGB", (6, 5), "white")
    drawn = overlay(crop, torch.ones(5, 6), alpha=0.0, background=background)
    assert drawn.height == 9
    shown = drawn.crop((0, 0, 13, 9))
    white = [(x, y) for x in range(13) for y in range(9) if shown.getpixel((x, y)) == (255, 255, 255)]
    assert white == [(x, y) for x in range(4, 10) for y in range(2, 7)]  # as center_crop cuts: 3.5 rounds to 4
    assert background.getpixel((5, 4)) == (0, 0, 255)
