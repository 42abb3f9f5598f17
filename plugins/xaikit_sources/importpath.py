"""Any model: what a Python function returns, pkg.module:factory or ./file.py:factory."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from torch import nn

from xaikit import ConfigError, Located, hookimpl, lies_at, module_at, nearest
from xaikit.sources import OpenedModel
from xaikit_sources._paths import missing
from xaikit_sources._weights import StatedWeights, build, file_of, is_none, load_state, read_state


@dataclass(frozen=True)
class ImportPath:
    """What the factory returns, in evaluation mode. Nothing is known of its pictures: state ``data.transform``.

    factory  ``pkg.module:factory`` or ``./file.py:factory``; of a config's folder before all others
    kwargs   what the factory is called with
    weights  a state-dict file (.pth, .pt, .safetensors) to put into the model; of a checkpoint that holds more,
             ``{file: net.ckpt, key: state_dict, prefix: model.}``
    seed     of the weights that the factory draws
    """

    factory: Annotated[str, Located(lies_at)]
    kwargs: dict[str, Any] = field(default_factory=dict)
    weights: StatedWeights = None
    seed: int = 0

    def __post_init__(self) -> None:
        left, _, right = self.factory.rpartition(":")
        if not (left and right.isidentifier()):
            raise ValueError(f"factory: expected 'pkg.module:factory' or './file.py:factory', got {self.factory!r}")

    def open(self) -> OpenedModel:
        """The model.

        Raises:
            ConfigError: the factory cannot be imported, fails, or returns no ``nn.Module``; weights do not fit.
        """
        module = build(self._where, self.seed, partial(self._factory(), **self.kwargs))
        if not isinstance(module, nn.Module):
            raise ConfigError(f"{self._where}: expected a torch.nn.Module, got {type(module).__name__}")
        if not is_none(self.weights):
            load_state(module, read_state(self.weights, self._where), f"{self._where}: {self._file_of_weights}")
        origin = f"{self.factory}, seed {self.seed}" if is_none(self.weights) else self._file_of_weights
        return OpenedModel(module.eval(), origin=origin)

    @property
    def _where(self) -> str:
        return f"model importpath {self.factory!r}"

    @property
    def _file_of_weights(self) -> str:
        return file_of(self.weights, self._where)

    def _factory(self) -> Any:
        left, _, right = self.factory.rpartition(":")
        if left.endswith(".py") and not Path(left).expanduser().is_file():
            raise ConfigError(f"{self._where}: {missing(left)}")
        module = build(self._where, self.seed, partial(module_at, left, "model"))
        factory = getattr(module, right, None)
        if not callable(factory):
            offered = [name for name, value in vars(module).items() if callable(value)]
            raise ConfigError(f"{self._where}: {left} has no function {right!r}; {nearest(right, offered)}")
        return factory


@hookimpl
def xaikit_model() -> type:
    return ImportPath
