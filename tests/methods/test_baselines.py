"""What attributions of the input compare it with: words, pictures and tensors, and the expectation over many of them."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

import xaikit
from helpers import runs
from helpers.untouched import untouched
from xaikit.sources import Transform

RAW = {"rectify": "none", "normalize": "none", "resize": "none", "fuse": "none"}
CLASS = 1
METHODS: dict[str, dict[str, Any]] = {
    "integratedgradients": {"steps": 3},
    "occlusion": {"window": 3, "stride": 3},
    "kernelshap": {"samples": 14, "cells": 2},
    "lime": {"samples": 14, "cells": 2},
    "deeplift": {},
}
"""Those with one baseline, cheaply."""
ALIKE = [use for use in METHODS if use != "lime"]
"""Those that draw nothing, or all there is: LIME's choices depend on its options."""


def smooth() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(108, 3)]
    return nn.Sequential(*layers).double().eval()


def rectified() -> nn.Module:
    net = smooth()
    net[1] = nn.ReLU()
    return net


def images() -> Tensor:
    return torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def others(count: int) -> Tensor:
    return torch.randn(count, 2, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def map_of(use: str, model: nn.Module | None = None, inputs: Tensor | None = None, **options: Any) -> Tensor:
    more = {name: options.pop(name) for name in ("seed", "ids", "transform") if name in options}
    method = {"m": {"use": use, **METHODS.get(use, {}), **options}}
    net, x = model or smooth(), images() if inputs is None else inputs
    (saliency,) = xaikit.explain(net, x, method, target=CLASS, finish=RAW, **more)["m"].maps.values()
    return saliency


def slow(image: Tensor, baselines: list[Tensor], model: nn.Module) -> Tensor:
    """Expected gradients of one photograph from baselines in the order of their draws: a sum, one term at a time."""
    total, count = torch.zeros(6, 6, dtype=torch.float64), len(baselines)
    for draw, baseline in enumerate(baselines):
        share = (draw + 0.5) / count
        x = (baseline + share * (image - baseline)).requires_grad_()
        model(x[None])[0, CLASS].backward()
        for channel in range(2):
            total += (image[channel] - baseline[channel]) * x.grad[channel] / count
    return total


def test_expected_gradients_are_those_of_one_order_of_the_baselines() -> None:
    """Of three baselines in three draws, each is drawn once; which order it is, chance says."""
    model, x, given = smooth(), images(), others(3)
    made = map_of("expectedgradients", baselines=given, samples=3)
    for image, saliency in zip(x, made, strict=True):
        orders = [slow(image, list(order), model) for order in permutations(given)]
        near = [torch.allclose(saliency, each, rtol=0, atol=1e-12) for each in orders]
        assert sum(near) == 1


def test_a_baseline_is_drawn_once_in_every_round() -> None:
    model, x, given = smooth(), images(), others(2)
    made = map_of("expectedgradients", baselines=given, samples=4)
    rounds = list(permutations(given))
    for image, saliency in zip(x, made, strict=True):
        orders = [slow(image, [*first, *second], model) for first in rounds for second in rounds]
        assert min(float((saliency - each).abs().max()) for each in orders) < 1e-12


@pytest.mark.parametrize("baseline", ["zero", "mean", "blur", "tensor"])
def test_of_one_baseline_expected_gradients_are_integrated_gradients(baseline: str) -> None:
    one, several = ("zero", "zero") if baseline == "zero" else (baseline, baseline)
    if baseline == "tensor":
        one, several = others(1)[0], others(1)
    integrated = map_of("integratedgradients", baseline=one, steps=5, quadrature="midpoint")
    assert torch.allclose(map_of("expectedgradients", baselines=several, samples=5), integrated, rtol=0, atol=1e-12)


def test_they_sum_to_the_score_less_the_mean_of_those_of_the_baselines() -> None:
    model, x, given = smooth(), images(), others(4)
    gained = (model(x) - model(given).mean(0))[:, CLASS].detach()
    far = [
        float((map_of("expectedgradients", baselines=given, samples=samples).sum((1, 2)) - gained).abs().max())
        for samples in (4, 400)
    ]
    assert far[1] < 0.02 * float(gained.abs().max())
    assert far[1] < far[0]


def test_noise_is_another_with_every_draw_and_in_the_range_of_each_channel() -> None:
    seen: list[Tensor] = []

    class Seeing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach().clone())
            return x.sum((2, 3)) @ torch.ones(2, 3, dtype=x.dtype)

    x = images()
    # of a sum the map is what the photograph differs from the mean of its baselines by
    made = map_of("expectedgradients", Seeing(), samples=40)
    mean = (x.amax((2, 3)) + x.amin((2, 3))).sum(1)[:, None, None] / 2
    assert float((x.sum(1) - mean - made).abs().mean()) < 0.5
    assert not torch.allclose(seen[-1], seen[-2])
    for inputs in seen:
        if len(inputs) == 2:
            assert bool(
                (inputs <= x.amax((2, 3), keepdim=True)).all() and (inputs >= x.amin((2, 3), keepdim=True)).all()
            )


