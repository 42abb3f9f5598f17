"""Passes on variants of a batch, each made once for all requests that average over it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import torch

from xaikit.draws import seeded
from xaikit.engine.augment import Variant, check_places
from xaikit.engine.requests import PinnedRequest, Request, SharedPass
from xaikit.errors import ConfigError
from xaikit.evidence.observe import observe
from xaikit.evidence.taps import Tap
from xaikit.evidence.trace import Origin, Trace
from xaikit.layouts import MapLayout
from xaikit.passes.nests import first_tensor, led_by


class VariantTraces:
    """The traces of variants of a batch, for the targets that were pinned on the clean pass.

    Args:
        requests: all that are explained, among them those that ask for variants.
    """

    def __init__(self, shared: SharedPass, requests: Sequence[PinnedRequest]) -> None:
        self._shared = shared
        self._requests = requests
        self._traces: dict[Hashable, Trace] = {}

    def of(self, variant: Variant, request: Request, taps: Sequence[Tap]) -> Iterator[tuple[Sequence[Tap], Trace]]:
        """The traces of a variant, for all requests that average over the same ones; one for the taps of each input.

        Raises:
            ConfigError: the variant moves what a target is about, or the model takes no inputs of that size.
        """
        origins = self._shared.trace.origins
        for origin in dict.fromkeys(origins.get(tap) for tap in taps):
            seed = request.seed if variant.draw is not None else None
            key = (request.aggregation.augment, variant, seed, origin and origin.path)
            if key not in self._traces:
                self._traces[key] = self._observed(variant, request, origin)
            yield [tap for tap in taps if origins.get(tap) == origin], self._traces[key]

    def _observed(self, variant: Variant, request: Request, origin: Origin | None) -> Trace:
        shared = self._shared
        if variant.is_clean:
            return shared.trace
        layout = shared.trace.input_layout if origin is None else origin.layout
        sharing = [one for one in self._requests if one.request.aggregation.augment == request.aggregation.augment]
        places = sorted({one.place for one in sharing})
        pinned = [shared.trace.pinned[place] for place in places]
        check_places(variant, pinned)
        inputs = led_by(shared.batch.inputs, () if origin is None else origin.path)
        inputs = self._varied(variant, inputs, layout, request.seed)
        taps = (tap for one in sharing for tap in one.request.taps if shared.trace.origins.get(tap) == origin)
        shared.tally.reruns += 1
        try:
            trace = observe(
                shared.model,
                inputs,
                tuple(dict.fromkeys(taps)),
                lambda _: pinned,
                gradients=any(one.request.method.needs.gradients for one in sharing),
                readout=shared.readout,
                tally=shared.tally,
                input_layout=layout,
            )
            return trace.placed(places, shared.trace)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            if variant.scale == 1:
                raise
            size = layout.space(tuple(first_tensor(inputs).shape))
            raise ConfigError(
                f"augment.scale: expected a model that takes inputs of {size}, got {type(error).__name__}: {error}; leave "
                "scale out, or take gain"
            ) from error

    def _varied(self, variant: Variant, inputs: Any, layout: MapLayout, seed: int) -> Any:
        image, ids = first_tensor(inputs), self._shared.batch.ids
        # integers are no type for normal numbers
        like = image if image.is_floating_point() else image.new_zeros((), dtype=torch.get_default_dtype())
        return variant.inputs(inputs, layout, lambda draw: seeded(f"{seed}|augment|{draw}", ids, like))
