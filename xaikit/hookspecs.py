"""Every hook of xaikit. A plugin module implements exactly one of them, with :data:`hookimpl`.

A hook returns a class: a frozen dataclass whose fields are the plugin's options. The name of the entry point
under which the module is registered is the plugin's name.
"""

from __future__ import annotations

import pluggy

PROJECT = "xaikit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def xaikit_method() -> type:  # type: ignore[empty-body]
    """A method (group ``xaikit.methods``): ``needs`` and ``explain(view) -> Tensor`` of shape (N, T, *S)."""


@hookspec(firstresult=True)
def xaikit_target() -> type:  # type: ignore[empty-body]
    """A target (group ``xaikit.targets``): ``pin(output, labels) -> Pinned``, called once, on the clean pass."""


@hookspec(firstresult=True)
def xaikit_rectifier() -> type:  # type: ignore[empty-body]
    """A finish stage (group ``xaikit.rectifiers``): ``rectify(saliency) -> Tensor`` of the same shape."""


@hookspec(firstresult=True)
def xaikit_normalizer() -> type:  # type: ignore[empty-body]
    """A finish stage (group ``xaikit.normalizers``): ``normalize(saliency, space) -> Tensor``, each map alone."""


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
