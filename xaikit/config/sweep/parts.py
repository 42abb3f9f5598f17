"""The parts that a trial is read from, each by itself, so that a sweep reads each only where it differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xaikit.config.faults import Path
from xaikit.config.keys import Use, keys_of
from xaikit.config.layers import inherit
from xaikit.config.plugins import Reader
from xaikit.config.schema import UNCHANGED, Aggregation, Config, FinishConfig, MethodConfig
from xaikit.config.sections import read_at, read_finish, read_plugin

Read = Callable[[Reader, Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Part:
    """What is read together.

    read      from what a point says, to a value; None where that says nothing, or something wrong
    subtrees  the keys that it looks at, with all below them
    but       keys below these that it does not look at
    """

    read: Read
    subtrees: tuple[Path, ...]
    but: tuple[Path, ...] = ()

    def sees(self, path: Path) -> bool:
        """Whether a value at a key, set as an override sets it, changes what is read."""
        # another plugin takes the place of all that was said of the old one
        whole = path[:-1] if len(path) > 1 and path[-1] in ("use", "source") else path
        return any(_meet(whole, subtree) for subtree in self.subtrees) and not any(
            whole[: len(blind)] == blind for blind in self.but
        )


def _meet(one: Path, other: Path) -> bool:
    return all(mine == yours for mine, yours in zip(one, other, strict=False))


@dataclass(frozen=True)
class StatedFinish:
    """The finish of a label before its method's paper is asked: see :func:`xaikit.trials.trial.effective_finish`."""

    use: str
    general: FinishConfig
    own: Mapping[str, Use]


def labels(reader: Reader, said: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels of a point, in their order."""
    return tuple(said.get("methods", {}))


def general_parts() -> dict[str, Part]:
    """What a point says for all its labels."""
    keys = ("seed", "precision", "model", "data", "target", "layers", "finish")
    return {key: Part(_general(key), ((key,),)) for key in keys}


def label_parts(label: str, stated: bool) -> dict[str, Part]:
    """What a point says for one label; its method is None where the point does not have the label.

    ``stated`` is whether the config itself has it; where it does not, whatever a point says of it brings it in.
    """
    own: Path = ("methods", label)
    beside = tuple((*own, key) for key in keys_of(MethodConfig) if key != "use") if stated else ()
    return {
        "method": Part(_of(label, _own_method), (own,), beside),
        "layers": Part(_of(label, _own_layers), ((*own, "layers"), ("layers",))),
        "target": Part(_of(label, _own_target), ((*own, "target"), ("target",))),
        "aggregation": Part(
            _of(label, _own_aggregation), ((*own, "augment"), (*own, "reduce"), ("augment",), ("reduce",))
        ),
        "finish": Part(_of(label, _own_finish), ((*own, "finish"), (*own, "use"), ("finish",))),
    }


def _general(key: str) -> Read:
    return lambda reader, said: read_at(reader, (key,), said) if key in said else getattr(Config, key, None)


_Own = Callable[[Reader, Path, Mapping[str, Any], Mapping[str, Any]], Any]


def _of(label: str, read: _Own) -> Read:
    path: Path = ("methods", label)
    return lambda reader, said: read(reader, path, said.get("methods", {}).get(label, {}), said)


def _own_method(reader: Reader, path: Path, own: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    return read_plugin(reader, MethodConfig, path, own) if path[1] in said.get("methods", {}) else None


def _own_layers(reader: Reader, path: Path, own: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    found = read_at(reader, (*path, "layers"), own)
    return _general("layers")(reader, said) if found is None else found


def _own_target(reader: Reader, path: Path, own: Mapping[str, Any], said: Mapping[str, Any]) -> Any:
    return read_at(reader, (*path, "target"), own) or _general("target")(reader, said)


def _own_aggregation(reader: Reader, path: Path, own: Mapping[str, Any], said: Mapping[str, Any]) -> Aggregation:
    stated = own.get("augment") is not None
    augment = read_at(reader, (*path, "augment"), own) if stated else read_at(reader, ("augment",), said)
    reduce = read_at(reader, (*path, "reduce"), own) or read_at(reader, ("reduce",), said)
    return Aggregation(augment or UNCHANGED, reduce or "sum")


def _own_finish(reader: Reader, path: Path, own: Mapping[str, Any], said: Mapping[str, Any]) -> StatedFinish:
    beside = {key: own[key] for key in ("use", "finish") if key in own}
    inherited = inherit({"finish": said.get("finish", {}), "methods": {path[1]: beside}}, reader.faults)
    stated = inherited["methods"][path[1]].get("finish", {})
    use = str(own.get("use", path[1]))
    return StatedFinish(use, _general("finish")(reader, said), read_finish(reader, (*path, "finish"), stated))
