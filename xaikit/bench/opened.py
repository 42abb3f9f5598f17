"""An opened model on its device, with the photographs that it is run on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xaikit.bench.fingerprint import architecture_of, digest_of
from xaikit.bench.loader import Loader, Picture
from xaikit.bench.objects import device_of
from xaikit.bench.photographs import find_photographs, worded
from xaikit.bench.stated import stated_transform
from xaikit.engine import Batch
from xaikit.errors import ConfigError, DataError
from xaikit.evidence.conditions import unwrapped
from xaikit.layouts import Arrangement
from xaikit.passes.nests import first_tensor, mapped, replaced, signature, tensor_at, tensors_in, varied
from xaikit.passes.samples import shared_by_name
from xaikit.plain.values import spelling
from xaikit.registry import Registry
from xaikit.schema.class_files import read_classes
from xaikit.schema.classes import Classes
from xaikit.schema.data import MAX_PIXELS
from xaikit.schema.plugins import instantiate
from xaikit.schema.scalars import check_device
from xaikit.schema.sections import Config
from xaikit.sources import ModelSource, OpenedModel, Photograph
from xaikit.store.names import bench_key
from xaikit.trials.placement import Group

PICTURES = 256
"""That options name, ready in memory: 150 MiB of 224 pixels."""


@dataclass(frozen=True)
class OpenedBench:
    """A model, and what it is run on.

    config       of the run, with the model and the data of this bench
    model        the module on ``device``, and what its source knows of it
    photographs  all of them, in order
    loader       from photograph to input
    arrangement  how the tensors at its layers are arranged, where the config says it
    weights      the digest of the model's weights
    architecture the digest of what it does with them, taken before it has run
    input_layout  how the model takes its pictures, likewise
    """

    config: Config
    model: OpenedModel
    device: torch.device
    photographs: tuple[Photograph, ...]
    loader: Loader
    arrangement: Arrangement | None
    weights: str
    architecture: str
    input_layout: Arrangement | None = None

    @cached_property
    def key(self) -> str:
        """The key of the model and that of the data: what results depend on beside trial and photograph, and where these are
        from and what their classes are called. Benches of one model take over each other's results."""
        model, data = self.config.model.plain(), self.config.data.plain()
        for how_many in ("batch_size", "workers"):
            del data[how_many]
        del model["classes"]
        # by it large pictures are decoded smaller
        reduced = [] if data["max_pixels"] == MAX_PIXELS else [str(data["max_pixels"])]
        of_model = [self.weights, self.architecture, repr(self.loader.transform), *reduced, spelling(model)]
        of_data = [spelling(data), *(self.model.classes or ())]
        return bench_key(_digest(of_model), _digest(of_data))

    @property
    def name(self) -> str:
        """What a person calls the model."""
        source = self.config.model.source
        return str(source.options.get("name") or source.options.get("factory") or source.use)

    def batch(self, pictures: Sequence[Picture]) -> Batch:
        """Pictures as the engine takes them, on the model's device."""
        inputs, shared = shared_by_name(self._stacked(pictures), self.config.model.shared or None)
        labels = [picture.label if self.loader.labelled else None for picture in pictures]
        indices = None if None in labels else self._on_device(torch.tensor(labels, dtype=torch.long))
        ids = tuple(picture.digest for picture in pictures)
        return Batch(self._arranged(inputs), ids, indices, self.input_layout, shared, self.picture, self.arrangement)

    @cached_property
    def picture(self) -> Callable[[str], Tensor]:
        """From a file that an option names to what the model receives of it, as a batch of one on the CPU; the last ones are
        kept, which every batch asks for again. Raises DataError where it cannot be read."""
        first = self.photographs[0]
        decode = None if first.kind == "picture" else first.decode

        @lru_cache(PICTURES)
        def read(file: str) -> Tensor:
            ready = self.loader.read(Photograph(file, Path(file).read_bytes, kind=first.kind, decode=decode))
            if not isinstance(ready, Picture):
                raise DataError(ready.error)
            return first_tensor(self._arranged(first_tensor(ready.pixels)[None]))

        return read

    def _stacked(self, pictures: Sequence[Picture]) -> Any:
        """The inputs of pictures as one, on the model's device; what is no sample's is the first one's."""
        _check_shapes(pictures, self.first)
        inputs = pictures[0].pixels
        for path, _ in tensors_in(inputs):
            if not path or path[0] not in self.config.model.shared:
                inputs = replaced(inputs, path, torch.stack([tensor_at(each.pixels, path) for each in pictures]))
        return mapped(self._on_device, inputs)

    def _on_device(self, tensor: Tensor) -> Tensor:
        """A copy there, which a device that reads pinned memory makes by itself while the host goes on."""
        if self.device.type in ("cuda", "xpu"):
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def _arranged(self, inputs: Any) -> Any:
        """Pictures (N, C, H, W) as the model takes them. Raises ConfigError."""
        if self.input_layout is None:
            return inputs
        first = first_tensor(inputs)
        layout = self.input_layout.layout(tuple(first.shape), tuple(first.shape[2:]))
        if layout is None:
            raise ConfigError(f"model.input_layout: expected how pictures are arranged, got {self.input_layout}")
        return varied(inputs, layout.from_map(first, first))

    def first_batch(self) -> Batch:
        """The first photograph that can be read, as a batch of one. Raises DataError."""
        return self.batch([self.first])

    @cached_property
    def first(self) -> Picture:
        """The first photograph that can be read: all maps of a run are of its size.

        Raises:
            DataError: none can be read; the first reasons are given, each once, with the first that it is of.
        """
        reasons: dict[str, str] = {}
        for photograph in self.photographs:
            picture = self.loader.read(photograph)
            if isinstance(picture, Picture) and not picture.unlabelled:
                return picture
            reasons.setdefault(picture.unlabelled if isinstance(picture, Picture) else picture.error, photograph.name)
        lines = [reason if name in reason else f"{name}: {reason}" for reason, name in reasons.items()]
        raise DataError("data: none of the photographs can be read:\n" + "\n".join(lines[:5]))


