"""What tells one opened model from another: the digest of its weights, and that of what it does with them."""

from __future__ import annotations

import hashlib
import re

import torch
from torch import nn

from xaikit.registry.modules import source_of


def digest_of(module: nn.Module) -> str:
    """The SHA-256 of all parameters and buffers: name, type, shape and bytes, in the order of the state dict."""
    hasher = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        value = tensor.detach().cpu().contiguous()
        hasher.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        hasher.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return hasher.hexdigest()


def architecture_of(module: nn.Module) -> str:
    """The SHA-256 of what a model does with its weights: its modules as they print, and the source of their classes.

    Of torch's own classes the name is enough, the version of torch is written down elsewhere.
    """
    printed = re.sub(r" at 0x[0-9a-f]+", "", repr(module))
    homes = sorted({type(part).__module__ for part in module.modules()})
    sources = [source_of(home) for home in homes if home.partition(".")[0] != "torch"]
    return hashlib.sha256("\n".join([printed, *homes, *sources]).encode()).hexdigest()