@pytest.mark.parametrize("use", [*METHODS, "expectedgradients"])
def test_noise_is_drawn_by_seed_and_sample_whatever_the_batch(use: str) -> None:
    option = {"baselines": "uniform", "samples": 3} if use == "expectedgradients" else {"baseline": "uniform"}
    x, model = images(), rectified()
    made = map_of(use, model, ids=["a", "b"], **option)
    alone = [map_of(use, model, x[row : row + 1], ids=["ab"[row]], **option)[0] for row in range(2)]
    assert torch.allclose(made, torch.stack(alone), rtol=0, atol=1e-10)
    assert not torch.allclose(made, map_of(use, model, ids=["a", "b"], seed=1, **option), atol=1e-3)


@pytest.mark.parametrize("use", ALIKE)
def test_a_tensor_is_the_baseline_for_all_photographs(use: str) -> None:
    model, x = rectified(), images()
    assert torch.allclose(map_of(use, model, baseline=torch.zeros(1)), map_of(use, model, baseline="zero"), atol=1e-12)
    made = map_of(use, model, baseline=others(1)[0])
    moved = nn.Sequential(_Moved(others(1)[0]), model)
    # the same photograph from another origin
    assert torch.allclose(made, map_of(use, moved, x - others(1)[0], baseline="zero"), atol=1e-10)


class _Moved(nn.Module):
    def __init__(self, by: Tensor) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


def test_deeplift_sums_to_what_the_score_differs_by() -> None:
    model, x, baseline = rectified(), images(), others(1)[0]
    gained = (model(x) - model(baseline[None]))[:, CLASS].detach()
    assert torch.allclose(map_of("deeplift", model, baseline=baseline).sum((1, 2)), gained, atol=1e-10)


