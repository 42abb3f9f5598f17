"""A dataset as it stands in somebody's program, explained by a run: pictures, ready tensors, several inputs, views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import xaikit
from xaikit.bench.datasets import Samples
from xaikit.errors import ConfigError, DataError


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


class Net(nn.Module):
    """Logits of pictures, or of pictures and numbers beside them."""

    def __init__(self, beside: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.body = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU())
            self.head = nn.Linear(6 + beside, 4)

    def forward(self, image: Tensor, numbers: Tensor | None = None) -> Tensor:
        pooled = self.body(image).mean((2, 3))
        logits: Tensor = self.head(pooled if numbers is None else torch.cat([pooled, numbers], 1))
        return logits


def explained(folder: Path, model: nn.Module, data: Any, /, **more: Any) -> xaikit.Report:
    config = {"methods": "gradcam", "layers": ["body"], "report": {"to": str(folder / "run")}, **more}
    return xaikit.run(config, model=model, data=data)


def alone(model: nn.Module, inputs: Any, **more: Any) -> Tensor:
    return xaikit.explain(model, inputs, "gradcam", layers="body", **more)["gradcam"].maps["body"]


def same(kept: Tensor, true: Tensor) -> bool:
    """To what half precision keeps."""
    return bool((kept - true).abs().max() <= 1e-3 * true.abs().max())


def test_tensors_go_in_as_they_are_and_labels_are_theirs(tmp_path: Path) -> None:
    images, labels = seeded(5, 3, 12, 10), torch.tensor([0, 1, 2, 3, 1])
    net = Net().eval()
    report = explained(tmp_path, net, TensorDataset(images, labels), target="label")
    expected = alone(net, images, target="label", labels=labels)
    assert report.images == ("0", "1", "2", "3", "4")
    assert [record.target for record in report.records] == labels.tolist()
    assert all(same(report.maps(str(row), "gradcam")["body"], expected[row]) for row in range(5))
    assert len(report.sheets) == 1


def test_a_loader_gives_its_dataset_and_batch_size(tmp_path: Path) -> None:
    images = seeded(5, 3, 12, 10)
    loader = DataLoader(TensorDataset(images), batch_size=2, shuffle=True)
    report = explained(tmp_path, Net(), loader)
    assert report.images == ("0", "1", "2", "3", "4")
    assert report.manifest["config"]["data"]["batch_size"] == 2
    with pytest.raises(ConfigError, match="expected a DataLoader without a collate_fn"):
        explained(tmp_path, Net(), DataLoader(TensorDataset(images), collate_fn=lambda items: items))


def test_what_is_done_is_known_by_what_the_samples_are(tmp_path: Path) -> None:
    images = seeded(4, 3, 12, 10)
    first = explained(tmp_path, Net(), images[:3]).counts["photographs"]
    assert explained(tmp_path, Net(), list(images)).counts["photographs"] == first + 1


class Photographs(Dataset[Any]):
    """As torchvision's folders have them: paths, and pictures of PIL."""

    samples: ClassVar = [("a/cat.png", 1), ("b/dog.png", 2)]

    def __len__(self) -> int:
        return 2

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        pixels = (255 * seeded(40, 50, 3, seed=place)).byte().numpy()
        return Image.fromarray(pixels), self.samples[place][1]


def test_pictures_are_prepared_by_the_configs_transform(tmp_path: Path) -> None:
    transform = {"size": 32, "crop": 32, "mean": [0.5] * 3, "std": [0.25] * 3}
    report = explained(tmp_path, Net(), Photographs(), data={"transform": transform})
    assert report.images == ("a/cat.png", "b/dog.png")
    assert report.map("cat", "gradcam").shape == (32, 32)
    with pytest.raises(ConfigError, match="transform"):
        explained(tmp_path / "other", Net(), Photographs())


@pytest.mark.parametrize("named", [False, True])
def test_a_model_of_several_inputs_gets_them_all(tmp_path: Path, named: bool) -> None:
    images, numbers = seeded(3, 3, 12, 10), seeded(3, 2, seed=5)
    items: Any = [
        {"image": image, "numbers": beside, "label": 1} if named else ((image, beside), 1)
        for image, beside in zip(images, numbers, strict=True)
    ]
    net = Net(beside=2).eval()
    report = explained(tmp_path, net, items, methods=["gradcam", "scorecam"], target="label")
    expected = alone(net, (images, numbers), target=1)
    assert all(same(report.maps(str(row), "gradcam")["body"], expected[row]) for row in range(3))
    assert not report.failures


