"""State-dict files read safely, and modules built without touching the global random numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from xaikit import ConfigError, Located, global_draws, nearest
from xaikit_sources._paths import is_file as path_is_file
from xaikit_sources._paths import missing

SUFFIXES = (".pth", ".pt", ".safetensors")
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # what training scripts file the weights under
_KEYS = ("file", "key", "prefix")

State = Mapping[str, Tensor]
Weights = str | dict[str, str] | None
"""A name or a file, or ``{file: ..., key: ..., prefix: ...}``; see :func:`read_state`."""


def _names_file(text: str, base: Path = Path()) -> bool:
    """Whether a text is no name of weights, but that of a file: one with any other ending is there."""
    return text.endswith(SUFFIXES) or "/" in text or (bool(Path(text).suffix) and path_is_file(base / text))


StatedWeights = Annotated[Weights, Located(_names_file)]
"""As a config says them."""


def build(where: str, seed: int, make: Callable[[], Any]) -> Any:
    """What ``make`` returns, its random weights drawn from ``seed`` and the global state left alone.

    Raises:
        ConfigError: it raised; the cause is chained.
    """
    try:
        with global_draws(seed):
            return make()
    except (Exception, SystemExit) as error:  # a factory is anybody's code
        raise ConfigError(f"{where}: {type(error).__name__}: {_first_line(error)}") from error


def is_file(weights: Weights) -> bool:
    """Whether an option means a file rather than a name."""
    return isinstance(weights, dict) or (weights is not None and _names_file(weights))


def is_none(weights: Weights) -> bool:
    """Whether an option asks for random weights; YAML reads ``none`` as a string."""
    return weights is None or (isinstance(weights, str) and weights.lower() == "none")


def file_of(weights: Weights, where: str) -> str:
    """The file that an option names. Raises ConfigError where a mapping has other keys or no file."""
    if not isinstance(weights, dict):
        return str(weights)
    unknown = next((key for key in weights if key not in _KEYS), None)
    if unknown is not None:
        raise ConfigError(
            f"{where}: weights: expected file, key and prefix, got {unknown!r}; {nearest(unknown, _KEYS)}"
        )
    if "file" not in weights:
        raise ConfigError(
            f"{where}: weights: expected a file, got {', '.join(weights) or 'nothing'}; add file: net.pth"
        )
    return weights["file"]


def read_state(weights: Weights, where: str) -> State:
    """The names and tensors of a state-dict file, on the CPU; no code in it is run.

    A checkpoint that files them under ``state_dict`` or ``model`` is opened up, the ``module.`` of DataParallel taken off.
    A mapping says what the checkpoint files them under (``key``), and which of its names are the model's (``prefix``), which is
    taken off.

    Raises:
        ConfigError: the file does not exist, is damaged, or holds something else.
    """
    file = file_of(weights, where)
    chosen = weights if isinstance(weights, dict) else {}
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
    place = f"{where}: weights: {file!r}"
    return _of_prefix(_tensors(held, place, chosen.get("key")), chosen.get("prefix", ""), place)


def fitted(module: nn.Module, state: State) -> State:
    """The same without what wrappers such as Lightning's, ``torch.compile`` or a ``model`` of one's own put before all names,
    where the module itself knows none of them."""
    names, shorter = module.state_dict().keys(), state
    while not names & shorter.keys():
        if len({name.partition(".")[0] for name in shorter}) != 1 or not all("." in name for name in shorter):
            return state  # these are the names of something else
        shorter = {name.partition(".")[2]: value for name, value in shorter.items()}
    return shorter


def load_state(module: nn.Module, state: State, where: str) -> None:
    """Put weights into a module, every one of them.

    Raises:
        ConfigError: a name is missing or unknown, or a shape differs; the first ones are listed.
    """
    current, state = module.state_dict(), fitted(module, state)
    shapes = [
        f"{name}: expected {tuple(current[name].shape)}, got {tuple(value.shape)}"
        for name, value in state.items()
        if name in current and current[name].shape != value.shape
    ]
    absent, unknown = ([], []) if shapes else module.load_state_dict(state, strict=False)
    check_fit(module, where, shapes, absent, unknown, _likely_prefix(state, absent))


def check_fit(
    module: nn.Module,
    where: str,
    shapes: list[str],
    absent: list[str],
    unknown: list[str] | None = None,
    hint: str = "",
) -> None:
    """Raises :class:`ConfigError` where names are listed: of tensors of another shape, missing ones, unknown ones."""
    listed = {"of another shape": shapes, "missing": absent, "unknown": unknown or []}
    faults = [f"{len(names)} {fault} ({_some(names)})" for fault, names in listed.items() if names]
    if faults:
        raise ConfigError(f"{where}: the weights do not fit {type(module).__name__}: {'; '.join(faults)}{hint}")


def _likely_prefix(state: State, absent: list[str]) -> str:
    """What to write where the missing names are there behind a prefix, among names of something else."""
    ends = (name.removesuffix(absent[0]) for name in state if absent and name.endswith(f".{absent[0]}"))
    prefix = next((start for start in ends if all(f"{start}{name}" in state for name in absent)), None)
    return (
        f"; the file has all of them behind {prefix!r}: write weights: {{file: ..., prefix: {prefix}}}"
        if prefix
        else ""
    )


def _torch_load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(held: Any, where: str, key: str | None) -> State:
    held = held if isinstance(held, Mapping) else {}
    if key is not None and not isinstance(held.get(key), Mapping):
        raise ConfigError(f"{where}: key: expected a state dict under {key!r}; {nearest(key, map(str, held))}")
    keys = _WRAPPERS if key is None else (key,)
    inner: State = next((held[key] for key in keys if isinstance(held.get(key), Mapping)), held)
    if not inner or not all(isinstance(value, Tensor) for value in inner.values()):
        raise ConfigError(f"{where}: expected a state dict (names to tensors), got {_some([str(key) for key in held])}")
    return _of_prefix(inner, "module.", where) if all(name.startswith("module.") for name in inner) else inner


def _of_prefix(state: State, prefix: str, where: str) -> State:
    """The names that begin so, without it."""
    chosen = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if not chosen:
        prefixes = dict.fromkeys(f"{name.partition('.')[0]}." for name in state)
        raise ConfigError(f"{where}: prefix: no name begins with {prefix!r}; {nearest(prefix, prefixes)}")
    return chosen


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") or "nothing"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