class TestFiles:
    transform = Transform(size=32, crop=32, mean=(0.5,) * 3, std=(0.25,) * 3)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        runs.pictures(tmp_path / "photos")
        # the first ones are those of the photographs
        runs.pictures(tmp_path / "plain", ("1.png", "2.png", "3.png", "a.png", "b.png", "notes.png"))
        for name in ("1.png", "2.png", "3.png"):
            (tmp_path / "plain" / name).unlink()
        return tmp_path / "plain"

    @pytest.fixture
    def model(self, tmp_path: Path) -> nn.Module:
        return runs.tiny(tmp_path).eval()

    def test_a_picture_is_what_the_model_receives_of_it(self, folder: Path, model: nn.Module) -> None:
        names = [str(folder.parent / "photos" / f"{name}.png") for name in ("one", "two")]
        baseline = str(folder / "b.png")
        tensor = xaikit.explain(model, baseline, "gradcam", transform=self.transform)["gradcam"].shown.inputs[0]
        for use in ALIKE:
            from_file = map_of(use, model, names, baseline=baseline, transform=self.transform)
            given = map_of(use, model, names, baseline=tensor, transform=self.transform)
            assert bool(from_file.any())
            assert torch.equal(from_file, given)

    def test_a_folder_is_its_pictures(self, folder: Path, model: nn.Module) -> None:
        (folder / "notes.png").rename(folder / "notes.txt")
        names = [str(folder.parent / "photos" / "one.png")]
        options = {"samples": 4, "transform": self.transform}
        made = map_of("expectedgradients", model, names, baselines=str(folder), **options)
        files = (str(folder / "a.png"), str(folder / "b.png"))
        # the option is part of the seed, and not what is in the folder: one of the few orders comes sooner or later
        maps = (map_of("expectedgradients", model, names, baselines=files, seed=seed, **options) for seed in range(200))
        assert any(float((made - each).abs().max()) < 1e-6 * float(made.abs().max()) for each in maps)

    def test_a_folder_may_be_one_of_several(self, folder: Path, model: nn.Module) -> None:
        (folder / "notes.png").rename(folder / "notes.txt")
        names = [str(folder.parent / "photos" / "one.png")]
        options = {"samples": 3, "transform": self.transform}
        made = map_of("expectedgradients", model, names, baselines=("zero", str(folder)), **options)
        files = ("zero", str(folder / "a.png"), str(folder / "b.png"))
        # the option is part of the seed, and not what is in the folder: one of the few orders comes sooner or later
        maps = (map_of("expectedgradients", model, names, baselines=files, seed=seed, **options) for seed in range(200))
        assert any(float((made - each).abs().max()) < 1e-6 * float(made.abs().max()) for each in maps)

    def test_a_name_that_is_neither_a_file_nor_a_folder_is_refused_with_the_nearest(self, folder: Path) -> None:
        for name, message in [("plane", "did you mean 'plain'"), ("plain/aa.png", "did you mean 'a.png'")]:
            with pytest.raises(xaikit.ConfigError, match=f"baselines: expected zero, .*{name}'; {message}"):
                map_of("expectedgradients", baselines=("zero", str(folder.parent / name)))

    def test_a_word_misspelt_is_a_fault_of_the_config(self, folder: Path, tmp_path: Path) -> None:
        methods = {"eg": {"use": "expectedgradients", "baselines": ["zeros", "plain"]}}
        written = tmp_path / "config.yaml"
        written.write_text(yaml.safe_dump({"version": 1, **runs.config(tmp_path, methods=methods, target=CLASS)}))
        with pytest.raises(xaikit.ConfigError, match="got 'zeros'; did you mean 'zero'"):
            xaikit.plan(str(written))

    def test_a_run_reads_files_from_the_folder_of_its_config(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        methods = {
            "ig": {"use": "integratedgradients", "steps": 2, "baseline": "plain/a.png"},
            "eg": {"use": "expectedgradients", "samples": 2, "baselines": ["plain/a.png", "plain"]},
        }
        written = tmp_path / "config.yaml"
        written.write_text(yaml.safe_dump({"version": 1, **runs.config(tmp_path, methods=methods, target=CLASS)}))
        monkeypatch.chdir(folder)
        report = xaikit.run(str(written))
        assert not report.failures
        for label in methods:
            assert bool(report.map("one.png", label).any())

    def test_a_picture_that_is_none_is_an_error_of_that_label_alone(self, folder: Path, tmp_path: Path) -> None:
        (folder / "a.png").write_bytes(b"nothing")
        methods = {"ig": {"use": "integratedgradients", "steps": 2, "baseline": str(folder / "a.png")}, "gradcam": None}
        report = xaikit.run(runs.config(tmp_path, methods=methods))
        assert len(report.failures) == 3
        assert all("a.png" in failure.error for failure in report.failures)
        assert bool(report.map("one.png", "gradcam").any())

    def test_without_a_transform_a_file_is_refused(self, folder: Path, model: nn.Module) -> None:
        x = torch.rand(1, 3, 32, 32)
        with (
            untouched(model, x),
            pytest.raises(xaikit.ConfigError, match=r"a.png: expected a transform .* give transform="),
        ):
            map_of("integratedgradients", model, x, baseline=str(folder / "a.png"))

    def test_no_such_file(self, folder: Path, model: nn.Module) -> None:
        with pytest.raises(xaikit.ConfigError, match=r"baseline: there is no file .*aa.png'; did you mean 'a.png'"):
            map_of("integratedgradients", model, torch.rand(1, 3, 32, 32), baseline=str(folder / "aa.png"))


@pytest.mark.parametrize(
    ("use", "options", "message"),
    [
        (
            "occlusion",
            {"baseline": "black"},
            "baseline: expected zero, mean, blur, uniform or the file of",
        ),
        ("occlusion", {"baseline": torch.zeros(3, 1, 1)}, r"baseline: expected \(2, 6, 6\), .* got \(3, 1, 1\)"),
        (
            "integratedgradients",
            {"baseline": torch.full((2, 1, 1), torch.nan)},
            "baseline: expected finite numbers, got a tensor with NaN or infinity",
        ),
        (
            "expectedgradients",
            {"baselines": torch.full((1, 2, 6, 6), torch.inf)},
            "baselines: expected finite numbers, got a tensor with NaN or infinity",
        ),
        (
            "expectedgradients",
            {"baselines": ()},
            "baselines: expected zero, mean, blur, uniform, a folder or files, got ()",
        ),
        ("expectedgradients", {"samples": 0}, "samples: expected at least 1, got 0"),
        (
            "expectedgradients",
            {"baselines": torch.zeros(2, 6, 6)},
            r"baselines: expected \(K, 2, 6, 6\), .* got \(2, 6, 6\)",
        ),
        (
            "expectedgradients",
            {"baselines": torch.zeros(0, 2, 6, 6)},
            r"baselines: expected \(K, 2, 6, 6\), .* 1 or more, got \(0, 2, 6, 6\)",
        ),
        ("expectedgradients", {"baselines": "zeros"}, "baselines: expected zero, .* got 'zeros'; did you mean 'zero'"),
        (
            "expectedgradients",
            {"baselines": ("mean", "zeros")},
            "baselines: expected .* got 'zeros'; did you mean 'zero'",
        ),
        (
            "expectedgradients",
            {"baselines": ("zero", "nothing")},
            "baselines: expected zero, .* got 'nothing'; known: ",
        ),
    ],
)
def test_what_is_no_baseline(use: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, xaikit.ConfigError), match=message.replace("()", r"\(\)")):
        map_of(use, **options)


def test_an_empty_folder_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(xaikit.ConfigError, match=r"baselines: expected pictures in .*, got none"):
        map_of("expectedgradients", baselines=str(tmp_path))
