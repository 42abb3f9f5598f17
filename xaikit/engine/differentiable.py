"""Which maps can be trained on: those whose whole way from the weights is in one graph."""

from __future__ import annotations

from collections.abc import Iterable

from xaikit.engine.requests import Request
from xaikit.errors import ConfigError
from xaikit.needs import Needs


def check_differentiable(requests: Iterable[Request]) -> None:
    """Refuse a request of whose map a part would be taken for a constant.

    Raises:
        ConfigError: naming the request, and what its method reads that no graph leads to.
    """
    for request in requests:
        reason = "averages over augmented inputs" if request.aggregation.augment else _severed(request.method.needs)
        if reason:
            raise ConfigError(
                f"differentiable: {request.label} {reason}, through which no gradient reaches the weights; take a method of one "
                "pass, such as gradcam, layercam or inputxgradient"
            )


def _severed(needs: Needs) -> str:
    reads = {
        "makes further passes": needs.reruns or needs.replays or needs.gradients > 1,
        "reads gradients by rules of its own": needs.backward is not None,
        "reads attention": bool(needs.attention),
        "reads what layers add": needs.biases,
        "reads the weights of the classifier": needs.head,
        "reads the model itself": needs.module,
    }
    return next((reason for reason, holds in reads.items() if holds), "")
