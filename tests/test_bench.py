from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import xaikit
from runs import CLASSES, config, pictures
from xaikit.bench import Bench, Picture, Unread, pick_device, resolve_bench
from xaikit.registry import Registry
from xaikit.sweep import expand


def bench_of(said: dict[str, Any]) -> Bench:
    registry = Registry()
    read = xaikit.load(said, registry=registry)
    return resolve_bench(read, expand(read, registry)[0], registry)


def test_it_resolves_names_to_things(tmp_path: Path) -> None:
    bench = bench_of(
        config(tmp_path, layers=["stem", "auto"], methods={"a": {"use": "layercam", "layers": "stem"}, "gradcam": {}})
    )
    assert [[str(tap) for tap in request.taps] for request in bench.requests] == [["stem"], ["stem", "body"]]
    assert [type(request.method).__name__ for request in bench.requests] == ["LayerCAM", "GradCAM"]
    assert bench.requests[0].finish.scale is not None, "LayerCAM's paper bends shallow layers"
    assert bench.requests[1].finish.scale is None
    assert bench.opened.classes == tuple(CLASSES)
    assert len(bench.weights) == 64


def test_batches_come_in_order_with_and_without_workers(tmp_path: Path) -> None:
    pictures(tmp_path / "photos", tuple(f"{n}.png" for n in range(5)))
    said = config(tmp_path)
    orders = []
    for workers in (0, 3):
        said["data"]["workers"] = workers
        bench = bench_of(said)
        orders.append(
            [[Path(item.photograph.name).name for item in batch] for batch in bench.batches(bench.photographs)]
        )
    assert orders[0] == orders[1] == [["0.png", "1.png"], ["2.png", "3.png"], ["4.png"]]
    assert list(bench.batches([])) == []


def test_a_picture_knows_what_the_model_sees(tmp_path: Path) -> None:
    bench = bench_of(config(tmp_path))
    picture = bench.read(bench.photographs[0])
    assert isinstance(picture, Picture)
    assert picture.seen.size == (32, 32)
    assert picture.pixels.shape == (3, 32, 32)
    first = torch.tensor(picture.seen.getpixel((0, 0)), dtype=torch.float32)
    torch.testing.assert_close(picture.pixels[:, 0, 0], (first / 255 - 0.5) / 0.25)


def test_what_cannot_be_read_is_a_value(tmp_path: Path) -> None:
    pictures(tmp_path / "photos")
    (tmp_path / "photos" / "zz.png").write_bytes(b"")
    bench = bench_of(config(tmp_path))
    assert isinstance(bench.read(bench.photographs[-1]), Unread)


def test_no_readable_photograph_is_an_error_with_reasons(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"no")
    with pytest.raises(xaikit.DataError, match=r"none of the photographs can be read:\n.*a\.png"):
        bench_of(config(tmp_path))


def test_a_source_without_transform_needs_one_in_the_config(tmp_path: Path) -> None:
    said = config(tmp_path)
    del said["data"]["transform"]
    with pytest.raises(xaikit.ConfigError, match=r"data\.transform: this model's source does not know"):
        bench_of(said)


def test_devices() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(xaikit.ConfigError, match=r"device: expected .*'cuda:99'"):
        pick_device("cuda:99")
