"""The benches of a run, opened when their turn comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from xaikit.bench.bench import Bench
from xaikit.bench.resolve import resolve_bench
from xaikit.registry import Registry
from xaikit.schema.sections import Config
from xaikit.trials.placement import Group

Benches = Callable[[int], Bench]
"""The bench of a group, by the group's place."""


OPENED = 4
"""Benches that are held, and one more while it is opened; the one that was asked for longest ago gives way."""


def bench_cache(config: Config, groups: Sequence[Group], registry: Registry) -> Benches:
    """The benches of some groups, each opened where it is asked for and not open yet."""
    return lru_cache(OPENED)(lambda place: resolve_bench(config, groups[place], registry))
