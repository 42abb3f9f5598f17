"""xaikit: explanations of PyTorch models by plugins.

>>> import torch, xaikit
>>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
>>> net = Sequential(Conv2d(3, 4, 3), ReLU(), Flatten(), Linear(144, 5))
>>> explained = xaikit.explain(net, torch.rand(2, 3, 8, 8), "gradcam", layers="1")["gradcam"]
>>> explained.map.shape, explained.maps["1"].shape
(torch.Size([2, 8, 8]), torch.Size([2, 6, 6]))

Names are loaded when they are first used: ``import xaikit`` imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from xaikit._version import __version__

if TYPE_CHECKING:
    from xaikit.analysis.comparison import compare
    from xaikit.analysis.matching import diff
    from xaikit.api import explain
    from xaikit.config import load
    from xaikit.config.schema import Config
    from xaikit.errors import (
        ConfigError,
        DataError,
        Disconnected,
        LayerNotFound,
        PluginConflict,
        PluginContract,
        PluginError,
        StoreError,
        TapError,
        UndeclaredNeed,
        UnknownPlugin,
        XaikitError,
        nearest,
    )
    from xaikit.explanation import Explanation
    from xaikit.hookspecs import hookimpl
    from xaikit.needs import Needs
    from xaikit.registry import Registry
    from xaikit.registry.modules import module_from_file
    from xaikit.report.report import Report
    from xaikit.runner.costs import Plan
    from xaikit.runner.steps import plan, run
    from xaikit.targets import PinnedClasses, class_indices, class_logits

    open = Report

_NAMES = {
    "analysis.comparison": "compare",
    "analysis.matching": "diff",
    "api": "explain",
    "config": "load",
    "config.schema": "Config",
    "errors": """
        ConfigError DataError Disconnected LayerNotFound PluginConflict PluginContract PluginError StoreError TapError
        UndeclaredNeed UnknownPlugin XaikitError nearest
    """,
    "explanation": "Explanation",
    "hookspecs": "hookimpl",
    "needs": "Needs",
    "registry": "Registry",
    "registry.modules": "module_from_file",
    "report.report": "Report open",
    "runner.costs": "Plan",
    "runner.steps": "plan run",
    "targets": "PinnedClasses class_indices class_logits",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Config",
    "ConfigError",
    "DataError",
    "Disconnected",
    "Explanation",
    "LayerNotFound",
    "Needs",
    "PinnedClasses",
    "Plan",
    "PluginConflict",
    "PluginContract",
    "PluginError",
    "Registry",
    "Report",
    "StoreError",
    "TapError",
    "UndeclaredNeed",
    "UnknownPlugin",
    "XaikitError",
    "__version__",
    "class_indices",
    "class_logits",
    "compare",
    "diff",
    "explain",
    "hookimpl",
    "load",
    "module_from_file",
    "nearest",
    "open",
    "plan",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'xaikit' has no attribute {name!r}")
    # to open a run folder is to make its report
    attribute = {"open": "Report"}.get(name, name)
    globals()[name] = value = getattr(importlib.import_module(f"xaikit.{_HOME[name]}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
