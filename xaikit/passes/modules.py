"""Modules by their names, those that were compiled looked through."""

from __future__ import annotations

import sys

from torch import nn


def plain_name(name: str) -> str:
    """A name without what ``torch.compile`` puts into it where a submodule was compiled.

    >>> plain_name("layer4._orig_mod.conv"), plain_name("_orig_mod")
    ('layer4.conv', '')
    """
    return ".".join(step for step in name.split(".") if step != "_orig_mod")


def module_at(model: nn.Module, name: str) -> nn.Module:
    """The module of that name; submodules that were compiled are looked through."""
    module = model
    for step in name.split("."):
        module = inside_compiled(module).get_submodule(step)
    return inside_compiled(module)


def is_compiled(module: nn.Module) -> bool:
    """Whether it is what ``torch.compile`` made of a module. By its type: a wrapper may hand on every attribute of what it
    wraps."""
    compiler = sys.modules.get("torch._dynamo.eval_frame")  # not loaded: nothing was compiled
    return compiler is not None and isinstance(module, compiler.OptimizedModule)


def inside_compiled(module: nn.Module) -> nn.Module:
    """The module that was compiled; any other as it is."""
    return module.get_submodule("_orig_mod") if is_compiled(module) else module
