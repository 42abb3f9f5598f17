"""What a single value of a config may be."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from xaikit.errors import nearest
from xaikit.plain.faults import shown
from xaikit.plain.values import seconds

VERSION = 1


def _check_version(version: int) -> int:
    if version != VERSION:
        raise ValueError(f"expected {VERSION}, got {version}: update xaikit, or write version: {VERSION}")
    return version


def check_device(device: str) -> str:
    """The word for a device as it is. Raises ValueError where it is none."""
    if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", device):
        likeliest = nearest(device, ("auto", "cpu", "cuda", "cuda:0", "mps", "xpu"))
        raise ValueError(f"expected auto, cpu, cuda, cuda:N, mps, xpu or xpu:N, got {device!r}; {likeliest}")
    return device


def _check_name(name: str) -> str:
    """The name of a run, which is that of its folder below ``runs``."""
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or "\0" in name or "\\" in name or len(max(parts, key=len).encode()) > 255:
        raise ValueError(f"expected the name of a folder below runs, got {shown(name)}; report.to names one elsewhere")
    return name


Version = Annotated[int, AfterValidator(_check_version)]
RunName = Annotated[str, AfterValidator(_check_name)]
Device = Annotated[str, AfterValidator(check_device)]
Seconds = Annotated[float, BeforeValidator(seconds)]
Side = Annotated[int, Field(ge=1, le=16_384)]
Sides = Annotated[tuple[Side, ...], Field(min_length=1, max_length=3)]
Means = Annotated[tuple[float, ...], Field(min_length=1)]
Deviations = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
Threads = Annotated[int, Field(ge=1, le=1024)]
Layers = Annotated[tuple[str, ...], Field(min_length=1)]
Shares = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
