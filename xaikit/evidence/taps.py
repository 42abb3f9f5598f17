"""Names and globs to taps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from xaikit.errors import LayerNotFound, TapError
from xaikit.layouts import Arrangement, Views
from xaikit.needs import Backward, Needs
from xaikit.passes.layer_names import parsed
from xaikit.passes.modules import inside_compiled, plain_name
from xaikit.passes.nests import Path, first_tensor, tensors_in

AUTO = "auto"


LayerSpec = str | nn.Module


@dataclass(frozen=True)
class Tap:
    """Where evidence is taken.

    name    the dotted name of a module
    index   the way to the tensor in what the module returned: ``blocks.4[1]``, ``backbone[out]``; without it, the
            first tensor that the score depends on
    call    which call of a module that runs more than once: ``conv@first``, ``conv@last``, ``conv@2``
    at      "output": what the module returned; "consumed": what was made of it in place afterwards (``features+``);
            "given": what the model is given, see GIVEN; or no module's, see INPUT and what follows it
    layout  how the tensor is arranged; None: found from its shape
    backward  the rules that gradients at it are taken by; None: the ordinary ones

    >>> str(Tap("features", at="consumed")), str(Tap("blocks.4", index=(1,), call="last"))
    ('features+', 'blocks.4[1]@last')
    """

    name: str
    index: tuple[str | int, ...] = ()
    at: Literal["output", "consumed", "given", "input", "biases", "attention", "attended"] = "output"
    layout: Arrangement | None = None
    call: str | int = "only"
    backward: Backward | None = None

    def __str__(self) -> str:
        path = "".join(f"[{step}]" for step in self.index)
        call = "" if self.call == "only" else f"@{self.call}"
        return self.name + path + call + ("+" if self.at == "consumed" else "")

    @property
    def turn(self) -> int:
        """The number of its call, from 1; 0 where only the end tells."""
        return self.call if isinstance(self.call, int) else int(self.call == "first")

    @property
    def is_hooked(self) -> bool:
        """Whether a hook records it: the output of a module, or what the model is given."""
        return self.at in ("output", "consumed", "given")

    @property
    def ordinary(self) -> Tap:
        """The same with ordinary gradients: what a hook records, whatever the rules."""
        return replace(self, backward=None) if self.backward is not None else self

    @property
    def is_given(self) -> bool:
        """Whether it is what the model is given."""
        return self.at == "given"

    @property
    def attends(self) -> bool:
        """Whether it is the attention of all blocks."""
        return self.at in ("attention", "attended")


GIVEN = Tap("input", at="given")
"""The model's (first) input as a layer like any other: ``layers: input``."""


INPUT = Tap("input", at="input")
"""The model's (first) input, as methods see it that look at no layer."""


BIASES = Tap("input", at="biases")
"""The same, with the gradient at it and what all layers add: a map of the input."""


ATTENTION = Tap("attention", at="attention")
"""The tokens that attend to each other in all blocks: a map of their grid."""


ATTENDED = Tap("attention", at="attended")
"""The same, with the gradients at the attention of all blocks."""


def resolve(model: nn.Module, specs: LayerSpec | Sequence[LayerSpec]) -> tuple[Tap, ...]:
    """The taps that names, globs and module objects mean, in the order given, none twice.

    A glob matches name by name between the dots: ``layer*`` means layer1 ... layer4, not what lies inside them.

    Raises:
        LayerNotFound: nothing of that name, with the nearest names; or a module that is no part of the model.
    """
    listed = [specs] if isinstance(specs, (str, nn.Module)) else list(specs)
    names = {
        plain_name(name): module for name, module in model.named_modules(remove_duplicate=False) if plain_name(name)
    }
    taps = (tap for spec in listed for tap in _taps(spec, names))
    return tuple(dict.fromkeys(taps))


def whole(needs: Needs, layout: Arrangement | None = None) -> Tap | None:
    """Where a method has its one map that looks at no layer, or at all of them; None for one that is asked layer by layer.

    Args:
        layout: how tokens are arranged, where that is said.
    """
    if needs.layers == "one":
        return None
    if needs.layers == "input":
        return GIVEN
    if needs.attention:
        return replace(ATTENDED if needs.gradients else ATTENTION, layout=layout)
    return BIASES if needs.biases else INPUT


def _taps(spec: LayerSpec, names: dict[str, nn.Module]) -> Iterable[Tap]:
    if isinstance(spec, nn.Module):
        return [Tap(_name_of(spec, names))]
    if spec == GIVEN.name and spec not in names:
        return [GIVEN]
    layer = parsed(spec, names)
    at: Literal["output", "consumed"] = "consumed" if layer.consumed else "output"
    running = [name for name in layer.names if _runs(names[name])]
    if not running:
        inside = ", ".join([name for name in names if name.startswith(f"{layer.names[0]}.")][:8])
        kind = type(names[layer.names[0]]).__name__
        raise LayerNotFound(f"layer {spec}: {kind} only holds modules and never runs itself; name one of {inside}")
    fold = Views() if layer.folded else None
    return [Tap(name, layer.index, at, fold, layer.call) for name in running]


def _runs(module: nn.Module) -> bool:
    """Whether it may run: lists and dicts of modules have no forward."""
    has_forward = type(module).forward is not nn.Module.forward or "forward" in vars(module)
    return has_forward or not any(module.children())


def _name_of(module: nn.Module, names: dict[str, nn.Module]) -> str:
    for name, candidate in names.items():
        if candidate is module or inside_compiled(candidate) is module:
            return name
    raise LayerNotFound(
        f"{type(module).__name__} is not a module of the model: expected one that model.named_modules() lists"
    )


def tensors_at(output: Any, tap: Tap) -> list[tuple[Path, Tensor]]:
    """The tensors that a tap may mean in what its module returned, or was given, and the way to each: one where it has an index.

    Raises:
        TapError: there is none, or the index leads nowhere.
    """
    if tap.index:
        return [_indexed(output, tap)]
    if tap.is_given:
        first = first_tensor(output)
        return [(path, tensor) for path, tensor in tensors_in(output) if tensor is first]
    tensors = list(tensors_in(output))
    if not tensors:
        raise TapError(f"layer {tap}: expected a tensor, got {type(output).__name__}")
    if tensors[0][1].is_quantized:
        raise TapError(f"layer {tap}: expected floating-point numbers, got {tensors[0][1].dtype}")
    return [(path, tensor) for path, tensor in tensors if tensor.is_floating_point()] or tensors


def _indexed(output: Any, tap: Tap) -> tuple[Path, Tensor]:
    value, path = output, []
    for step in tap.index:
        try:
            key, value = _entered(value, step)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise TapError(f"layer {tap}: returned nothing at [{step}]; it returned {_offered(output)}") from None
        path.append(key)
    if not isinstance(value, Tensor):
        raise TapError(f"layer {tap}: expected a tensor, got {type(value).__name__}")
    return tuple(path), value


def _entered(value: Any, step: str | int) -> tuple[str | int, Any]:
    """What lies at one step, and the key it lies at: feature pyramids have keys that are digits, ``{"0": ...}``."""
    if isinstance(value, Tensor):
        raise TypeError("a tensor is the end of the way: an index into it would be a sample")
    if isinstance(value, Mapping):
        key = step if step in value else str(step)
        return key, value[key]
    return step, getattr(value, step) if isinstance(step, str) else value[step]


def _offered(output: Any) -> str:
    paths = ["".join(f"[{step}]" for step in path) for path, _ in tensors_in(output)]
    return ", ".join(path or "a tensor" for path in paths) or "no tensor"
