"""An accelerator in pure Python: tensors that say they lie on ``virt:0`` and compute on the CPU.

As on CUDA, what mixes devices is an error, and what makes the host wait for the device is a synchronisation, which is counted. A
backend is registered for the whole process and for good, so it belongs in a process of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "virt"


_WAITS = (
    "_local_scalar_dense",
    "equal",
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "repeat_interleave",
    "bincount",
)
"""Operations whose result, or its shape, the host must know."""


_MASKED = ("index", "index_put", "index_put_", "_index_put_impl_")
"""Operations that take indices on the CPU as well, and wait where these are masks."""


_FACTORIES = (
    "empty.memory_format",
    "empty_strided",
    "arange",
    "arange.start",
    "arange.start_step",
    "eye",
    "linspace",
    "randperm",
)
"""Of tensors of a size that their arguments say; all others are made from empty ones."""


_waits: list[str] = []


class _BackendModule:
    """What torch asks ``torch.virt``."""

    def _is_in_bad_fork(self) -> bool:
        return False

    def _lazy_init(self) -> None: ...

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def manual_seed_all(self, seed: int) -> None: ...

    def get_rng_state(self, device: object = None) -> Tensor:
        return torch.zeros(8, dtype=torch.uint8)

    def set_rng_state(self, state: Tensor, device: object = None) -> None: ...

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.float16, torch.bfloat16]


class VirtualTensor(torch.Tensor):
    """A tensor on the virtual device.

    host  the same on the CPU, where it is computed
    """

    host: Tensor

    @staticmethod
    def __new__(cls, host: Tensor) -> VirtualTensor:
        tensor: VirtualTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            strides=host.stride(),
            storage_offset=host.storage_offset(),
            dtype=host.dtype,
            layout=host.layout,
            device=torch.device(NAME, 0),
        )
        tensor.host = host
        return tensor

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return _run(func, args, dict(kwargs or {}))

    def tolist(self) -> Any:
        _waits.append("tolist")
        return self.host.tolist()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"VirtualTensor({self.host})"


def register() -> torch.device:
    """The device, from now on one of torch's."""
    if torch._C._get_privateuse1_backend_name() != NAME:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _setup_privateuseone_for_python_backend(NAME, backend_module=_BackendModule())
        for name in _FACTORIES:
            _LIBRARY.impl(name, _factory(getattr(torch.ops.aten, name.split(".")[0])), "PrivateUse1")  # type: ignore[no-untyped-call]
        # by torch.tensor(..., device=...)
        _LIBRARY.impl("_copy_from", _filled, "PrivateUse1")  # type: ignore[no-untyped-call]
    return torch.device(NAME, 0)


_LIBRARY = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]


def _factory(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def on_device(*args: Any, **kwargs: Any) -> Tensor:
        return VirtualTensor(make(*args, **_on_host(kwargs)))

    return on_device


def _filled(source: Tensor, target: VirtualTensor, non_blocking: bool = False) -> Tensor:
    target.host.copy_(source)
    return target


@contextmanager
def counted() -> Iterator[list[str]]:
    """The names of what makes the host wait in the block."""
    start, names = len(_waits), list[str]()
    yield names
    names += _waits[start:]


def _run(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = func.overloadpacket.__name__
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    _check_devices(name, args, kwargs, tensors)
    wanted = kwargs.get("device")
    leaves = wanted is not None and torch.device(wanted).type == "cpu"
    if leaves or name in _WAITS or _takes_mask(name, tensors) or _reads(name, args):
        _waits.append(str(func))
    host_args, host_kwargs = tree_map(
        lambda value: value.host if isinstance(value, VirtualTensor) else value, (args, kwargs)
    )
    result = func(*host_args, **_on_host(host_kwargs))
    if func._schema.is_mutable and isinstance(result, Tensor):
        return kwargs.get("out", args[0])
    return result if leaves else tree_map(_on_device, result)


def _check_devices(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: Sequence[Tensor]) -> None:
    """Raises RuntimeError for tensors of two devices, but for numbers, copies, and indices that lie on the CPU."""
    if kwargs.get("generator") is not None:
        raise RuntimeError(f"{name}: expected a generator on {NAME}, got {kwargs['generator'].device}")
    elsewhere = [value for value in tensors if not isinstance(value, VirtualTensor) and value.dim()]
    if name in _MASKED and isinstance(args[0], VirtualTensor):
        elsewhere = [value for value in elsewhere if not any(value is index for index in args[1])]
    if elsewhere and name not in ("copy_", "_to_copy", "lift_fresh"):
        raise RuntimeError(
            f"{name}: expected all tensors on {NAME}, got {[tuple(each.shape) for each in elsewhere]} on cpu"
        )


def _takes_mask(name: str, tensors: Sequence[Tensor]) -> bool:
    return name in _MASKED and any(each.dtype == torch.bool for each in tensors[1:])


def _reads(name: str, args: tuple[Any, ...]) -> bool:
    return name == "copy_" and not isinstance(args[0], VirtualTensor)


def _on_host(kwargs: dict[str, Any]) -> dict[str, Any]:
    if kwargs.get("device") is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    return {**kwargs, "pin_memory": False} if "pin_memory" in kwargs else kwargs


def _on_device(value: Any) -> Any:
    return VirtualTensor(value) if isinstance(value, Tensor) and not isinstance(value, VirtualTensor) else value
