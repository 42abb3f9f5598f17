"""What judging costs, side by side with peers' metrics and with bare forwards: ratios of one process on one machine.

``python -m benchmarks.judging`` in the folder ``tests``; ``--only quick`` measures one of the rows. Networks with random
weights, ResNet-18 where no other is named, and photographs of smoothed noise: what is timed does not depend on what is seen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from PIL import Image
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor, nn
from torchcam import methods as torchcam
from torchcam.metrics import DeletionInsertionMetric

import xaikit
from xaikit.evaluation.judged import judged
from xaikit.passes import allocator
from xaikit_metrics.road import Road

PAIRS = {
    "gradcam": "GradCAM",
    "gradcampp": "GradCAMpp",
    "xgradcam": "XGradCAM",
    "layercam": "LayerCAM",
    "cam": "CAM",
    "smoothgradcampp": "SmoothGradCAMpp",
}
"""Ours, and what TorchCAM calls it."""

LAYERS = {"resnet18": "layer4", "mobilenet_v2": "features.18"}
"""The last one of each network."""

QUICK = ("gradcam", "gradcampp", "xgradcam", "layercam", "hirescam", "elementcam", "eigencam", "lafam")


def photographs(folder: Path, count: int) -> Path:
    """So many of 224 pixels."""
    draw = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        coarse = Image.fromarray(draw.integers(0, 256, (28, 28, 3), np.uint8))
        coarse.resize((224, 224), Image.Resampling.BICUBIC).save(folder / f"{number:03}.png")
    return folder


def config(folder: Path, methods: Any, metrics: Any, name: str = "resnet18", **changes: Any) -> dict[str, Any]:
    """A run on the photographs of a folder."""
    return {
        "model": {"source": "torchvision", "name": name, "weights": None},
        "data": {"source": "folder", "path": str(folder / "photographs"), "batch_size": 16, "transform": "imagenet"},
        "layers": [LAYERS[name]],
        "methods": list(methods),
        "metrics": metrics,
        "controls": False,
        "report": {"to": str(folder / "run"), "overlays": False},
        **changes,
    }


def net(name: str = "resnet18") -> nn.Module:
    """The model of the runs."""
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.get_model(name, weights=None)
    return model.eval()


def seconds_of(work: Callable[[], object]) -> float:
    """Of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare(model: nn.Module, forwards: int, size: int = 16) -> float:
    """Seconds of so many inputs through the model, in batches."""
    inputs = torch.rand(size, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        model(inputs)
        return seconds_of(lambda: [model(inputs) for _ in range(-(-forwards // size))])


def curves(count: int) -> None:
    """Deletion and insertion, 14 steps, six methods: ours in a run, TorchCAM's looped over methods and photographs. Once more
    with scores in bfloat16, and how far that moves values."""
    with tempfile.TemporaryDirectory() as folder:
        photographs(Path(folder) / "photographs", count)
        for name in LAYERS:
            _curves(name, count, Path(folder))


def _curves(name: str, count: int, folder: Path) -> None:
    title = f"deletion + insertion, 14 steps, 6 methods, {count} photographs, {name}"
    options = {"block": 1, "steps": 14, "imputer": "zero"}
    inputs = torch.stack([_tensor(path) for path in sorted((folder / "photographs").iterdir())])
    theirs = seconds_of(lambda: [_torchcam(method, inputs, name) for method in PAIRS.values()])
    values = list[Any]()
    for precision in ("float32", "bfloat16"):
        stated = config(folder, PAIRS, {"deletion": options, "insertion": options}, name, precision=precision)
        stated["report"]["to"] = str(folder / f"{name}-{precision}")
        ours = seconds_of(partial(xaikit.run, stated))
        values.append(xaikit.open(stated["report"]["to"]).measures["value"].to_numpy())
        show(f"{title}, {precision}", ours, "TorchCAM", theirs)
    one, other = values
    print(f"in bfloat16 a value is {np.abs(one).mean():.3g} and moves by {np.abs(one - other).mean():.1g} in the mean")


def show(what: str, ours: float, peer: str, theirs: float) -> None:
    """A row."""
    print(f"{what}: xaikit {ours:.1f} s, {peer} {theirs:.1f} s, {theirs / ours:.2f}x")


def _tensor(path: Path) -> Tensor:
    pixels = torchvision.transforms.functional.to_tensor(Image.open(path))
    return torchvision.transforms.functional.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def _torchcam(method: str, inputs: Tensor, name: str) -> None:
    with getattr(torchcam, method)(net(name), [LAYERS[name]]) as extractor:
        metric = DeletionInsertionMetric(extractor, lambda logits: logits.softmax(-1), steps=14)
        for each in inputs:
            metric.update(each.unsqueeze(0))
        metric.summary()


def road(count: int) -> None:
    """ROAD at four shares, both orders: ours by one exact factorisation a mask, pytorch-grad-cam's own."""
    model, inputs = net(), torch.rand(count, 3, 224, 224)
    maps = torch.rand(count, 7, 7)
    resized = torch.nn.functional.interpolate(maps[:, None], size=(224, 224), mode="bilinear")[:, 0]
    classes = model(inputs).detach().argmax(1).tolist()
    metric = Road(block=1, steps=5)
    ours = seconds_of(lambda: judged(metric, model, inputs, resized, classes=classes))
    targets = [ClassifierOutputSoftmaxTarget(each) for each in classes]
    peer = ROADCombined(percentiles=[20, 40, 60, 80])
    theirs = seconds_of(lambda: peer(inputs, resized.numpy(), targets, model))
    show(f"ROAD, 4 shares, {count} maps", ours, "pytorch-grad-cam", theirs)


def flipping(count: int) -> None:
    """Pixel flipping: ours, and Quantus' where it is installed."""
    try:
        import quantus
    except ImportError:
        print("pixel flipping: not measured, as quantus is not installed: pip install quantus")
        return
    from xaikit_metrics.pixelflipping import PixelFlipping

    model, inputs, maps = net(), torch.rand(count, 3, 224, 224), torch.rand(count, 224, 224)
    classes = model(inputs).detach().argmax(1)
    metric = PixelFlipping(block=1, steps=14, imputer="black")
    ours = seconds_of(lambda: judged(metric, model, inputs, maps, classes=classes.tolist()))
    peer = quantus.PixelFlipping(features_in_step=224 * 224 // 14, disable_warnings=True, display_progressbar=False)
    theirs = seconds_of(
        lambda: peer(
            model=model, x_batch=inputs.numpy(), y_batch=classes.numpy(), a_batch=maps.numpy()[:, None], device="cpu"
        )
    )
    show(f"pixel flipping, 14 steps, {count} maps", ours, "Quantus", theirs)


def quick(count: int) -> None:
    """``metrics: quick`` of eight methods with all controls, beside as many bare forwards as it takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photographs(folder / "photographs", count)
        values = config(folder, QUICK, "quick", controls=True)
        without = {key: value for key, value in values.items() if key != "metrics"}
        explained = seconds_of(lambda: xaikit.run(without))
        reports: list[xaikit.Report] = []
        with counted() as inputs:
            judging = seconds_of(lambda: reports.append(xaikit.run(values)))
    forwards = sum(inputs)
    least = bare(net(), forwards)
    print(
        f"metrics: quick, 8 methods with controls, {count} photographs: {judging:.1f} s beside {explained:.1f} s of explaining, "
        f"{forwards} forwards ({forwards / count / 8:.0f} a photograph and method), {judging / least:.2f}x of the {least:.1f} s "
        "of as many bare ones"
    )


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many inputs go through any ResNet, pass by pass, while it lasts."""
    original, inputs = torchvision.models.ResNet.forward, list[int]()

    def forward(module: Any, x: Tensor) -> Any:
        inputs.append(len(x))
        return original(module, x)

    torchvision.models.ResNet.forward = forward  # type: ignore[method-assign]
    try:
        yield inputs
    finally:
        torchvision.models.ResNet.forward = original  # type: ignore[method-assign]


ROWS: dict[str, tuple[Callable[[int], None], int]] = {
    "curves": (curves, 64),
    "road": (road, 4),
    "flipping": (flipping, 8),
    "quick": (quick, 64),
}


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description="What judging costs.")
    parser.add_argument("--only", choices=ROWS, action="append", help="may be given more than once")
    parser.add_argument("--photographs", type=int, help="in place of each row's own number")
    arguments = parser.parse_args()
    allocator.settle()
    for name in arguments.only or ROWS:
        row, count = ROWS[name]
        row(arguments.photographs or count)


if __name__ == "__main__":
    main()
