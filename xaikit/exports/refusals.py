"""What cannot be one plain forward, and why."""

from __future__ import annotations

from collections.abc import Iterator

from xaikit.engine import Request
from xaikit.errors import ConfigError
from xaikit.targets import needs_labels


def check_exportable(label: str, request: Request) -> None:
    """Raises ConfigError, with all reasons, where a label is no one plain forward."""
    if reasons := list(_reasons(request)):
        raise ConfigError(f"export: {label}: expected a method of one plain forward, got {'; '.join(reasons)}")


def _reasons(request: Request) -> Iterator[str]:
    needs, use = request.method.needs, request.use
    if needs.reruns or needs.replays:
        yield f"{use}, which runs the model on further inputs or activations"
    if needs.gradients > 1 or needs.attention > 1:
        yield f"{use}, which makes further passes with gradients"
    elif needs.attention or needs.biases:
        yield f"{use}, which reads all layers at once"
    if needs.backward is not None:
        yield f"{use}, whose gradients are taken by rules of its own"
    if needs.module:
        yield f"{use}, which reads the model itself"
    if request.aggregation.augment:
        yield "augment, which runs the model on variants"
    if needs_labels(request.target):
        yield "a target of the stated class, which nobody states to an exported model; take top1 or a class"
