"""A label's finish over the finish of the config, where both use the same plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xaikit.config.marks import Ledger


def inherit(said: Mapping[str, Any], ledger: Ledger) -> dict[str, Any]:
    """What the config says, each label's finish with the options that it leaves to the config's."""
    general = said.get("finish", {})
    methods = {
        label: {**method, "finish": _finish(label, method["finish"], general, ledger)} if "finish" in method else method
        for label, method in said.get("methods", {}).items()
    }
    return {**said, "methods": methods} if methods else dict(said)


def _finish(label: str, own: Mapping[str, Any], general: Mapping[str, Any], ledger: Ledger) -> dict[str, Any]:
    return {stage: _stage(label, stage, choice, general.get(stage, {}), ledger) for stage, choice in own.items()}


def _stage(label: str, stage: str, own: Any, general: Any, ledger: Ledger) -> Any:
    both = isinstance(own, Mapping) and isinstance(general, Mapping)
    if not both or "use" not in own or own["use"] != general.get("use"):
        return own
    for option in general.keys() - own.keys():
        ledger.marks["methods", label, "finish", stage, option] = ledger.mark(("finish", stage, option))
    return {**general, **own}
