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

from xaikit._version import __version__ as __version__

if TYPE_CHECKING:
    from xaikit.analysis.comparison import compare as compare
    from xaikit.analysis.matching import diff as diff
    from xaikit.analysis.ranking import leaderboard as leaderboard
    from xaikit.api import explain as explain
    from xaikit.config import load as load
    from xaikit.draws import global_draws as global_draws
    from xaikit.errors import ConfigError as ConfigError
    from xaikit.errors import DamagedFile as DamagedFile
    from xaikit.errors import DataError as DataError
    from xaikit.errors import Disconnected as Disconnected
    from xaikit.errors import LayerNotFound as LayerNotFound
    from xaikit.errors import ModelError as ModelError
    from xaikit.errors import PluginConflict as PluginConflict
    from xaikit.errors import PluginContract as PluginContract
    from xaikit.errors import PluginError as PluginError
    from xaikit.errors import StoreError as StoreError
    from xaikit.errors import TapError as TapError
    from xaikit.errors import UndeclaredNeed as UndeclaredNeed
    from xaikit.errors import UnknownPlugin as UnknownPlugin
    from xaikit.errors import XaikitError as XaikitError
    from xaikit.errors import nearest as nearest
    from xaikit.explanation import Explanation as Explanation
    from xaikit.hookspecs import RunDone as RunDone
    from xaikit.hookspecs import RunFailed as RunFailed
    from xaikit.hookspecs import RunStarted as RunStarted
    from xaikit.hookspecs import ShardDone as ShardDone
    from xaikit.hookspecs import hookimpl as hookimpl
    from xaikit.needs import Backward as Backward
    from xaikit.needs import LinearRule as LinearRule
    from xaikit.needs import Needs as Needs
    from xaikit.paper.figure import figure as figure
    from xaikit.pictures.regions import Region as Region
    from xaikit.pictures.regions import regions as regions
    from xaikit.pictures.window import overlay as overlay
    from xaikit.plain.options import ClassIndex as ClassIndex
    from xaikit.plain.options import Located as Located
    from xaikit.planning.planned import Plan as Plan
    from xaikit.registry import Registry as Registry
    from xaikit.registry.modules import lies_at as lies_at
    from xaikit.registry.modules import module_at as module_at
    from xaikit.report.report import Report as Report
    from xaikit.runner.evaluating import evaluate as evaluate
    from xaikit.runner.steps import plan as plan
    from xaikit.runner.steps import run as run
    from xaikit.schema.sections import Config as Config
    from xaikit.store.damage import verify as verify
    from xaikit.targets import PinnedClasses as PinnedClasses
    from xaikit.targets import class_indices as class_indices
    from xaikit.targets import class_logits as class_logits

    open = Report

_NAMES = {
    "analysis.comparison": "compare",
    "analysis.matching": "diff",
    "analysis.ranking": "leaderboard",
    "api": "explain",
    "config": "load",
    "schema.sections": "Config",
    "errors": """
        ConfigError DamagedFile DataError Disconnected LayerNotFound ModelError PluginConflict PluginContract PluginError
        StoreError TapError UndeclaredNeed UnknownPlugin XaikitError nearest
    """,
    "draws": "global_draws",
    "explanation": "Explanation",
    "hookspecs": "RunDone RunFailed RunStarted ShardDone hookimpl",
    "needs": "Backward LinearRule Needs",
    "paper.figure": "figure",
    "pictures.regions": "Region regions",
    "pictures.window": "overlay",
    "plain.options": "ClassIndex Located",
    "registry": "Registry",
    "registry.modules": "lies_at module_at",
    "report.report": "Report open",
    "planning.planned": "Plan",
    "runner.evaluating": "evaluate",
    "runner.steps": "plan run",
    "store.damage": "verify",
    "targets": "PinnedClasses class_indices class_logits",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'xaikit' has no attribute {name!r}")
    # to open a run folder is to make its report
    attribute = {"open": "Report"}.get(name, name)
    globals()[name] = value = getattr(importlib.import_module(f"xaikit.{_HOME[name]}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
