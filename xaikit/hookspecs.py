"""Every hook of xaikit. A plugin module implements exactly one of them, with :data:`hookimpl`.

A hook returns a class: a frozen dataclass whose fields are the plugin's options. The name of the entry point
under which the module is registered is the plugin's name. What is told to observers are hooks of another sort: any number of
listeners implement those of :class:`ObserverHooks`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from types import ModuleType
from typing import Any, Protocol

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


@hookspec(firstresult=True)
def xaikit_observer() -> type:  # type: ignore[empty-body]
    """Who is told of a run (group ``xaikit.observers``): ``listen() -> object``, with hooks of :class:`ObserverHooks`."""


@dataclass(frozen=True)
class RunStarted:
    """A run begins.

    name         of its config
    folder       a path or URL
    config       as YAML would say it; of what comes of the environment, a token perhaps, the reference that was written
    trials       their names
    photographs  to be explained or judged now: those that an earlier sitting has done are left out
    """

    name: str
    folder: str
    config: Mapping[str, Any]
    trials: tuple[str, ...]
    photographs: int


@dataclass(frozen=True)
class ShardDone:
    """Photographs were explained, or their maps judged, and committed.

    done      photographs of this sitting, those of this shard included; each counts once, explained or judged or both
    failures  of this shard: the name of the photograph, and why
    counts    of this shard: forwards, gradient calls and so on
    seconds   of this shard, by step
    """

    done: int
    failures: tuple[tuple[str, str], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunDone:
    """A run has ended, and everything is written.

    stopped  why early, "" where it is done
    numbers  ``explained`` and ``failed`` photographs, ``dead`` maps, ``seconds`` of all sittings; and ``metric/trial``, for each,
             the mean of the values that are finite: NaN where none is
    files    contact sheets, the page and the manifest; none where the folder is a URL
    """

    name: str
    folder: str
    stopped: str
    numbers: Mapping[str, float]
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunFailed:
    """A run was ended by an error, which is raised when all have been told."""

    name: str
    folder: str
    error: str


class Observer(Protocol):
    """The class behind a plugin of ``xaikit.observers``: a frozen dataclass whose fields are its options."""

    def listen(self) -> object:
        """Who is told of one run: an object with some of the methods of :class:`ObserverHooks`, each marked with ``hookimpl``."""


class ObserverHooks:
    """What a run tells, in the process that was started. All listeners are called, in the order of the config; what one raises is
    reported once and stops nothing, and it is told nothing more but how the run ended."""

    @hookspec
    def run_started(self, run: RunStarted) -> None:
        """Before the first photograph."""

    @hookspec
    def shard_done(self, shard: ShardDone) -> None:
        """Whenever a shard has been committed, whoever computed it."""

    @hookspec
    def run_done(self, run: RunDone) -> None:
        """At the end, also of one that a signal or its budget ended early."""

    @hookspec
    def failed(self, failure: RunFailed) -> None:
        """In place of ``run_done``."""


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
