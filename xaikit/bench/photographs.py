"""The photographs that a config means. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xaikit.errors import DataError, XaikitError
from xaikit.plain.options import without_base
from xaikit.registry import Registry
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import DataConfig
from xaikit.sources import Photograph

if TYPE_CHECKING:
    from xaikit.bench.objects import Objects


def find_photographs(
    data: DataConfig, registry: Registry, base: Path, objects: Objects | None = None
) -> Sequence[Photograph]:
    """What the source of the data finds, or the call was handed. Raises DataError where that is nothing."""
    with worded(DataError, f"data {data.source.use}"):
        source = instantiate("data", data.source, registry, base)
        photographs: Sequence[Photograph] = objects.photographs(source) if objects else source.photographs()
    if all(getattr(source, option, value) == value for option, value in data.source.options.items()):
        return photographs
    return [dataclasses.replace(each, name=without_base(each.name, base)) for each in photographs]


@contextmanager
def worded(kind: type[XaikitError], where: str) -> Iterator[None]:
    """What the system says of a path that is none, such as one of 5,000 letters, as an error of ours."""
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        text = str(error)
        raise kind(f"{where}: {type(error).__name__}: {text if len(text) <= 400 else text[:400] + '...'}") from error
