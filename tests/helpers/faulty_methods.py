"""Methods with one fault each, and the check that has to find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from xaikit import Backward, Needs
from xaikit.ops import combine, pool, weigh
from xaikit.view import View

TRAITS = frozenset({"per_sample", "class_specific", "deterministic"})
KEPT: list[Tensor] = []


@dataclass(frozen=True)
class Sound:
    """L = sum_k mean(g_k) A_k; nothing is wrong with it."""

    needs: ClassVar[Needs] = Needs(gradients=1)
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}
    traits: ClassVar[frozenset[str]] = TRAITS

    def explain(self, view: View) -> Tensor:
        return weigh(pool(view.gradients, view), view)


PLANTS: dict[str, tuple[type, str]] = {}


def caught_by(check: str, **declared: Any) -> Callable[[Callable[[View], Tensor]], type]:
    """The function below is the formula of a method with a fault, which that check finds."""

    def plant(formula: Callable[[View], Tensor]) -> type:
        members = {"explain": lambda self, view: formula(view), "__doc__": Sound.__doc__, **declared}
        PLANTS[formula.__name__] = (type(formula.__name__, (Sound,), members), check)
        return PLANTS[formula.__name__][0]

    return plant


ALL = Needs(gradients=1, inputs=True, module=True, reruns=True)


@caught_by("trait_per_sample")
def normalized_by_the_batch(view: View) -> Tensor:
    saliency = weigh(pool(view.gradients, view), view)
    return saliency / saliency.abs().amax()


@caught_by("trait_per_sample")
def centred_on_its_neighbours(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view) - view.activations.mean((0, 1, 2))


@caught_by("trait_class_specific")
def target_ignored(view: View) -> Tensor:
    return combine(view.activations + 0 * view.gradients, view)


@caught_by("several_targets_equal_one_by_one")
def first_target_for_all(view: View) -> Tensor:
    return weigh(pool(view.gradients[:, :1], view), view).expand(view.shape)


@caught_by("same_seed_same_map")
def noise_from_nowhere(view: View) -> Tensor:
    noise = torch.randn(view.shape, generator=torch.Generator().manual_seed(torch.seed() % 2**31))
    return weigh(pool(view.gradients, view), view) + noise


@caught_by("same_seed_same_map")
def noise_of_the_process(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view) + torch.from_numpy(np.random.rand(*view.shape))


@caught_by("same_seed_same_map")
def global_seed(view: View) -> Tensor:
    torch.manual_seed(0)
    return weigh(pool(view.gradients, view), view)


@caught_by("trait_deterministic")
def drawn_and_said_to_be_deterministic(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view) + 0.1 * view.generator.normal(*view.shape[1:])


@caught_by("alone_equals_shared")
def activations_changed(view: View) -> Tensor:
    return weigh(pool(view.gradients, view) * view.activations.sigmoid_().mean(view.space), view)


@caught_by("alone_equals_shared")
def gradients_changed(view: View) -> Tensor:
    return weigh(pool(view.gradients.mul_(2), view), view)


@caught_by("same_seed_same_map", needs=Needs(gradients=1, inputs=True))
def inputs_changed(view: View) -> Tensor:
    view.image.add_(1)
    return weigh(pool(view.gradients, view), view)


@caught_by("nothing_is_left_behind", needs=Needs(gradients=1, module=True))
def hook_left_behind(view: View) -> Tensor:
    view.module.register_forward_hook(lambda *_: None)
    return weigh(pool(view.gradients, view), view)


@caught_by("untouched_when_a_pass_fails", needs=Needs(gradients=1, module=True))
def left_in_eval(view: View) -> Tensor:
    view.module.train()
    view.module.eval()
    return weigh(pool(view.gradients, view), view)


@caught_by("nothing_is_left_behind", needs=Needs(gradients=1, module=True))
def left_in_train(view: View) -> Tensor:
    view.module.train()
    return weigh(pool(view.gradients, view), view)


@caught_by("nothing_is_left_behind", needs=ALL)
def parameter_gradients_touched(view: View) -> Tensor:
    with torch.enable_grad():
        view.module(view.inputs).sum().backward()
    return weigh(pool(view.gradients, view) + 0 * view.retrace(view.inputs).scores.unsqueeze(2), view)


@caught_by("nothing_is_left_behind", needs=Needs(gradients=1, module=True))
def frozen_and_left_so(view: View) -> Tensor:
    view.module.requires_grad_(False)
    return weigh(pool(view.gradients, view), view)


@caught_by("nothing_is_left_behind")
def evidence_kept(view: View) -> Tensor:
    KEPT.append(view.activations.clone())
    return weigh(pool(view.gradients, view), view)


@caught_by("small_gradients_are_not_swallowed")
def absolute_epsilon(view: View) -> Tensor:
    squared = view.gradients.square()
    return weigh((squared / (squared + 1e-8) * view.gradients).sum(view.space), view)


@caught_by("finite_on_zero_gradients")
def zero_by_zero(view: View) -> Tensor:
    weights = pool(view.gradients, view)
    return weigh(weights / weights.abs().sum(2, keepdim=True), view)


@caught_by("finite_on_constant_activations")
def spread_of_nothing(view: View) -> Tensor:
    activations = view.activations
    spread = activations.amax(view.space, keepdim=True) - activations.amin(view.space, keepdim=True)
    return combine(view.gradients * activations / spread, view)


@caught_by("needs_are_enough")
def more_read_than_declared(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view) + 0 * view.image.sum()


@caught_by("needs_are_used", needs=Needs(gradients=1, reruns=True))
def more_declared_than_read(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("shape_in_one_two_and_three_dimensions")
def turned(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view).transpose(-1, -2)


@caught_by("evidence_is_left_alone")
def doubled_in_place(view: View) -> Tensor:
    view.activations.mul_(2)
    return weigh(pool(view.gradients, view), view)


@caught_by("evidence_is_left_alone")
def rectified_behind_torchs_back(view: View) -> Tensor:
    view.gradients.data.clamp_min_(0)
    return weigh(pool(view.gradients, view), view)


@caught_by("bystanders_see_nothing", needs=ALL)
def doubled_for_everybody(view: View) -> Tensor:
    assert view.module is not None
    handle = view.module.register_forward_hook(lambda module, args, output: 2 * output)
    scores = view.retrace(view.inputs).scores
    handle.remove()
    return weigh(pool(view.gradients, view) * (1 + scores.unsqueeze(2).abs()), view)


@caught_by("untouched_when_a_pass_fails", needs=ALL)
def failures_swallowed(view: View) -> Tensor:
    assert view.module is not None
    try:
        scores = view.retrace(view.inputs).scores
    except BaseException:
        scores = torch.zeros(view.shape[:2], dtype=view.activations.dtype)
    return weigh(pool(view.gradients, view) * (1 + scores.unsqueeze(2).abs()), view)


@caught_by("trait_class_specific", needs=Needs(inputs=True, module=True))
def another_class_on_every_pass(view: View) -> Tensor:
    """The class that wins on a masked input, instead of the pinned one."""
    likeliest = view.module(-view.inputs).argmax(1)
    weights = view.activations.mean(view.space) * (1 + likeliest.view(-1, 1, 1))
    return weigh(weights.expand(-1, view.shape[1], -1), view)


@caught_by("paper_finish_exists", paper={"rectify": "rleu"})
def no_such_finish(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("paper_finish_exists", paper=("relu",))
def finish_without_stages(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("declared_members_have_their_kind", further=lambda self, channels, places: channels - 2 * places)
def fewer_passes_than_none(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("declared_members_have_their_kind", parts=2.5)
def half_a_part(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("shape_in_one_two_and_three_dimensions", parts=2)
def fewer_parts_than_declared(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("declared_members_have_their_kind", variants=lambda self: [1])
def variants_that_cannot_be_compared(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("traits_are_known", traits="per_sample")
def letters_for_traits(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("card_is_complete", __doc__="A method.")
def no_equation(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("traits_are_known", traits=TRAITS | {"liner"})
def misspelt_trait(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("trait_linear", traits=TRAITS | {"linear"})
def sign_of_the_score(view: View) -> Tensor:
    """A quotient by the score, whose sign turns the map where it is negative."""
    return weigh(pool(view.gradients, view) / view.scores.unsqueeze(2), view)


@caught_by("trait_scale_free", traits=TRAITS | {"scale_free"})
def cubes_said_to_be_scale_free(view: View) -> Tensor:
    positive = view.gradients.clamp_min(0)
    total = view.activations.sum(view.space, keepdim=True)
    return weigh((positive / (2 + positive * total)).sum(view.space), view)


@caught_by("trait_complete", traits=TRAITS | {"complete"})
def means_said_to_be_complete(view: View) -> Tensor:
    return weigh(pool(view.gradients, view), view)


@caught_by("trait_conserves", traits=TRAITS | {"conserves"})
def ordinary_gradients_said_to_conserve(view: View) -> Tensor:
    return combine(view.activations * view.gradients, view)


@caught_by("needs_are_used", needs=Needs(gradients=1, backward=Backward()))
def rules_that_play_no_part(view: View) -> Tensor:
    return view.activations.sum(2) + 0 * view.gradients.sum(2)
