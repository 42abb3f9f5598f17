"""What is behind the page: a choice of picture, model, methods, layers and target is a run of a config, and its YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from xaikit.bench.objects import Objects, OpenModels
from xaikit.config import load, read_points
from xaikit.errors import ConfigError, DataError, StoreError, nearest
from xaikit.explore.typed import asked_target, check_labels, check_words
from xaikit.registry import Registry
from xaikit.report.report import Report
from xaikit.runner.steps import layer_names, run
from xaikit.schema.class_files import read_classes
from xaikit.schema.keys import Key, Use, keys_of
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import Config, DataConfig, ModelConfig

MOST_BYTES, MOST_PIXELS = 20 * 2**20, 40_000_000
"""Of an upload."""

_LEFT_OUT = ("sweep", "metrics", "controls", "budget", "observers", "executor", "report")
"""Of a config, that an exploration does without."""


@dataclass(frozen=True)
class Choice:
    """What somebody wants to see; no layers, and "" as target, mean what the config says."""

    picture: Path
    model: str
    methods: Sequence[str]
    layers: Sequence[str] = ()
    target: str = ""


@dataclass(frozen=True)
class Explored:
    """What came of it: overlays with their captions, what there is to know, and the config that says it."""

    overlays: tuple[tuple[Image.Image, str], ...]
    notes: tuple[str, ...]
    yaml: str


class Session:
    """Explorations of one config, all in one folder, which has ``uploads`` and ``run``; a model is opened once for all of them.

    Raises:
        ConfigError: all faults of the config at once.
    """

    def __init__(
        self, source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), to: str | None = None
    ) -> None:
        self._registry = Registry()
        self.config = load(source, overrides, self._registry)
        self.folder = Path(to or f"runs/{self.config.name}-explore").resolve()
        self._layers: dict[str, tuple[str, ...]] = {}
        self._objects = Objects(models=OpenModels())

    @property
    def uploads(self) -> Path:
        """Where pictures are that somebody drops."""
        return self.folder / "uploads"

    @cached_property
    def models(self) -> Mapping[str, Config]:
        """The config at the first point of each model, by a name for it."""
        points: dict[str, Config] = {}
        for _, point in read_points(self.config, self._registry):
            points.setdefault(repr(point.model), point)
        names = [
            str(next(iter(point.model.source.options.values()), point.model.source.use)) for point in points.values()
        ]
        unique = len(set(names)) == len(names)
        return {
            name if unique else f"{place + 1}: {name}": point
            for place, (name, point) in enumerate(zip(names, points.values(), strict=True))
        }

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The labels of the config, then what else is installed and needs no options."""
        installed = [name for name in self._registry.names("method") if name not in self.config.methods]
        return (*self.config.methods, *(name for name in installed if self._needs_no_options(name)))

    def layers(self, choice: Choice) -> tuple[str, ...]:
        """Those of the model that have a map, looked up once a model, on the picture."""
        if choice.model not in self._layers:
            self._layers[choice.model] = layer_names(self.said(choice))
        return self._layers[choice.model]

    def said(self, choice: Choice) -> Config:
        """The config of a choice.

        Raises:
            ConfigError: all that is wrong with it, with the nearest names; or it asks for code that the config does not name.
            DataError: the picture is too large, or none that was uploaded.
        """
        _check_picture(choice.picture, self.uploads)
        if choice.model not in self.models:
            raise ConfigError(
                f"model: expected one of the config, got {choice.model!r}; {nearest(choice.model, self.models)}"
            )
        check_labels(choice.methods, self.methods)
        check_words({"layers": choice.layers, "picture": [str(choice.picture)]})
        point = self.models[choice.model]
        plain = {key: value for key, value in point.plain().items() if key not in _LEFT_OUT}
        stated = plain["methods"]
        methods: dict[str, Any] = {label: dict(stated.get(label, {})) for label in choice.methods}
        if choice.layers:
            plain["layers"] = list(choice.layers)
        if choice.target.strip():
            plain["target"] = asked_target(
                choice.target, self._classes(point), self._targets, self._registry, Path(point.base)
            )
        for method in methods.values():
            for key, is_chosen in (("layers", choice.layers), ("target", choice.target.strip())):
                if is_chosen:
                    method.pop(key, None)
        data = {key: value for key, value in plain["data"].items() if key in ("transform", "max_pixels")}
        files = {"source": "files", "path": str(choice.picture), **data}
        report = {"to": str(self.folder / "run"), "overlays": True, "page": False}
        values = {**plain, "methods": methods, "data": files, "report": report}
        config = load(values, registry=self._registry, base=Path(point.base))
        return replace(config, objects=self._objects)

    def explore(self, choice: Choice) -> Explored:
        """Explain the picture. Raises XaikitError as :func:`xaikit.run` does."""
        config = self.said(choice)
        report = run(config)
        notes = [f"{failure.name}: {failure.error}" for failure in report.failures]
        return Explored(tuple(_overlays(report, notes)), (*notes, *report.warnings), self._as_yaml(config))

    @cached_property
    def _targets(self) -> list[Use]:
        """All that the config states."""
        points = [point for _, point in read_points(self.config, self._registry)]
        own = [method.target for point in points for method in point.methods.values() if method.target]
        return [*(point.target for point in points), *own]

    def _classes(self, point: Config) -> tuple[str, ...]:
        """What the classes of a model are called."""
        if point.model.classes is not None:
            return read_classes(point.model.classes, Path(point.base))[0]
        source = instantiate("model", point.model.source, self._registry, Path(point.base))
        return self._objects.opened(source).classes or ()

    def _as_yaml(self, config: Config) -> str:
        """A config that says the same, without what is by default, and without where it was explored."""
        written = {key: value for key, value in config.written().items() if key not in (*_LEFT_OUT, "device")}
        for key, section, source in (
            ("model", ModelConfig, config.model.source),
            ("data", DataConfig, config.data.source),
        ):
            options = keys_of(self._registry.find(key, source.use, Path(config.base)).cls)
            keys = {**keys_of(section), **options}
            written[key] = {
                name: value for name, value in written[key].items() if not _is_default(keys.get(name), value)
            }
        stated = ("model", "data", "methods")
        bare = load({key: written[key] for key in stated}, base=Path(config.base)).plain()
        brief = {key: value for key, value in written.items() if key in ("version", *stated) or value != bare.get(key)}
        return yaml.safe_dump(brief, sort_keys=False, allow_unicode=True)

    def _needs_no_options(self, name: str) -> bool:
        keys = keys_of(self._registry.find("method", name).cls).values()
        return all(key.default is not None for key in keys)


