"""One class against those that are like it (Finer-CAM: Zhang et al. 2025, CVPR, arXiv:2501.11309)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from xaikit import ClassIndex, ConfigError, class_indices, hookimpl
from xaikit_targets._classes import Of, PinnedClass, beside, check_of, classes_of


@dataclass(frozen=True)
class Contrast:
    """s = sum_t p_t (y_c - alpha y_t) / sum_t p_t over reference classes t: what tells c from what looks like it.

    ``against: {top: 3}`` takes the classes whose logits are nearest to y_c, by |y_t - y_c|, c apart. References and
    weights p_t, the softmax probabilities, are fixed on the clean pass, so that the score is linear in the logits: the
    map of a linear method is exactly the map of c less alpha times the weighted mean of the maps of the references. The
    authors' code differentiates p_t as well, which adds what makes one reference likelier than another:
    ``weights: differentiated``.

    Fails: references that have nothing to do with c (few classes, a flat output) contrast with nothing and add noise.
    Peers: TorchCAM's FinerCAM weighs them all alike, with 0.6 for alpha: ``{alpha: 0.6, weights: uniform}``. pytorch-grad-cam's,
    which is the authors', adds 1e-9 to the sum of the weights; its class is the nearest to y_c, which is another where
    two logits are equal.

    of       the class: an index from 0 or its name, top (the highest on the clean pass), or label (that of the data)
    against  {top: k}, or a list of classes, of which the class itself is passed over
    alpha    how much of the references is taken off; 0 leaves the logit
    weights  softmax: probabilities of the clean pass; differentiated: those of the output that is scored; uniform
    """

    of: Of = "top"
    against: dict[str, int] | tuple[ClassIndex, ...] = field(default_factory=lambda: {"top": 3})
    alpha: float = 1.0
    weights: Literal["softmax", "differentiated", "uniform"] = "softmax"

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"of": 2},
        {"of": "label", "against": {"top": 1}},
        {"against": (1, 0, 3), "alpha": 0.5},
        {"alpha": 0.6, "weights": "uniform"},
        {"weights": "differentiated"},
    )

    plural: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_of(self.of)
        if isinstance(self.against, Mapping):
            if set(self.against) != {"top"} or self.against["top"] < 1:
                raise ValueError(f"against: expected {{top: k}} with k of at least 1, got {self.against}")
        elif not self.against or len(set(self.against)) < len(self.against):
            raise ValueError(f"against: expected class indices, each once, got {list(self.against)}")
        if not 0 <= self.alpha < float("inf"):
            raise ValueError(f"alpha: expected a number of at least 0, got {self.alpha}")
        if self.weights not in ("softmax", "differentiated", "uniform"):
            raise ValueError(f"weights: expected 'softmax', 'differentiated' or 'uniform', got {self.weights!r}")

    @property
    def needs_labels(self) -> bool:
        """Whether it is about the class that the data states."""
        return self.of == "label"

    def pin(self, output: Any, labels: Tensor | None) -> PinnedContrast:
        """Fix the class, its references and their weights.

        Raises:
            ConfigError: the model or the data has no such class, or no reference is left.
        """
        logits, indices = classes_of(self.of, output, labels, "contrast")
        logits = logits.detach()
        references = self._references(logits, indices)
        itself = references == indices
        if bool(itself.all(1).any()):
            raise ConfigError(
                f"target contrast: expected a class to set class {references[0, 0]} against, got only itself"
            )
        # what the softmax of the references alone adds to: the class itself is none, and uniform ones are alike
        offsets = torch.zeros_like(logits[:, :1]).where(~itself, -torch.inf)
        if self.weights == "differentiated":
            return PinnedContrast(indices, references=references, alpha=self.alpha, offsets=offsets)
        chosen = logits.gather(1, references) if self.weights == "softmax" else torch.zeros_like(offsets)
        return PinnedContrast(
            indices, references=references, alpha=self.alpha, offsets=offsets, shares=shares_of(chosen, offsets)
        )

    def _references(self, logits: Tensor, indices: Tensor) -> Tensor:
        """(N, R)"""
        if not isinstance(self.against, Mapping):
            return class_indices(self.against, logits, "contrast").expand(logits.shape[0], len(self.against))
        count, others = self.against["top"], logits.shape[1] - 1
        if count > others:
            raise ConfigError(f"target contrast: expected against.top of at most {others} other classes, got {count}")
        apart = (logits - logits.gather(1, indices)).abs().scatter(1, indices, torch.inf)
        return apart.topk(count, dim=1, largest=False).indices


@dataclass(frozen=True, eq=False)
class PinnedContrast(PinnedClass):
    """One class a sample, its references (N, R) and their shares (N, R), which add up to 1.

    offsets  0, and -inf where a reference is the class itself
    shares   None: those of the output that is scored
    """

    references: Tensor = field(kw_only=True)
    alpha: float = field(kw_only=True)
    offsets: Tensor = field(kw_only=True)
    shares: Tensor | None = field(kw_only=True, default=None)

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        others = output.gather(1, beside(self.references, output))
        if self.shares is None:
            shares = shares_of(others, beside(self.offsets, output))
        else:
            shares = beside(self.shares, output).to(output.dtype)
        return self.logits(output) - self.alpha * (shares * others).sum(1, keepdim=True)


def shares_of(logits: Tensor, offsets: Tensor) -> Tensor:
    """The softmax over the references, where the probabilities of all other classes cancel, also where they are too small to
    be told from 0."""
    return (logits + offsets).softmax(1)


@hookimpl
def xaikit_target() -> type:
    return Contrast
