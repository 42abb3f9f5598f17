"""State-dict files read safely, and modules built without touching the global random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from xaikit import ConfigError
from xaikit_sources._paths import is_file as path_is_file
from xaikit_sources._paths import missing

SUFFIXES = (".pth", ".pt", ".safetensors")
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # what training scripts file the weights under

State = Mapping[str, Tensor]


def build(where: str, seed: int, make: Callable[[], Any]) -> Any:
    """What ``make`` returns, its random weights drawn from ``seed`` and the global state left alone.

    Raises:
        ConfigError: it raised; the cause is chained.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return make()
    except Exception as error:  # a factory is anybody's code
        raise ConfigError(f"{where}: {type(error).__name__}: {_first_line(error)}") from error


def is_file(weights: str) -> bool:
    """Whether an option means a file rather than a name."""
    return weights.endswith(SUFFIXES) or "/" in weights


def is_none(weights: str | None) -> bool:
    """Whether an option asks for random weights; YAML reads ``none`` as a string."""
    return weights is None or weights.lower() == "none"


def read_state(file: str, where: str) -> State:
    """The names and tensors of a state-dict file, on the CPU; no code in it is run.

    A checkpoint that files them under ``state_dict`` or ``model`` is opened up, the ``module.`` of DataParallel taken off.

    Raises:
        ConfigError: the file does not exist, is damaged, or holds something else.
    """
    path = Path(file).expanduser()
    if not path_is_file(path):
        raise ConfigError(f"{where}: weights: {missing(file)}")
    try:
        held = load_file(path) if path.suffix == ".safetensors" else _torch_load(path)
    except Exception as error:  # unpicklers of damaged or foreign bytes raise nearly anything
        raise ConfigError(
            f"{where}: weights: expected a state dict in {file!r}, as torch.save(model.state_dict(), ...) writes it; "
            f"got {type(error).__name__}: {_first_line(error)}"
        ) from error
    return _tensors(held, f"{where}: weights: {file!r}")


def load_state(module: nn.Module, state: State, where: str) -> None:
    """Put weights into a module, every one of them.

    Raises:
        ConfigError: a name is missing or unknown, or a shape differs; the first ones are listed.
    """
    current = module.state_dict()
    shapes = [
        f"{name}: expected {tuple(current[name].shape)}, got {tuple(value.shape)}"
        for name, value in state.items()
        if name in current and current[name].shape != value.shape
    ]
    absent, unknown = ([], []) if shapes else module.load_state_dict(state, strict=False)
    check_fit(module, where, shapes, absent, unknown)


def check_fit(
    module: nn.Module, where: str, shapes: list[str], absent: list[str], unknown: list[str] | None = None
) -> None:
    """Raises :class:`ConfigError` where names are listed: of tensors of another shape, missing ones, unknown ones."""
    listed = {"of another shape": shapes, "missing": absent, "unknown": unknown or []}
    faults = [f"{len(names)} {fault} ({_some(names)})" for fault, names in listed.items() if names]
    if faults:
        raise ConfigError(f"{where}: the weights do not fit {type(module).__name__}: {'; '.join(faults)}")


def _torch_load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(held: Any, where: str) -> State:
    held = held if isinstance(held, Mapping) else {}
    inner: State = next((held[key] for key in _WRAPPERS if isinstance(held.get(key), Mapping)), held)
    if not inner or not all(isinstance(value, Tensor) for value in inner.values()):
        raise ConfigError(f"{where}: expected a state dict (names to tensors), got {_some([str(key) for key in held])}")
    if all(name.startswith("module.") for name in inner):
        return {name.removeprefix("module."): value for name, value in inner.items()}
    return inner


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") or "nothing"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