def open_bench(config: Config, group: Group, registry: Registry, *, labelled: bool) -> OpenedBench:
    """Open the model of a group and find its photographs.

    Args:
        labelled: whether the class that the data states is asked for.

    Raises:
        ConfigError: the model, its weights, the device or the transform cannot be had.
        DataError: the data source finds nothing.
    """
    base = Path(config.base)
    data = dataclasses.replace(group.data, batch_size=config.data.batch_size, workers=config.data.workers)
    config = dataclasses.replace(config, model=group.model, data=data)
    photographs = _uniquely_named(find_photographs(data, registry, base, config.objects))
    with worded(ConfigError, f"model {config.model.source.use}"):
        source: ModelSource = instantiate("model", config.model.source, registry, base)
        model = config.objects.opened(source) if config.objects else source.open()
    if config.model.classes is not None:
        names, wnids = read_classes(config.model.classes, base)
        model = dataclasses.replace(model, classes=names, wnids=wnids)
    device = device_for(config)
    model = dataclasses.replace(model, module=unwrapped(model.module).to(device))
    layouts = (config.model.layout, config.model.input_layout)
    arrangement, of_input = (
        None if layout is None else instantiate("layout", layout, registry, base) for layout in layouts
    )
    whole = config.report.overlays is not False and config.report.on == "original"
    transform = stated_transform(model, data, photographs[0], base)
    classes = Classes(model.classes, model.wnids)
    loader = Loader(transform, classes, labelled, data.workers, whole, data.max_pixels)
    weights, architecture = digest_of(model.module), architecture_of(model.module)
    return OpenedBench(config, model, device, photographs, loader, arrangement, weights, architecture, of_input)


def _check_shapes(pictures: Sequence[Picture], sized: Picture) -> None:
    """Refuse inputs that are no batch, or not of the size that the run's maps are of. Raises DataError."""
    for picture, (expected, read) in product(pictures, ((sized, _size), (pictures[0], _signature))):
        if read(picture) != read(expected):
            raise DataError(
                f"{picture.photograph.name}: expected {_shapes(expected)}, as {expected.photograph.name} has, got "
                f"{_shapes(picture)}; data.transform.size or crop brings them to one shape"
            )


def _size(picture: Picture) -> tuple[int, ...]:
    return tuple(first_tensor(picture.pixels).shape)


def _signature(picture: Picture) -> object:
    return signature(picture.pixels)


def _shapes(picture: Picture) -> str:
    return " and ".join(str(tuple(tensor.shape)) for _, tensor in tensors_in(picture.pixels))


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def device_for(config: Config) -> torch.device:
    """Where the model of a config runs: where it lies if the call was handed it, else where ``device`` says.

    Raises:
        ConfigError: a device that is not there, or another than that of the model.
    """
    handed = None if config.objects is None else config.objects.model
    if handed is None:
        return pick_device(config.device)
    device = device_of(handed)
    if config.device not in ("auto", str(device)):
        raise ConfigError(f"device: expected auto or {device}, where the model of this call is, got {config.device!r}")
    return device


def pick_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one, else MPS, XPU, any other accelerator that torch has, else the CPU.

    Raises:
        ConfigError: a word that is none for a device, or a device that is not there.
    """
    try:
        check_device(name)
    except ValueError as error:
        # what auto found has a name of its own
        if (found := _accelerator()) is None or name.partition(":")[0] != found.type:
            raise ConfigError(f"device: {error}") from error
    if name == "auto":
        return _accelerator() or torch.device("cpu")
    device = torch.device(name)
    if device.type in _COUNTED and (device.index or 0) >= (count := _COUNTED[device.type]()):
        kind = device.type.upper()
        seen = f"one of {count} {kind} devices" if count else f"cpu, as torch sees no {kind} device here"
        raise ConfigError(f"device: expected {seen}, got {name!r}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device: expected cpu or cuda, got 'mps', which this machine does not have")
    return device


_COUNTED = {"cuda": lambda: torch.cuda.device_count(), "xpu": lambda: torch.xpu.device_count()}


def _accelerator() -> torch.device | None:
    preferred = {"cuda": torch.cuda, "mps": torch.backends.mps, "xpu": torch.xpu}
    for name, backend in preferred.items():
        if backend.is_available():
            return torch.device(name)
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None


def _uniquely_named(photographs: Sequence[Photograph]) -> tuple[Photograph, ...]:
    """Each name once, and in words that a file of records can hold: a path need not be valid UTF-8."""
    by_name: dict[str, Photograph] = {}
    for photograph in photographs:
        name = photograph.name.encode("utf-8", "backslashreplace").decode()
        by_name.setdefault(name, dataclasses.replace(photograph, name=name))
    return tuple(by_name.values())
