"""What a config of an earlier version says, in the words of this one. Version 1 is the first, so there is no step yet.

A step goes from one version to the next: a mapping in, a mapping out. It runs after shorthand is settled and before
anything is checked, so that it deals with one spelling only and what it makes is checked as if it had been written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

VERSION = 1
Step = Callable[[Mapping[str, Any]], Mapping[str, Any]]
STEPS: Mapping[int, Step] = {}


def migrate(said: Mapping[str, Any], steps: Mapping[int, Step] = STEPS, to: int = VERSION) -> Mapping[str, Any]:
    """What a config says, brought to a version step by step.

    A version that there is no way from is left as it is: the check of the version refuses it by line and column.

    >>> migrate({"version": 1, "layer": "a"}, {1: lambda said: {"layers": said["layer"]}}, to=2)
    {'layers': 'a', 'version': 2}
    """
    version = said.get("version", to)
    while version in steps and version != to:
        said = {**steps[version](said), "version": version + 1}
        version += 1
    return said
