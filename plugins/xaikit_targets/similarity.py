"""How near an embedding is to a reference, by the angle between them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from xaikit import ConfigError, Located, hookimpl
from xaikit.targets import described
from xaikit_targets._classes import of_rows
from xaikit_targets._files import existing_file, read_numbers


@dataclass(frozen=True)
class Similarity:
    """s = e.r / (|e| |r|), of an embedding e (N, D) and a reference r (D,); with ``measure: dot``, e.r / |r|.

    The reference is any vector of the same space: another picture's embedding, the mean of a class, a text's embedding
    by the same CLIP, saved to a file.

    Fails: ``to: self`` with the cosine is at its maximum on the clean pass, where the gradient is zero: methods of
    gradients get a zero map and say so. Take ``measure: dot``, or a method that erases and scores again.
    Another vector in a file of the same name is not seen by a run that goes on: give it another name.
    Peers: in pytorch-grad-cam and Captum it is a function of one's own.

    to       numbers; a file (.npy, .pt or .safetensors with one vector); or self, each sample's embedding on the clean pass;
             in Python also a tensor, (D,), or of each sample (N, D)
    measure  cosine; or dot, along the direction of the reference, which also grows with the embedding's length
    """

    to: Annotated[tuple[float, ...] | str | Tensor, Located(lambda to, base: to != "self")]
    measure: Literal["cosine", "dot"] = "cosine"

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"to": (1.0, -2.0, 0.5, 0.0, 3.0)},
        {"to": (1.0, -2.0, 0.5, 0.0, 3.0), "measure": "dot"},
        {"to": "self", "measure": "dot"},
    )

    plural: ClassVar[bool] = False

    def __post_init__(self) -> None:
        empty = not bool(self.to.any()) if isinstance(self.to, Tensor) else not self.to
        if empty or (isinstance(self.to, tuple) and not any(self.to)):
            raise ValueError(f"to: expected numbers that are not all zero, a file or 'self', got {self.to!r}")
        if self.measure not in ("cosine", "dot"):
            raise ValueError(f"measure: expected 'cosine' or 'dot', got {self.measure!r}")

    def pin(self, output: Any, labels: Tensor | None) -> PinnedDirection:
        """Fix the reference. Raises ConfigError where the output is no embedding, or none of that length."""
        if not isinstance(output, Tensor) or output.dim() != 2 or not output.is_floating_point():
            raise ConfigError(
                f"target similarity: expected an embedding (N, D), got {described(output)}; "
                "choose a part of the output with model.output"
            )
        itself = isinstance(self.to, str) and self.to == "self"
        reference = output.detach() if itself else self._reference(output)
        return PinnedDirection(direction(reference), self.measure == "cosine", "self" if itself else "")

    def rows(self, index: Tensor) -> Similarity:
        """The same for chosen samples."""
        is_listed = isinstance(self.to, Tensor) and self.to.dim() == 2
        return replace(self, to=of_rows(self.to, index)) if is_listed else self

    def _reference(self, output: Tensor) -> Tensor:
        """(N, D)"""
        where = "target similarity: to"
        stated = read_numbers(existing_file(self.to, where), where) if isinstance(self.to, str) else self.to
        numbers = torch.as_tensor(stated)
        vectors = numbers if numbers.dim() == 2 else numbers.unsqueeze(0)
        if vectors.dim() != 2 or len(vectors) not in (1, len(output)) or vectors.shape[1] != output.shape[1]:
            raise ConfigError(
                f"{where}: expected {output.shape[1]} numbers, got a tensor of shape {tuple(numbers.shape)}"
            )
        if not bool(vectors.any(1).all()):
            raise ConfigError(f"{where}: expected numbers that are not all zero")
        return vectors.to(output).expand_as(output)


def direction(vectors: Tensor) -> Tensor:
    """Divided by their length; zeros stay zeros."""
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / torch.where(length > 0, length, 1)


@dataclass(frozen=True, eq=False)
class PinnedDirection:
    """Directions (N, D) that embeddings are compared to; ``name`` says which, in messages."""

    directions: Tensor
    cosine: bool
    name: str = field(default="")
    plural: ClassVar[bool] = False

    def scores(self, output: Tensor) -> Tensor:
        """(N, 1)"""
        directions = self.directions.to(output).clone()
        if not self.cosine:
            return (output * directions).sum(1, keepdim=True)
        embedding = direction(output)
        # not the product: by the difference the gradient is nothing, and no rounding error, where they are the same
        similarity = 1 - (embedding - directions).square().sum(1, keepdim=True) / 2
        nonzero = output.detach().any(1, keepdim=True) & directions.any(1, keepdim=True)
        return torch.where(nonzero, similarity, 0)

    def __str__(self) -> str:
        return f"similarity to {self.name or 'a reference'}"

    def rows(self, index: Tensor) -> PinnedDirection:
        """The references of chosen samples."""
        return PinnedDirection(self.directions[index.to(self.directions.device)], self.cosine, self.name)


@hookimpl
def xaikit_target() -> type:
    return Similarity
