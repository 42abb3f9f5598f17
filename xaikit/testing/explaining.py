"""Methods of the kit's own, to stand beside the one that is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xaikit.api import explain
from xaikit.errors import ConfigError
from xaikit.evidence.taps import BIASES, GIVEN, INPUT, whole
from xaikit.explanation import Explanation
from xaikit.needs import Needs
from xaikit.ops import pool, weigh
from xaikit.testing.checks import Work, for_each
from xaikit.testing.facts import untouched
from xaikit.testing.nets import CASES, CLASSES, NetCase
from xaikit.testing.subjects import Subject
from xaikit.view import View


@dataclass(frozen=True)
class Pooled:
    """Grad-CAM: sees any change of activations or gradients."""

    needs: ClassVar[Needs] = Needs(gradients=1)

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return weigh(pool(view.gradients, view), view)


RAW = {"rectify": "none", "normalize": "none", "scale": "none", "resize": "none", "fuse": "none"}


def explained(
    methods: Mapping[str, Any],
    case: NetCase,
    target: Any = 1,
    inputs: Tensor | None = None,
    net: nn.Module | None = None,
    **more: Any,
) -> dict[str, Explanation]:
    """What methods by label say on a net of the kit."""
    net = case.net() if net is None else net
    x = case.inputs() if inputs is None else inputs
    with untouched(net, x):
        return explain(net, x, methods, layers=case.layer, target=target, finish=RAW, **more)


def raw(method: Any, case: NetCase, target: Any = 1, inputs: Tensor | None = None, **more: Any) -> Tensor:
    """The raw map of one method, (N, *S) or (N, T, *S)."""
    return only(explained({"checked": method}, case, target, inputs, **more)["checked"])


def only(explanation: Explanation) -> Tensor:
    """Its one map: at the layer of the case, or of a method that looks at no layer or at all of them."""
    (saliency,) = explanation.maps.values()
    return saliency


def space_of(method: Any, case: NetCase) -> tuple[int, ...]:
    """The space of a method's map: that of the layer, of the tokens, or of the input."""
    return case.space if whole(method.needs) in (INPUT, BIASES, GIVEN) else case.grid


def served(method: Any) -> list[NetCase]:
    """The nets of the kit that a method explains; a ConfigError is its way to refuse one."""
    cases = []
    reasons = []
    for case in CASES:
        try:
            raw(method, case)
        except ConfigError as error:
            reasons.append(f"{case.name}: {error}")
        else:
            cases.append(case)
    if not cases:
        raise ConfigError("every net of the kit is refused:\n  " + "\n  ".join(reasons))
    return cases


def served_cases(subject: Subject) -> Iterator[tuple[Any, NetCase]]:
    """Every instance of a method with every net of the kit that it explains."""
    return ((method, case) for method in subject.instances() for case in served(method))


def simplest_cases(subject: Subject) -> Iterator[tuple[Any, NetCase]]:
    """Every instance of a method with the first net of the kit that it explains."""
    return ((method, served(method)[0]) for method in subject.instances())


def on_every_net(*promises: Callable[[Any, NetCase], None]) -> tuple[Work, ...]:
    """Promises of a method about one net, as promises about all that it explains; a failure says on which."""
    return for_each(served_cases, *promises, where=lambda method, case: f"on {case.name}: ")


@dataclass(frozen=True)
class Scores:
    """A target that is a function of the logits; a value, so that it shows what it is."""

    weights: tuple[float, ...]
    times: float = 1.0

    def __call__(self, logits: Tensor) -> Tensor:
        """sum_c weights_c * logits_c, times a number: (N,)"""
        return self.times * (logits * torch.tensor(self.weights, dtype=logits.dtype, device=logits.device)).sum(1)


def of_class(index: int, times: float = 1.0) -> Scores:
    """One logit, times a number."""
    return Scores(tuple(float(index == other) for other in range(CLASSES)), times)


def without(method: Any, need: str) -> Any:
    """The same method, declaring one need less."""
    less: Any = 1 if need == "gradients" and method.needs.gradients == 2 else 0 if need == "gradients" else False
    rules = None if need in ("gradients", "backward") else method.needs.backward
    return twin(method, needs=replace(method.needs, **{need: less, "backward": rules}))


def twin(method: Any, **members: Any) -> Any:
    """The same method by another class of the same name, some members of which may be others: it draws the same numbers
    and shares no answer."""
    cls = type(method)
    made: Any = object.__new__(type(cls.__name__, (cls,), members))
    vars(made).update(vars(method))
    return made
