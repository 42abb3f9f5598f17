"""Models by torch.hub: what a repository on GitHub, or a local folder, offers in its hubconf.py."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import torch
from torch import nn

from xaikit import ConfigError, Located, hookimpl, nearest
from xaikit.sources import OpenedModel
from xaikit_sources._paths import missing
from xaikit_sources._weights import StatedWeights, build, file_of, is_none, load_state, read_state

_left: set[str] = set()
"""Names in sys.modules that the last hubconf left there."""
_HUBCONF = "hubconf.py"  # the file, and the name that torch.hub gives the module


def _is_folder(repo: str, base: Path = Path()) -> bool:
    path = repo.partition(":")[0]
    return path.startswith((".", "/", "~")) or path.count("/") != 1 or (base / repo).is_dir()


@dataclass(frozen=True)
class HubModel:
    """What an entry of hubconf.py returns, in evaluation mode. Nothing is known of its pictures: state ``data.transform``.

    repo     a folder with a hubconf.py (``./mine``), or ``owner/name:ref`` on GitHub, from torch's cache, else downloaded;
             a tag or commit as ref keeps it the same
    name     the entry, such as resnet18
    kwargs   what the entry is called with, such as ``{pretrained: true}``
    weights  a state-dict file (.pth, .pt, .safetensors) to put into the model, or ``{file, key, prefix}``
    trust    true runs the code of a repository on GitHub; a folder of your own needs none
    seed     of the weights that the entry draws
    """

    repo: Annotated[str, Located(_is_folder)]
    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    weights: StatedWeights = None
    trust: bool = False
    seed: int = 0

    def open(self) -> OpenedModel:
        """The model.

        Raises:
            ConfigError: the repository or the entry cannot be had, fails or returns no ``nn.Module``, weights do not fit.
        """
        module, origin = self._local() if _is_folder(self.repo) else self._github()
        if not isinstance(module, nn.Module):
            raise ConfigError(f"{self._where}: expected a torch.nn.Module, got {type(module).__name__}")
        if not is_none(self.weights):
            origin = file_of(self.weights, self._where)
            load_state(module, read_state(self.weights, self._where), f"{self._where}: {origin}")
        return OpenedModel(module.eval(), origin=origin)

    @property
    def _where(self) -> str:
        return f"model hub {self.repo!r} {self.name!r}"

    def _local(self) -> tuple[Any, str]:
        folder = Path(self.repo).expanduser().resolve()
        if not (folder / _HUBCONF).is_file():
            raise ConfigError(f"{self._where}: {missing(str(Path(self.repo, _HUBCONF)))}")
        return self._loaded(str(folder), source="local"), f"hub {self.repo} {self.name}, seed {self.seed}"

    def _github(self) -> tuple[Any, str]:
        if not self.trust:
            raise ConfigError(
                f"{self._where}: runs code of github.com/{self.repo.partition(':')[0]}; if you trust it, write trust: true"
            )
        try:
            return self._loaded(self.repo, source="github", trust_repo=True), f"hub {self.repo} {self.name}"
        except ConfigError as error:
            if not _is_of_network(error):
                raise
            raise ConfigError(
                f"{error}; clone github.com/{self.repo.partition(':')[0]} where there is a network and write repo: ./FOLDER"
            ) from error.__cause__

    def _loaded(self, place: str, **options: Any) -> Any:
        def load() -> Any:
            hub: Any = torch.hub
            return hub.load(place, self.name, verbose=False, **options, **self.kwargs)

        with _modules_apart(place if options["source"] == "local" else torch.hub.get_dir()):
            try:
                return build(self._where, self.seed, load)
            except ConfigError as error:
                if options["source"] != "local" or "Cannot find callable" not in str(error):
                    raise
                offered = build(self._where, self.seed, partial(_offered, Path(place, _HUBCONF)))
                raise ConfigError(
                    f"{self._where}: there is no entry {self.name!r}; {nearest(self.name, offered)}"
                ) from None


def _is_of_network(error: ConfigError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) or "no internet connection" in str(cause)


@contextmanager
def _modules_apart(folder: str) -> Iterator[None]:
    """A hubconf imports ``models`` or ``nets`` by names that another repository has too: what the last one imported is
    forgotten first. What this one imports stays, as its classes are looked up there by their source and by pickle."""
    for name in _left:
        sys.modules.pop(name, None)
    before = set(sys.modules)
    _register_hubconf(Path(folder, _HUBCONF))
    try:
        yield
    finally:
        _left.clear()
        _left.update(name for name in set(sys.modules) - before if _lies_in(name, Path(folder)))


def _register_hubconf(file: Path) -> None:
    """torch.hub runs it without a place in sys.modules, where its dataclasses and the source of its classes are
    looked up."""
    stand_in = sys.modules[_HUBCONF] = ModuleType(_HUBCONF)
    stand_in.__file__ = str(file)


def _offered(hubconf: Path) -> list[str]:
    """The names that a hubconf defines or imports, without running it."""
    body = ast.parse(hubconf.read_text(encoding="utf-8")).body
    imported = [alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names]
    return [node.name for node in body if isinstance(node, ast.FunctionDef)] + imported


def _lies_in(name: str, folder: Path) -> bool:
    module = sys.modules[name]
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", [])]
    return any(place and Path(place).is_relative_to(folder) for place in places)


@hookimpl
def xaikit_model() -> type:
    return HubModel
