"""After a block all of the model, the inputs and the process is as before; every check of the kit runs inside it.

Facts are read twice and compared: a fact is a name and a value with an equality that says "not even touched", so
objects are compared by identity and tensors by their bytes, their version and their place in memory.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xaikit.passes.nests import tensors_in

Facts = dict[str, Any]


@contextmanager
def untouched(model: nn.Module, *inputs: Any) -> Iterator[None]:
    """Assert that a block leaves everything as it was, also where it raises.

    Args:
        inputs: the tensors, or nests of tensors, that the block is given.

    Raises:
        AssertionError: something changed; all of it is named.
    """
    before = _facts(model, inputs)
    try:
        yield
    finally:
        after = _facts(model, inputs)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        assert not changed, f"touched: {', '.join(changed)}"


def _identity(thing: object) -> tuple[int, object]:
    """Equal to that of the very object and of no other; the object is held, so that its id is not given away."""
    return id(thing), thing


def _facts(model: nn.Module, inputs: tuple[Any, ...]) -> Facts:
    facts = dict(_process())
    for name, module in model.named_modules(remove_duplicate=False):
        facts |= _module(f"model.{name}".rstrip("."), module)
    for path, tensor in tensors_in(inputs):
        facts |= _tensor("input" + "".join(f"[{step}]" for step in path), tensor)
    return facts


def _process() -> Iterator[tuple[str, Any]]:
    yield "grad mode", torch.is_grad_enabled()
    yield "inference mode", torch.is_inference_mode_enabled()
    for device in ("cpu", "cuda"):
        yield f"autocast {device}", (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
    yield "autocast cache", torch.is_autocast_cache_enabled()
    yield "default dtype", torch.get_default_dtype()
    yield "threads", torch.get_num_threads()
    yield from _switches()
    yield from random_states()
    for key, value in vars(torch.nn.modules.module).items():
        if key.startswith("_global_") and isinstance(value, dict):
            yield key, _hooks(value)


def _switches() -> Iterator[tuple[str, Any]]:
    yield "attention fast path", torch.backends.mha.get_fastpath_enabled()
    for name in ("flash_sdp", "mem_efficient_sdp", "math_sdp", "cudnn_sdp"):
        yield name, getattr(torch.backends.cuda, f"{name}_enabled")()
    yield "cudnn", (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
    yield "mkldnn", torch.backends.mkldnn.enabled
    yield "deterministic", torch.are_deterministic_algorithms_enabled()
    # not loaded is as good as the default: batched gradients load it
    loaded = "torch._dynamo" in sys.modules
    yield "compile stance", sys.modules["torch._dynamo.eval_frame"]._stance.stance if loaded else "default"


def random_states() -> Iterator[tuple[str, Any]]:
    """The states of the random numbers of the process, by name."""
    yield "torch random state", _bytes(torch.get_rng_state())
    for device in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield f"cuda:{device} random state", _bytes(torch.cuda.get_rng_state(device))
    name, keys, *rest = np.random.get_state()  # the legacy generator is the process-wide one
    yield "numpy random state", (name, np.asarray(keys).tobytes(), *rest)
    yield "python random state", random.getstate()


def _module(name: str, module: nn.Module) -> Facts:
    facts: Facts = {name: _identity(module), f"{name}: class": type(module), f"{name}: attributes": tuple(vars(module))}
    for key, value in vars(module).items():
        facts[f"{name}.{key}"] = _hooks(value) if key.endswith(("_hooks", "_hooks_with_kwargs")) else _identity(value)
    for kind in ("_parameters", "_buffers"):
        facts[f"{name}: names in {kind}"] = tuple(vars(module)[kind])
        for key, tensor in vars(module)[kind].items():
            facts |= {} if tensor is None else _tensor(f"{name}.{key}", tensor)
    facts[f"{name}: children"] = [(key, _identity(child)) for key, child in vars(module)["_modules"].items()]
    return facts


def _hooks(hooks: dict[Any, Any] | list[Any] | None) -> Any:
    pairs = hooks.items() if isinstance(hooks, dict) else enumerate(hooks or ())
    return None if hooks is None else [(key, _identity(hook)) for key, hook in pairs]


def _tensor(name: str, tensor: Tensor) -> Facts:
    facts: Facts = {
        f"{name}: object": (_identity(tensor), tensor.data_ptr()),
        f"{name}: values": _bytes(tensor),
        f"{name}: version": None if tensor.is_inference() else tensor._version,
        f"{name}: requires_grad": tensor.requires_grad,
        f"{name}: hooks": (_hooks(tensor._backward_hooks), _hooks(tensor._post_accumulate_grad_hooks)),
        f"{name}: attributes": tuple(vars(tensor)),
    }
    if tensor.is_leaf and tensor.grad is not None:
        facts |= _tensor(f"{name}.grad", tensor.grad)
    return facts


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
