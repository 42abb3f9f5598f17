"""A class over a part of the picture, of semantic segmentation (Seg-Grad-CAM: Vinogradova et al. 2020, arXiv:2002.11434)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit import ClassIndex, ConfigError, Located, XaikitError, class_indices, hookimpl
from xaikit.targets import described
from xaikit_targets._classes import PinnedClass, beside, of_rows
from xaikit_targets._files import existing_file, read_picture


def _is_file(mask: str, base: Path) -> bool:
    return mask not in ("predicted", "all")


@dataclass(frozen=True)
class Region:
    """s = sum_{(i,j) in M} y_c(i,j), over the pixels M of logits y (N, classes, H, W); any number of dimensions of space.

    Of a model that returns several things choose the logits: ``model.output: out`` for those of torchvision. With
    ``mask: predicted`` M is where the clean pass predicts c; of one class alone (N, 1, H, W), where the logit is positive.
    A map explains all of M at once: a single pixel is a mask too.

    Fails: the background is a class too and the most frequent one as a rule: name a class, or ``ignore: [0]``.
    Another mask in a file of the same name is not seen by a run that goes on: give it another name.
    Peers: pytorch-grad-cam's SemanticSegmentationTarget, to which class and mask must be given.

    of      the class: an index from 0 or its name, or top (the most frequent prediction, of a mask that is given inside it)
    ignore  classes that top passes over
    mask    predicted; all; a box [y0, x0, y1, x1] in shares of the sides, from 0 to 1; or a file, laid over the output: a
            picture, of which the bright half counts, or an .npy of numbers, of which those above 0.5 count; in Python also a
            tensor of such numbers, one mask a sample (N, H, W), or one for all (1, H, W)
    reduce  sum, or mean: over the pixels of M
    """

    of: ClassIndex | Literal["top"] = "top"
    ignore: tuple[ClassIndex, ...] = ()
    mask: Annotated[tuple[float, ...] | str | Tensor, Located(_is_file)] = "predicted"
    reduce: Literal["sum", "mean"] = "sum"

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"of": 1, "reduce": "mean"},
        {"of": 2, "mask": "all"},
        {"ignore": (0,)},
        {"of": 0, "mask": (0.0, 0.2, 0.5, 1.0)},
    )

    plural: ClassVar[bool] = False

    @staticmethod
    def example_output(seed: int) -> Tensor:
        """Logits of three classes on 6 x 5 pixels."""
        return torch.randn(4, 3, 6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    def __post_init__(self) -> None:
        if isinstance(self.of, bool) or not isinstance(self.of, (int, str)) or self.of == "":
            raise ValueError(f"of: expected a class or 'top', got {self.of!r}")
        if not isinstance(self.mask, (str, Tensor)):
            half = len(self.mask) // 2
            sides = list(zip(self.mask[:half], self.mask[half:], strict=False))
            if not sides or len(self.mask) % 2 or not all(0 <= low < high <= 1 for low, high in sides):
                raise ValueError(f"mask: expected [y0, x0, y1, x1] in shares of the sides, got {list(self.mask)}")
        if self.reduce not in ("sum", "mean"):
            raise ValueError(f"reduce: expected 'sum' or 'mean', got {self.reduce!r}")

    def pin(self, output: Any, labels: Tensor | None) -> PinnedRegion:
        """Fix class and mask.

        Raises:
            ConfigError: no logits of pixels, no such class or file, or a mask without a pixel.
        """
        if not isinstance(output, Tensor) or output.dim() < 3 or not output.is_floating_point():
            raise ConfigError(
                f"target region: expected logits (N, classes, H, W), got {described(output)}; "
                "choose a part of the output with model.output, such as 'out'"
            )
        predicted = _predicted(output.detach())
        if isinstance(self.mask, Tensor) or self.mask != "predicted":
            given = self._given(output)
            indices = self._indices(output, torch.where(given, predicted, -1))
            is_all = isinstance(self.mask, str) and self.mask == "all"
            return PinnedRegion(indices, mask=given, mean=self.reduce == "mean", spatial=not is_all)
        indices = self._indices(output, predicted)
        mask = predicted == indices.reshape(-1, *(1 for _ in output.shape[2:]))
        predicts = mask.flatten(1).any(1).tolist()
        if not all(predicts):
            row = predicts.index(False)
            raise ConfigError(
                f"target region: expected pixels predicted as class {indices[row, 0]}, got none in sample {row}; "
                "name a class that is predicted there, or a mask"
            )
        return PinnedRegion(indices, mask=mask, mean=self.reduce == "mean")

    def rows(self, index: Tensor) -> Region:
        """The same for chosen samples."""
        return replace(self, mask=of_rows(self.mask, index))

    def _indices(self, output: Tensor, predicted: Tensor) -> Tensor:
        """The class, (N, 1), given the predicted ones of the pixels that count."""
        if self.of != "top":
            return class_indices([self.of], output, "region").expand(len(output), 1)
        counts = torch.stack([(predicted == index).flatten(1).sum(1) for index in range(output.shape[1])], 1)
        if self.ignore:
            counts[:, class_indices(self.ignore, output, "region")] = -1
        if output.shape[1] > 1 and bool((counts.amax(1) < 1).any()):
            raise ConfigError(
                f"target region: expected a class that is predicted beside {list(self.ignore)}, got none; name one by of"
            )
        return counts.argmax(1, keepdim=True)

    def _given(self, output: Tensor) -> Tensor:
        """The mask that the option says, (N, *S)."""
        space = tuple(output.shape[2:])
        if isinstance(self.mask, Tensor):
            return _of_samples(self.mask, output).to(output.device)
        if isinstance(self.mask, str):
            one = torch.ones(space, dtype=torch.bool) if self.mask == "all" else _from_file(self.mask, space)
        else:
            one = _within(self.mask, space)
        if not bool(one.any()):
            raise ConfigError(f"target region: mask: expected a pixel to explain, got none in {self.mask!r} of {space}")
        return one.to(output.device).expand(len(output), *space)


def _predicted(logits: Tensor) -> Tensor:
    """The class of every pixel, (N, *S); -1 for none."""
    return logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long() - 1


def _within(box: tuple[float, ...], space: tuple[int, ...]) -> Tensor:
    """The pixels whose middle lies in the box."""
    if len(box) != 2 * len(space):
        raise ConfigError(f"target region: expected a mask of {2 * len(space)} numbers, got {list(box)}")
    mask = torch.ones(space, dtype=torch.bool)
    for place, (side, low, high) in enumerate(zip(space, box[: len(space)], box[len(space) :], strict=True)):
        middles = (torch.arange(side, dtype=torch.float64) + 0.5) / side
        inside = (low <= middles) & (middles < high)
        mask &= inside.reshape(-1, *(1 for _ in space[place + 1 :]))
    return mask


def _of_samples(mask: Tensor, output: Tensor) -> Tensor:
    """One mask a sample, (N, *S), at the nearest pixel of each."""
    space = tuple(output.shape[2:])
    if mask.dim() != 1 + len(space) or len(mask) not in (1, len(output)):
        raise ConfigError(
            f"target region: mask: expected ({len(output)}, {', '.join('HW' if len(space) == 2 else ['...'])}), one a sample, or "
            f"one for all, mask[None], got {tuple(mask.shape)}"
        )
    masks = interpolate(mask[:, None].float(), space, mode="nearest-exact")[:, 0] > 0.5
    empty = (~masks.flatten(1).any(1)).nonzero()[:, 0].tolist()
    if empty:
        raise ConfigError(f"target region: mask: expected a pixel to explain, got none for sample {empty[0]}")
    return masks.expand(len(output), *space)


def _from_file(file: str, space: tuple[int, ...]) -> Tensor:
    """The nearest pixel of the file for every pixel of the output."""
    values = read_picture(existing_file(file, "target region: mask"), "target region: mask")
    if values.dim() != len(space):
        raise ConfigError(f"target region: mask: expected {len(space)} dimensions in {file}, got {tuple(values.shape)}")
    return interpolate(values[None, None], space, mode="nearest-exact")[0, 0] > 0.5


@dataclass(frozen=True, eq=False)
class PinnedRegion(PinnedClass):
    """One class a sample, (N, 1), and its pixels (N, *S).

    spatial  whether they are certain ones, and not just all
    """

    mask: Tensor = field(kw_only=True)
    mean: bool = field(kw_only=True)
    spatial: bool = field(default=True, kw_only=True)

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        return self.logits(output) if self.mean else self._over(output)

    def logits(self, output: Tensor) -> Tensor:
        """The mean logit of the class over its pixels, (N, 1)."""
        return self._mean(output)

    def place(self, sample: int) -> dict[str, Any]:
        """The pixels of a sample, where they are not all."""
        return {"mask": self.mask[sample].cpu()} if self.spatial else {}

    def probabilities(self, output: Tensor) -> Tensor:
        """The mean probability of the class over its pixels, (N, 1)."""
        return self._mean(output.softmax(1) if output.shape[1] > 1 else output.sigmoid())

    def _mean(self, values: Tensor) -> Tensor:
        return self._over(values) / beside(self.mask, values).flatten(1).sum(1, keepdim=True)

    def _over(self, values: Tensor) -> Tensor:
        """The sum over the pixels, in float32 at least: a sum of many overflows halves."""
        if values.shape[2:] != self.mask.shape[1:]:
            raise XaikitError(
                f"target region: expected an output of {tuple(self.mask.shape[1:])} pixels, as when it was pinned, "
                f"got {tuple(values.shape[2:])}"
            )
        values = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
        place = beside(self.indices, values).reshape(-1, 1, *(1 for _ in values.shape[2:]))
        chosen = values.gather(1, place.expand(-1, 1, *values.shape[2:])).squeeze(1)
        # filled and not multiplied, as elsewhere a logit may be infinite
        return chosen.masked_fill(~beside(self.mask, values), 0).flatten(1).sum(1, keepdim=True)


@hookimpl
def xaikit_target() -> type:
    return Region
