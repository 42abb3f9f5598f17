"""What attributions of the input cost, side by side with bare passes, a plain loop and Captum: ratios of one process.

``python -m benchmarks.attributing`` in the folder ``tests``; ``--rows rise`` measures one of the rows, ``--masks 400`` a tenth of
its passes, ``--json ../docs/benchmarks.attributions.json`` leaves figures and page. Photographs of
noise and networks with random weights: what is timed does not depend on what is seen.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from captum import attr
from torch import Tensor
from torch.nn import functional as F

from benchmarks import page
from benchmarks.machine import facts
from benchmarks.results import result
from benchmarks.rows import FOUR, SLOW_ROUNDS, Goal, Row
from benchmarks.sides import XAIKIT, Side, Subject, ours
from benchmarks.timing import measured
from xaikit.passes import allocator

BARE, CAPTUM, LOOP = "bare passes", "Captum", "a plain loop"
BATCH = 32
"""Of the plain loop."""
SHARE, CELLS = 0.5, 7
RELEVANCE = ("libragrad", "attnlrp", "cplrp", "alilrp", "decompx")


def rows(steps: int = 50, masks: int = 4000) -> tuple[Row, ...]:
    """The rows, of so many steps and masks."""
    goal = Goal(1.5, rivals=(CAPTUM,), within={BARE: 1.1})
    gradients = {"integratedgradients": {"steps": steps}, "smoothgrad": {"n": steps}}
    made = [
        Row(
            f"{name}, {steps} passes, ResNet-18, batch 1",
            "ResNet-18",
            1,
            {XAIKIT: ours({name: options}, ["input"]), BARE: bare_passes(steps), CAPTUM: by_captum(name, steps)},
            goal,
        )
        for name, options in gradients.items()
    ]
    rise = {XAIKIT: ours({"rise": {"masks": masks}}, ["input"]), LOOP: by_loop(masks)}
    title = f"rise, {masks} masks, ResNet-18, batch 1"
    nine = ours((*RELEVANCE, *FOUR), ["input"])
    return (
        *made,
        Row(title, "ResNet-18", 1, rise, Goal(1.3, rivals=(LOOP,)), slow=frozenset(rise)),
        Row("5 kinds of relevance and 4 CAMs at the input, ViT-S/16, batch 4", "ViT-S/16", 4, {XAIKIT: nine}, Goal(8)),
    )


def bare_passes(count: int) -> Side:
    """So many forwards with the gradient of the likeliest class at the input, and nothing else."""

    def passes(subject: Subject) -> list[Tensor]:
        total = torch.zeros_like(subject.inputs)
        for _ in range(count):
            inputs = subject.inputs.clone().requires_grad_()
            best = subject.model(inputs).amax(1).sum()
            total += torch.autograd.grad(best, inputs)[0]
        return [total.sum(1)]

    return passes


def by_captum(name: str, count: int) -> Side:
    """Integrated gradients, or SmoothGrad, of the likeliest class, as in Captum's documentation."""

    def attributed(subject: Subject) -> list[Tensor]:
        with torch.inference_mode():
            target = subject.model(subject.inputs).argmax(1).tolist()
        if name == "integratedgradients":
            made = attr.IntegratedGradients(subject.model).attribute(subject.inputs, target=target, n_steps=count)
        else:
            tunnel = attr.NoiseTunnel(attr.Saliency(subject.model))
            made = tunnel.attribute(subject.inputs, nt_samples=count, stdevs=0.15, target=target)
        return [made.detach().sum(1)]

    return attributed


def by_loop(masks: int) -> Side:
    """RISE as it is written down: masks in batches, each batch made, run and added up."""

    def summed(subject: Subject) -> list[Tensor]:
        with torch.inference_mode():
            best = subject.model(subject.inputs).argmax(1)
            return [
                torch.stack(
                    [_of_one(subject, image, int(row)) for image, row in zip(subject.inputs, best, strict=True)]
                )
            ]

    def _of_one(subject: Subject, image: Tensor, target: int) -> Tensor:
        total = image.new_zeros(image.shape[1:])
        for start in range(0, masks, BATCH):
            made = _masks(min(BATCH, masks - start), image.shape[-1])
            total += torch.einsum("m,mhw->hw", subject.model(image * made[:, None]).softmax(1)[:, target], made)
        return total / (SHARE * masks)

    return summed


def _masks(count: int, side: int) -> Tensor:
    cell = -(-side // CELLS)
    grids = (torch.rand(count, 1, CELLS + 1, CELLS + 1) < SHARE).float()
    large = F.interpolate(grids, scale_factor=float(cell), mode="bilinear", align_corners=False)[:, 0]
    corners = torch.randint(cell, (count, 2)).tolist()
    cut = [one[top : top + side, left : left + side] for one, (top, left) in zip(large, corners, strict=True)]
    return torch.stack(cut)


def parsed() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description="What attributions of the input cost.")
    parser.add_argument("--rows", default="", metavar="PART", help="only rows whose title holds this")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--masks", type=int, default=4000)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--allocator", choices=["default", "fixed"], default="default")
    parser.add_argument("--json", type=Path, help="write the figures here, and the page beside them")
    return parser.parse_args()


def main(arguments: argparse.Namespace) -> None:
    """Print the rows, and leave them as JSON."""
    if arguments.allocator == "fixed":
        allocator.settle()
    benchmark: dict[str, Any] = {
        "command": "python -m benchmarks.attributing " + " ".join(sys.argv[1:]),
        "rounds": arguments.rounds,
        "slow_rounds": min(arguments.rounds, SLOW_ROUNDS),
        "facts": facts(arguments.device),
        "rows": [],
    }
    for row in rows(arguments.steps, arguments.masks):
        if arguments.rows in row.title:
            figures = result(row, measured(row, arguments.rounds, arguments.device))
            print(" | ".join(page.attribution_cells(figures)), flush=True)
            benchmark["rows"].append(figures)
    if arguments.json:
        page.write(arguments.json, benchmark)


if __name__ == "__main__":
    main(parsed())