def _overlays(report: Report, notes: list[str]) -> list[tuple[Image.Image, str]]:
    shown = []
    for record in report.records:
        caption = f"{record.trial}, {' + '.join(record.layers)}: {record.target_name} {record.score:.3g}"
        try:
            shown.append((report.show(record.name, record.trial, record.column), caption))
        except StoreError as error:
            notes.append(str(error))
    return shown


def _is_default(key: Key | None, value: Any) -> bool:
    if key is None or key.default is None:
        return False
    default = key.default()
    return bool(value == (list(default) if isinstance(default, tuple) else default))


def _check_picture(path: Path, uploads: Path) -> None:
    """Raises DataError where it is none that was uploaded, or too large to be looked at."""
    if not path.resolve().is_relative_to(uploads) or not path.is_file():
        raise DataError(f"picture: expected one that was uploaded, got {path.name!r}")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(
            f"{path.name}: expected at most {MOST_BYTES // 2**20} MiB, got {path.stat().st_size / 2**20:.0f}"
        )
    try:
        with Image.open(path) as picture:
            pixels = picture.width * picture.height
    except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path.name}: expected a picture: {error}") from error
    if pixels > MOST_PIXELS:
        raise DataError(f"{path.name}: expected at most {MOST_PIXELS:,} pixels, got {pixels:,}")
