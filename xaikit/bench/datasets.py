"""A dataset that xaikit.run was handed: pictures, ready tensors, or several inputs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from xaikit.errors import DataError
from xaikit.hookspecs import hookimpl
from xaikit.passes.nests import first_tensor
from xaikit.sources import Kind, Photograph

LABELS = ("label", "labels", "target")
"""Of a sample that is a mapping, where its class stands."""

_KINDS: Mapping[int, Kind] = {2: "series", 3: "picture", 4: "volume"}
"""Of inputs that are ready, by their axes."""


@dataclass(frozen=True)
class ObjectData:
    """A dataset that ``xaikit.run(config, data=dataset)`` was handed.

    name  what a person calls it
    """

    name: str = "dataset"

    def photographs(self) -> Sequence[Photograph]:
        """Raises DataError: a file cannot hold the dataset."""
        raise DataError(
            "data: expected the dataset itself, which no file holds; write xaikit.run(config, data=dataset)"
        )


@dataclass(frozen=True)
class Samples:
    """A dataset, read sample by sample.

    An item is a sample, or a pair (sample, target). A sample is a picture of PIL, which ``data.transform`` prepares; or what
    the model takes: a tensor or array (channels, *S), a tuple or mapping of these. The target is the class, where it is a
    number or a name; in a mapping it stands under one of :data:`LABELS`.
    """

    dataset: Any

    def __post_init__(self) -> None:
        if not (hasattr(self.dataset, "__len__") and hasattr(self.dataset, "__getitem__")):
            raise DataError(
                f"data: expected a dataset with len() and [], got {type(self.dataset).__name__}; list(dataset) makes one of it"
            )

    def photographs(self) -> list[Photograph]:
        """One a sample, in order, by its number or the path that the dataset has of it. Raises DataError where there is none."""
        count = len(self.dataset)
        if not count:
            raise DataError("data: expected samples, got an empty dataset")
        first = self.sample(0)
        kind, decode = _kind(first), None if isinstance(first, Image.Image) else _decoder(first)
        named = zip(self.names(count), self.labels(count), strict=True)
        return [Photograph(name, partial(self.read, at), label, kind, decode) for at, (name, label) in enumerate(named)]

    def sample(self, place: int) -> Any:
        """What the model takes of one item, or its picture."""
        return _parted(self.dataset[place])[0]

    def names(self, count: int) -> Iterator[str]:
        """The paths that folders of pictures know (``dataset.samples``), else numbers."""
        samples = getattr(self.dataset, "samples", None)
        paths = samples if isinstance(samples, list) and len(samples) == count else []
        yield from (str(path) for path, *_ in paths) if paths else map(str, range(count))

    def labels(self, count: int) -> Iterator[str | int | None]:
        """From ``dataset.targets`` where there are as many, else from the items."""
        targets: Any = getattr(self.dataset, "targets", None)
        complete = isinstance(targets, Sequence | Tensor) and len(targets) == count
        yield from (_label(targets[at]) if complete else self._label_in(at) for at in range(count))

    def _label_in(self, place: int) -> str | int | None:
        try:
            return _parted(self.dataset[place])[1]
        except Exception:  # it fails by itself when its turn comes, and stops no other
            return None

    def read(self, place: int) -> bytes:
        """The bytes of a sample: of a picture without loss, or of its tensors."""
        sample = self.sample(place)
        if isinstance(sample, Image.Image):
            buffer = io.BytesIO()
            sample.save(buffer, "TIFF" if sample.mode in ("F", "CMYK") else "PNG")
            return buffer.getvalue()
        ready = _ready(sample)
        items = {"": ready} if isinstance(ready, Tensor) else _items(ready)
        return safetensors.torch.save(
            {key: tensor.detach().cpu().contiguous().clone() for key, tensor in items.items()}
        )


def _kind(sample: Any) -> Kind:
    """What a sample is. Raises DataError where it is nothing that can be explained."""
    if isinstance(sample, Image.Image):
        return "picture"
    led = first_tensor(_ready(sample))
    if led.dim() not in _KINDS or not led.is_floating_point():
        raise DataError(
            f"data: expected samples of floats (channels, *S) with one to three axes S, got {led.dtype} {tuple(led.shape)}"
        )
    return _KINDS[led.dim()]


def _decoder(sample: Any) -> Callable[[bytes], Any]:
    """From bytes to what the model takes, of samples that are made as this one is."""
    ready = _ready(sample)
    keys = () if isinstance(ready, Tensor) else tuple(_items(ready))
    return partial(_unpacked, keys=keys, named=isinstance(ready, Mapping))


def _unpacked(data: bytes, keys: Sequence[str], named: bool) -> Any:
    """A tensor, or several by their names or in their order."""
    items = safetensors.torch.load(data)
    if not keys:
        return items[""]
    return {key: items[key] for key in keys} if named else tuple(items[key] for key in keys)


def _parted(item: Any) -> tuple[Any, str | int | None]:
    """A sample and its class."""
    if isinstance(item, Mapping):
        rest = {key: value for key, value in item.items() if key not in LABELS}
        label = next((_label(item[key]) for key in LABELS if key in item), None)
        pictures = [value for value in rest.values() if isinstance(value, Image.Image)]
        return (pictures[0] if pictures else rest), label
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], _label(item[1])
    return (item[0] if isinstance(item, tuple | list) and len(item) == 1 else item), None


def _label(value: Any) -> str | int | None:
    """A class; None of what is none, such as boxes or several classes."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        value = value.item() if value.ndim == 0 else None
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def _ready(sample: Any) -> Any:
    """Arrays as tensors. Raises DataError for anything else that is no tensor."""
    if isinstance(sample, Tensor):
        return sample
    if isinstance(sample, np.ndarray):
        return torch.from_numpy(sample)
    if isinstance(sample, Mapping):
        return {key: _ready(value) for key, value in sample.items()}
    if isinstance(sample, tuple | list):
        return tuple(map(_ready, sample))
    raise DataError(f"data: expected pictures, tensors or arrays as samples, got {type(sample).__name__}")


def _items(ready: Any) -> dict[str, Tensor]:
    items = ready.items() if isinstance(ready, Mapping) else enumerate(ready)
    flat = {str(key): value for key, value in items}
    nested = [key for key, value in flat.items() if not isinstance(value, Tensor)]
    if nested:
        raise DataError(f"data: expected a sample of tensors, got one whose {nested[0]!r} holds others")
    return flat


@hookimpl
def xaikit_data() -> type:
    return ObjectData