class Prompted(nn.Module):
    """Pictures beside prompts that all of them share."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Net().body

    def forward(self, image: Tensor, prompts: Tensor) -> Tensor:
        return self.body(image).mean((2, 3)) @ prompts.T


def test_shared_inputs_are_named_in_the_config(tmp_path: Path) -> None:
    images, prompts = seeded(3, 3, 12, 10), seeded(3, 6, seed=5)
    items = [{"image": image, "prompts": prompts} for image in images]
    net = Prompted().eval()
    report = explained(tmp_path, net, items, model={"shared": ["prompts"]}, target=1)
    expected = alone(net, {"image": images, "prompts": prompts}, target=1, shared="prompts")
    assert all(same(report.maps(str(row), "gradcam")["body"], expected[row]) for row in range(3))


class Views(nn.Module):
    """Several pictures a sample, which go through the body side by side."""

    def __init__(self) -> None:
        super().__init__()
        net = Net()
        self.body, self.head = net.body, net.head

    def forward(self, views: Tensor) -> Tensor:
        pooled = self.body(views.flatten(0, 1)).mean((2, 3)).unflatten(0, views.shape[:2])
        logits: Tensor = self.head(pooled.mean(1))
        return logits


def test_views_that_are_folded_into_the_batch_have_a_map_each(tmp_path: Path) -> None:
    net = Views().eval()
    report = explained(tmp_path, net, seeded(2, 4, 3, 12, 10), layers=[{"name": "body", "fold": "views"}])
    (layer,) = report.maps("0", "gradcam")
    assert report.maps("0", "gradcam")[layer].shape == (4, 12, 10)


def test_the_axes_of_maps_may_be_said(tmp_path: Path) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            net = Net()
            self.inner, self.head, self.body = net.body, net.head, nn.Identity()

        def forward(self, image: Tensor) -> Tensor:
            logits: Tensor = self.head(self.body(self.inner(image).permute(0, 2, 3, 1)).mean((1, 2)))
            return logits

    net, images = Last().eval(), seeded(2, 3, 12, 10)
    report = explained(tmp_path, net, images, model={"layout": {"use": "axes", "order": "NHWC"}})
    expected = xaikit.explain(net, images, "gradcam", layers="inner")["gradcam"].maps["inner"]
    assert same(report.maps("0", "gradcam")["body"], expected[0])


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    class Stream(IterableDataset[Tensor]):
        def __iter__(self) -> Iterator[Tensor]:
            yield seeded(3, 12, 10)

    for data, message in (
        (Stream(), r"expected a dataset with len\(\) and \[\], got Stream"),
        ([], "expected samples, got an empty dataset"),
        ([object()], "expected pictures, tensors or arrays as samples, got object"),
        ([torch.arange(4)], r"expected samples of floats \(channels, \*S\)"),
    ):
        with pytest.raises(DataError, match=message):
            explained(tmp_path, Net(), data)
    with pytest.raises(DataError, match=r"write xaikit\.run\(config, data=dataset\)"):
        xaikit.run({"methods": "gradcam", "data": {"source": "object"}, "report": {"to": str(tmp_path)}}, model=Net())


@pytest.mark.parametrize("targets", [[0, 1, 2], None], ids=["known", "in the items"])
def test_a_sample_that_raises_is_one_failure(tmp_path: Path, targets: list[int] | None) -> None:
    class Broken(Dataset[Tensor]):
        def __len__(self) -> int:
            return 3

        def __getitem__(self, place: int) -> Tensor:
            if place == 1:
                raise RuntimeError("the disk is gone")
            return seeded(3, 12, 10, seed=place)

    dataset: Any = Broken()
    if targets is not None:
        dataset.targets = targets
    report = explained(tmp_path, Net(), dataset)
    assert report.images == ("0", "2")
    assert [failure.name for failure in report.failures] == ["1"]
    assert "the disk is gone" in report.failures[0].error


def test_a_dataset_is_asked_for_its_first_sample_once_and_not_with_every_other() -> None:
    read: list[int] = []

    class Counting(Dataset[Tensor]):
        targets: ClassVar = [0] * 9

        def __len__(self) -> int:
            return 9

        def __getitem__(self, place: int) -> Tensor:
            read.append(place)
            return seeded(3, 12, 10, seed=place)

    photographs = Samples(Counting()).photographs()
    assert read == [0]
    (last,) = photographs[-1:]
    assert last.decode is not None
    assert torch.equal(last.decode(last.read()), seeded(3, 12, 10, seed=8))
    assert read == [0, 8]
