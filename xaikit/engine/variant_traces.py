"""Passes on variants of a batch, each made once for all requests that average over it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch

from xaikit.draws import seeded
from xaikit.engine.augment import Variant, check_places
from xaikit.engine.requests import PinnedRequest, Request, SharedPass
from xaikit.errors import ConfigError
from xaikit.evidence.observe import observe
from xaikit.evidence.trace import Trace
from xaikit.passes.nests import first_tensor


class VariantTraces:
    """The traces of variants of a batch, for the targets that were pinned on the clean pass.

    Args:
        requests: all that are explained, among them those that ask for variants.
    """

    def __init__(self, shared: SharedPass, requests: Sequence[PinnedRequest]) -> None:
        self._shared = shared
        self._requests = requests
        self._traces: dict[Hashable, Trace] = {}

    def of(self, variant: Variant, request: Request) -> Trace:
        """The trace of a variant, for all requests that average over the same ones.

        Raises:
            ConfigError: the variant moves what a target is about, or the model takes no inputs of that size.
        """
        key = (request.aggregation.augment, variant, request.seed if variant.draw is not None else None)
        if key not in self._traces:
            self._traces[key] = self._observed(variant, request)
        return self._traces[key]

    def _observed(self, variant: Variant, request: Request) -> Trace:
        shared = self._shared
        sharing = [one for one in self._requests if one.request.aggregation.augment == request.aggregation.augment]
        places = sorted({one.place for one in sharing})
        pinned = [shared.trace.pinned[place] for place in places]
        check_places(variant, pinned)
        inputs = self._inputs(variant, request.seed)
        shared.tally.reruns += 1
        try:
            trace = observe(
                shared.model,
                inputs,
                tuple(dict.fromkeys(tap for one in sharing for tap in one.request.taps)),
                lambda _: pinned,
                gradients=any(one.request.method.needs.gradients for one in sharing),
                readout=shared.readout,
                tally=shared.tally,
                input_layout=shared.trace.input_layout,
            )
            return trace.placed(places, shared.trace)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if variant.scale == 1:
                raise
            size = shared.trace.input_layout.space(tuple(first_tensor(inputs).shape))
            raise ConfigError(
                f"augment.scale: expected a model that takes inputs of {size}, got {type(error).__name__}: {error}; leave "
                "scale out, or take gain"
            ) from error

    def _inputs(self, variant: Variant, seed: int) -> Any:
        batch = self._shared.batch
        image = first_tensor(batch.inputs)
        # integers are no type for normal numbers
        like = image if image.is_floating_point() else image.new_zeros((), dtype=torch.get_default_dtype())
        layout = self._shared.trace.input_layout
        return variant.inputs(batch.inputs, layout, lambda draw: seeded(f"{seed}|augment|{draw}", batch.ids, like))
