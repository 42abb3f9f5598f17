"""The contract of sources of models and of pictures."""

from __future__ import annotations

from typing import Any

from torch import nn

from xaikit.bench.decode import decode
from xaikit.bench.fingerprint import digest_of
from xaikit.bench.transforms import AXES
from xaikit.passes.nests import first_tensor
from xaikit.sources import OpenedModel, Transform
from xaikit.testing.checks import COMMON, Work, expect, for_each, instances


def opens_a_model(source: Any) -> None:
    """An OpenedModel on the CPU, with what its source knows in the right types."""
    opened = source.open()
    expect(isinstance(opened, OpenedModel), f"expected an OpenedModel, got {type(opened).__name__}")
    expect(isinstance(opened.module, nn.Module), f"module: expected a Module, got {type(opened.module).__name__}")
    fits = opened.transform is None or isinstance(opened.transform, Transform)
    expect(fits, f"transform: expected a Transform or None, got {type(opened.transform).__name__}")
    devices = {str(value.device) for value in opened.module.parameters()}
    expect(devices <= {"cpu"}, f"expected weights on the CPU, got {', '.join(sorted(devices))}")


def opens_the_same_again(source: Any) -> None:
    """The same options give the same weights."""
    one, other = (digest_of(source.open().module) for _ in range(2))
    expect(one == other, "expected the same weights twice, got others: seed what is drawn")


def pictures_are_listed_in_a_stable_order(source: Any) -> None:
    """At least one, and the same ones twice."""
    once, again = ([photograph.name for photograph in source.photographs()] for _ in range(2))
    expect(bool(once), "expected pictures, got none; raise DataError where there are none")
    expect(once == again, f"expected the same order twice, got {once[:3]} and {again[:3]}")


def pictures_can_be_read(source: Any) -> None:
    """The bytes of a picture are a picture, twice the same; or what the source itself makes of them, of series and the like."""
    photograph = source.photographs()[0]
    data = photograph.read()
    expect(isinstance(data, bytes), f"read(): expected bytes, got {type(data).__name__}")
    expect(data == photograph.read(), "read(): expected the same bytes twice")
    if photograph.decode is None:
        decode(data, photograph.name)
        return
    sample = first_tensor(photograph.decode(data))
    expect(
        sample.is_floating_point() and sample.dim() == 1 + AXES[photograph.kind],
        f"decode(): expected floats (channels, *S) with {AXES[photograph.kind]} axes of a {photograph.kind}, got {sample.dtype} "
        f"{tuple(sample.shape)}",
    )


CHECKS: dict[str, tuple[Work, ...]] = {
    "model": (*COMMON, *for_each(instances, opens_a_model, opens_the_same_again)),
    "data": (*COMMON, *for_each(instances, pictures_are_listed_in_a_stable_order, pictures_can_be_read)),
}
