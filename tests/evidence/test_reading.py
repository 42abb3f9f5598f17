"""Which axis is what, on networks that lay out their input in every way there is; and evidence planted at one place."""

from __future__ import annotations

import pytest
import torch
import transformers
from torch import Tensor, nn

import xaikit
from helpers.layout_nets import LAID, SMALL, Laid, Pooled, built
from xaikit.errors import TapError


def centre(laid: Laid, cell: tuple[int, ...]) -> tuple[slice, ...]:
    """The inputs of a cell."""
    steps = [side // cells for side, cells in zip(laid.space, laid.grid, strict=True)]
    return tuple(slice(place * step, (place + 1) * step) for place, step in zip(cell, steps, strict=True))


@pytest.mark.parametrize("name", LAID)
def test_the_grid_is_what_the_model_laid_out_and_a_change_of_the_input_lies_in_its_cell(name: str) -> None:
    laid = LAID[name]
    model, x = built(laid)
    trace = traced(model, x, laid.layer)
    assert trace[0].shape[2:] == laid.grid
    assert trace[1] == laid.space
    # what one place of the input changes most lies at that place of the map
    cell = (*(side - 1 for side in laid.grid[:-1]), laid.grid[-1] // 2)
    changed = x.clone()
    as_map(changed, laid)[(..., *centre(laid, cell))] += 3.0
    moved = (traced(model, changed, laid.layer)[0] - trace[0]).square().sum(1)[0]
    largest = torch.unravel_index(moved.argmax(), moved.shape)
    assert all(abs(int(one) - other) <= (1 if name in NEAR else 0) for one, other in zip(largest, cell, strict=True))


NEAR = (
    "as many channels as sides, behind an axial block",
    *("recurrent", "mixed by a linear layer", "timm mixer", "ast", "a spectrogram", "a spectrogram, turned"),
)
"""Where a place is mixed with others, or cells overlap."""


def traced(model: nn.Module, x: Tensor, layer: str) -> tuple[Tensor, tuple[int, ...]]:
    """The activations as a map, and the space of the input."""
    from xaikit.evidence.observe import observe
    from xaikit.evidence.taps import resolve

    (tap,) = resolve(model, layer)
    trace = observe(model, x, [tap], lambda _: [], gradients=False, stop=True)
    return trace.activations[tap], trace.space


def as_map(x: Tensor, laid: Laid) -> Tensor:
    """A view of the input whose last axes are space."""
    others = [axis for axis in range(x.dim()) if axis and x.shape[axis] not in laid.space]
    if x.dim() == 1 + len(laid.space):
        return x
    channels = others[0] if others else (2 if x.dim() == 5 else 1)
    return x.movedim(channels, 1)


def masked(x: Tensor) -> transformers.PreTrainedModel:
    config = transformers.ViTMAEConfig(
        image_size=64, mask_ratio=0.5, **{k: v for k, v in SMALL.items() if k != "num_labels"}
    )
    return transformers.ViTMAEModel(config).eval()


def test_tokens_that_are_drawn_anew_in_every_forward_are_refused() -> None:
    x = torch.zeros(1, 3, 64, 64)
    model = masked(x)
    layer = next(name for name, _ in model.named_modules() if name.endswith(("layer.0", "layers.0")))
    with pytest.raises(TapError, match="expected the same tokens in every forward, got a drawing of them"):
        xaikit.explain(model, x, layers=layer, target=lambda output: output.last_hidden_state[:, 0, 0])


class Latents(nn.Module):
    """Six tokens of the model's own that read a picture of 2 x 4 patches."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.latents = nn.Conv2d(3, 8, 8, 8), nn.Parameter(torch.randn(1, 12, 8))
        self.read, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3)
        self.last = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).mT
        return self.head(self.last(self.read(self.latents.expand(len(x), -1, -1), patches, patches)[0]).mean(1))  # type: ignore[no-any-return]


def test_tokens_that_are_no_places_are_refused_and_the_ways_to_read_them_listed() -> None:
    with pytest.raises(TapError, match=r"prefix: 4, grid: \[2, 4\], suffix: 0\} or \{use: tokens, prefix: 0"):
        xaikit.explain(Latents().eval(), torch.rand(1, 3, 16, 32), layers="last", target=1)


class Heads(nn.Module):
    """Attention of two heads over 4 x 4 patches, each step a module."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embed, self.norm, self.queries = nn.Conv2d(3, size, 4, 4), nn.LayerNorm(size), nn.Linear(size, size)
        self.split, self.weights, self.head = nn.LayerNorm(size // 2), nn.Dropout(), nn.Linear(size, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(self.embed(x).flatten(2).mT)
        heads = self.split(self.queries(tokens).unflatten(2, (2, -1)).transpose(1, 2))
        mixed = self.weights((heads @ heads.mT).softmax(-1)) @ heads
        return self.head(mixed.transpose(1, 2).flatten(2).mean(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("layer", ["split", "weights"])
def test_tokens_of_several_heads_are_no_map(layer: str, size: int) -> None:
    with pytest.raises(TapError, match=f"layer {layer} returned .* expected a map"):
        xaikit.explain(Heads(size).eval(), torch.rand(2, 3, 16, 16), layers=layer, target=1)


def test_the_input_can_be_said_and_what_does_not_fit_is_refused() -> None:
    net = Pooled(lambda x: x.permute(0, 3, 1, 2), nn.Conv2d(3, 6, 2, 2)).eval()
    x = torch.rand(2, 16, 24, 3, generator=torch.Generator().manual_seed(0))
    methods = ["gradcam", "scorecam", "sess", "edges"]
    found = xaikit.explain(net, x, methods, layers="last", target=1)
    stated = xaikit.explain(net, x, methods, layers="last", target=1, input_layout="channels_last")
    usual = Pooled(lambda x: x, nn.Conv2d(3, 6, 2, 2)).eval()
    usual.load_state_dict(net.state_dict())
    expected = xaikit.explain(usual, x.permute(0, 3, 1, 2), methods, layers="last", target=1)
    for method in methods:
        assert torch.equal(found[method].map, stated[method].map)
        torch.testing.assert_close(found[method].map, expected[method].map)
    with pytest.raises(TapError, match="input_layout: expected what fits inputs"):
        xaikit.explain(net, x, layers="last", target=1, input_layout="tokens")


def test_augments_move_the_space_of_the_input() -> None:
    net = Pooled(lambda x: x.permute(0, 3, 1, 2), nn.Conv2d(3, 6, 2, 2)).eval()
    x = torch.rand(2, 16, 24, 3, generator=torch.Generator().manual_seed(0))
    usual = Pooled(lambda x: x, nn.Conv2d(3, 6, 2, 2)).eval()
    usual.load_state_dict(net.state_dict())
    options = {"layers": "last", "target": 1, "augment": {"flip": True, "scale": [1.0, 0.5]}}
    moved = xaikit.explain(net, x, **options)["gradcam"].map
    torch.testing.assert_close(moved, xaikit.explain(usual, x.permute(0, 3, 1, 2), **options)["gradcam"].map)


class Dense(nn.Module):
    """A map of one number a pixel."""

    def __init__(self, squeezed: bool) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.head, self.squeezed = nn.Conv2d(8, 1, 3, padding=1), squeezed
        self.whole = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        depth = nn.functional.interpolate(self.head(self.encoder(x)), scale_factor=2).sigmoid()
        return self.whole(depth.squeeze(1) if self.squeezed else depth) * 1.0  # type: ignore[no-any-return]


@pytest.mark.parametrize("squeezed", [True, False])
def test_auto_never_takes_what_the_score_is_read_from(squeezed: bool) -> None:
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    net = Dense(squeezed).eval()
    explanation = xaikit.explain(net, x, target=lambda output: output.flatten(1).mean(1))["gradcam"]
    assert list(explanation.maps) == ["encoder"]
    whole = xaikit.explain(net, x, layers="whole", target=lambda output: output.flatten(1).mean(1))["gradcam"]
    assert whole.maps["whole"].shape == (2, 32, 32)
