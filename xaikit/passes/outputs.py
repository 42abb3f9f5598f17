"""Which part of what a model returns is scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from xaikit.errors import ConfigError, nearest
from xaikit.targets import parts_in, tensors_within

AUTO = "auto"


def part_of(output: Any, choice: str | int = AUTO) -> Any:
    """The chosen part of an output: by key or attribute, by index, by a way of these with dots between, or by itself.

    ``auto`` takes a tensor as it is, and ``logits`` of a mapping or object that has it, and no ``pred_boxes`` beside it. Of a
    tuple it takes the one tensor of floating-point numbers, single numbers such as a loss left out, and logits (N, classes)
    before maps; of a mapping or dataclass the one tensor that it has. Where several may be meant the target is handed all of
    it, and refuses it by name if it is one of classes.

    Raises:
        ConfigError: the output has no such part; the parts it has are named.

    >>> part_of({"head": (1.5, 2.5)}, "head.1")
    2.5
    """
    if choice == AUTO:
        return _itself(output)
    if isinstance(choice, int):
        return _indexed(output, choice)
    if isinstance(output, Tensor) and choice == "logits":
        return output
    if _has(output, choice):
        return output[choice] if isinstance(output, Mapping) else getattr(output, choice)
    first, _, rest = choice.partition(".")
    if _is_index(first) and (rest or isinstance(output, (tuple, list))):
        return part_of(_indexed(output, int(first)), rest) if rest else _indexed(output, int(first))
    if rest and _has(output, first):
        return part_of(part_of(output, first), rest)
    if isinstance(output, Mapping):
        raise ConfigError(f"model.output: no key {choice!r}; {nearest(choice, map(str, output))}")
    raise ConfigError(f"model.output: expected an output with {choice!r}, got {type(output).__name__}")


def _has(output: Any, name: str) -> bool:
    """Whether it has a part of that name; attributes that every tensor has are none."""
    return name in output if isinstance(output, Mapping) else not isinstance(output, Tensor) and hasattr(output, name)


def _is_index(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _itself(output: Any) -> Any:
    if _has(output, "pred_boxes"):  # logits beside boxes are those of queries, and no classes of the picture
        return output
    if isinstance(output, Mapping) and "logits" in output:
        return output["logits"]
    if not isinstance(output, Tensor) and isinstance(getattr(output, "logits", None), Tensor):
        return output.logits
    if isinstance(output, (Tensor, list)):
        return output
    tensors = [tensor for _, tensor in tensors_within(output) if tensor.is_floating_point() and tensor.dim()]
    if isinstance(output, tuple):
        tensors = _likeliest(tensors)
    members = [part for _, part in parts_in(output)]
    return tensors[0] if len(tensors) == 1 and any(part is tensors[0] for part in members) else output


def _likeliest(tensors: list[Tensor]) -> list[Tensor]:
    """Those that may be logits: more than one number a sample before one, and logits that stand before maps."""
    wide = [tensor for tensor in tensors if tensor.dim() > 1] or tensors
    logits = [tensor for tensor in wide if tensor.dim() == 2]
    return logits if len(logits) == 1 and logits[0] is wide[0] else wide


def _indexed(output: Any, index: int) -> Any:
    if isinstance(output, Mapping):
        if index in output:
            return output[index]
        output = tuple(output.values())
    if not isinstance(output, (tuple, list)):
        raise ConfigError(f"model.output: expected a tuple or list to take [{index}] of, got {type(output).__name__}")
    if not -len(output) <= index < len(output):
        raise ConfigError(f"model.output: expected an index below {len(output)}, got {index}")
    return output[index]
