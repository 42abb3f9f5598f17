"""Every hook of xaikit. A plugin module implements exactly one of them, with :data:`hookimpl`.

A hook returns a class: a frozen dataclass whose fields are the plugin's options. The name of the entry point
under which the module is registered is the plugin's name.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from threading import Lock
from types import ModuleType

import pluggy

from xaikit.errors import PluginContract, PluginError

PROJECT = "xaikit"
API = "1.0"
"""The version of these hooks and of what plugins are given. A plugin may say which one it was built for, in its module:
``xaikit_api = "1.0"``; one built for another major version is refused by name."""
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def xaikit_method() -> type:  # type: ignore[empty-body]
    """A method (group ``xaikit.methods``): ``needs`` and ``explain(view) -> Tensor`` of shape (N, T, *S)."""


@hookspec(firstresult=True)
def xaikit_metric() -> type:  # type: ignore[empty-body]
    """A metric (group ``xaikit.metrics``): ``needs``, ``reads``, ``higher_is_better``, ``range`` and ``measure(view) -> Tensor``,
    (N, T)."""


@hookspec(firstresult=True)
def xaikit_target() -> type:  # type: ignore[empty-body]
    """A target (group ``xaikit.targets``): ``pin(output, labels) -> Pinned``, called once, on the clean pass."""


@hookspec(firstresult=True)
def xaikit_rectifier() -> type:  # type: ignore[empty-body]
    """A finish stage (group ``xaikit.rectifiers``): ``signed``, ``drops_negative`` and ``rectify(saliency) -> Tensor``."""


@hookspec(firstresult=True)
def xaikit_normalizer() -> type:  # type: ignore[empty-body]
    """A finish stage (group ``xaikit.normalizers``): ``signed`` and ``normalize(saliency, space) -> Tensor``, a map alone."""


@hookspec(firstresult=True)
def xaikit_scaler() -> type:  # type: ignore[empty-body]
    """A finish stage (group ``xaikit.scalers``): ``scale(saliency, stride) -> Tensor`` of the same shape."""


@hookspec(firstresult=True)
def xaikit_resizer() -> type:  # type: ignore[empty-body]
    """A finish stage (group ``xaikit.resizers``): ``size(maps, inputs) -> tuple[int, ...]``, the size to reach."""


@hookspec(firstresult=True)
def xaikit_fuser() -> type:  # type: ignore[empty-body]
    """A finish stage (group ``xaikit.fusers``): ``fuse(stack) -> Tensor``, one map out of (L, N, ..., *S)."""


@hookspec(firstresult=True)
def xaikit_model() -> type:  # type: ignore[empty-body]
    """A source of models (group ``xaikit.models``): ``open() -> xaikit.sources.OpenedModel``."""


@hookspec(firstresult=True)
def xaikit_data() -> type:  # type: ignore[empty-body]
    """A source of pictures (group ``xaikit.data``): ``photographs() -> Sequence[xaikit.sources.Photograph]``."""


@hookspec(firstresult=True)
def xaikit_layout() -> type:  # type: ignore[empty-body]
    """How tensors are arranged (group ``xaikit.layouts``): ``layout(shape, space)``, a layout or None."""


@hookspec(firstresult=True)
def xaikit_executor() -> type:  # type: ignore[empty-body]
    """Who does the shards of a run (group ``xaikit.executors``): ``execute(job, shards) -> Iterator[Receipt]``."""


_one_at_a_time = Lock()


def returned_by(module: ModuleType, hook: str, where: str) -> type:
    """What a plugin module's hook returns; the module is registered for the length of the call.

    Args:
        where: names the plugin in errors.

    Raises:
        PluginContract: the module has no such hook, one that xaikit does not have, or was built for other hooks.
        PluginError: the hook raised.
    """
    check_api(module, where)
    manager = _manager()
    with _one_at_a_time:
        try:
            manager.register(module)
            manager.check_pending()
            cls: type | None = getattr(manager.hook, hook)()
        except pluggy.PluginValidationError as error:
            raise PluginContract(f"{where} implements a hook that xaikit does not have: {error}") from error
        except Exception as error:
            raise PluginError(f"{where}: {hook}() failed: {type(error).__name__}: {error}") from error
        finally:
            if manager.is_registered(module):
                manager.unregister(module)
    if cls is None:
        raise PluginContract(f"{where} has no hookimpl named {hook}")
    return cls


def check_api(module: ModuleType, where: str) -> None:
    """Refuse a module that was built for another major version of the hooks.

    Raises:
        PluginContract: with what to do.
    """
    built_for = str(getattr(module, "xaikit_api", API))
    if built_for.partition(".")[0] != API.partition(".")[0]:
        raise PluginContract(
            f"{where} was built for version {built_for} of xaikit's hooks, expected {API}: update the plugin, or install an "
            f"xaikit that has {built_for}"
        )


@lru_cache(maxsize=1)
def _manager() -> pluggy.PluginManager:
    """One a process: managers are cycles of references, which a thousand explanations would leave a thousand of."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(sys.modules[__name__])
    return manager
