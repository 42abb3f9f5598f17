"""Small series, volumes and videos, and models of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NETS = """
import torch
from torch import nn

def conv(axes, channels, classes=3):
    torch.manual_seed(0)
    convolution = {1: nn.Conv1d, 3: nn.Conv3d}[axes]
    pool = {1: nn.AdaptiveAvgPool1d, 3: nn.AdaptiveAvgPool3d}[axes](1)
    body = nn.Sequential(convolution(channels, 6, 3, 2, 1), nn.ReLU())
    return nn.Sequential(body, pool, nn.Flatten(), nn.Linear(6, classes))
"""


def series(seed: int = 0, channels: int = 2, length: int = 64) -> np.ndarray:
    """(channels, length)"""
    return np.random.default_rng(seed).standard_normal((channels, length)).cumsum(1).astype(np.float32)


def volume(shape: tuple[int, ...] = (10, 12, 16)) -> np.ndarray:
    """A bright ball."""
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    ball: np.ndarray = np.exp(-3 * sum(axis**2 for axis in axes)).astype(np.float32)
    return ball


def write_video(file: Path, frames: int = 20, size: tuple[int, int] = (64, 48)) -> Path:
    """A video whose frames grow lighter, from 0 to 240."""
    import av

    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for place in range(frames):
            pixels = np.full((size[1], size[0], 3), place * 240 // max(frames - 1, 1), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return file
