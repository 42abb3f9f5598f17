"""What a run will compute, before it does."""

from __future__ import annotations

import math
import os

import torch

from xaikit.bench.bench import Bench
from xaikit.bench.timing import PictureCosts, further_passes, variants
from xaikit.engine import Request
from xaikit.evidence.observe import columns_at_once
from xaikit.method import parts_of
from xaikit.needs import union
from xaikit.passes.chunks import ROOM, rows_of_activations, rows_of_inputs
from xaikit.pictures.spaces import DRAWN
from xaikit.planning.planned import PlannedBench, PlannedEvaluation, PlannedPictures, PlannedTrial
from xaikit.schema.shorthand import in_words
from xaikit.targets import count_of
from xaikit.trials.placement import NamedTrial

ROW = 100
"""Bytes of a row of records, about."""


def plan_bench(
    bench: Bench, seconds: float, pictures: PictureCosts, evaluation: PlannedEvaluation | None = None
) -> PlannedBench:
    """The plan for all photographs of a bench, at so many seconds for each, without what drawing adds."""
    opened, requests = bench.opened, bench.requests()
    count = len(opened.photographs)
    disk = sum(_stored_bytes(bench, request) for request in requests) + ROW * len(bench.evidence)
    overlays = sum(_columns(bench.evidence[named.trial.evidence]) for named in bench.trials if _is_drawn(bench, named))
    return PlannedBench(
        model=opened.name,
        device=str(opened.device),
        photographs=count,
        batch_size=_batch(bench),
        trials=tuple(_plan_trial(bench, named) for named in bench.trials),
        taps=tuple(dict.fromkeys(str(tap) for request in requests for tap in request.taps)),
        requests=len(requests),
        maps=len({(request.label, str(tap)) for request in requests for tap in request.taps}),
        gradient_calls=bench.probe.gradient_calls,
        forwards=_forwards(bench),
        further=further_passes(bench),
        seconds=seconds * count,
        memory=_memory(bench),
        available=machine_memory(opened.device),
        disk=disk * count,
        chunks=_chunks(bench),
        overlays=overlays * count,
        drawing=PlannedPictures(
            pictures.seconds * overlays, pictures.overlay * overlays + pictures.frame, pictures.cell
        ).of(count),
        evaluation=evaluation,
    )


def _plan_trial(bench: Bench, named: NamedTrial) -> PlannedTrial:
    trial, request = named.trial, bench.evidence[named.trial.evidence]
    layers, augment = tuple(map(str, request.taps)), trial.aggregation.augment
    ways = bench.probe.ways.get(request.label, {})
    return PlannedTrial(
        name=named.name,
        use=trial.use,
        layers=layers,
        target=in_words(trial.target) if request.method.needs.uses_target else "no target, as none plays a part",
        further=augment.count - augment.has_clean + variants(bench, request),
        ways={layer: way for layer, way in ways.items() if layer in layers},
        traces=augment.count,
    )


def _columns(request: Request) -> int:
    """The maps that a photograph has of a request at a layer."""
    return parts_of(request.method) or count_of(request.target) or 1


def _is_drawn(bench: Bench, named: NamedTrial) -> bool:
    fuses = named.trial.finish.fuse.use != "none"
    return fuses and not named.trial.control and len(bench.probe.space) in DRAWN


def _stored_bytes(bench: Bench, request: Request) -> int:
    """Of the raw maps of one request and photograph."""
    size = {"float16": 2, "uint8": 1, "float32": 4}[bench.opened.config.report.maps]
    return sum(math.prod(bench.probe.shapes[str(tap)][1:]) * _columns(request) * size for tap in request.taps)


COPIES = 5
"""Of the activations and gradients at all taps, while a method works on them: as measured of one-pass methods, about."""


def _memory(bench: Bench) -> int:
    """Of weights, the pass, what its graph keeps for the backward, and what is seen at the taps: activations and gradients."""
    probe, module = bench.probe, bench.opened.model.module
    weights: int = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    seen, gradients = _seen(bench), _differentiates(bench) * min(probe.targets, columns_at_once(_seen(bench)))
    sample = ROOM * probe.row.numel() * probe.row.element_size() + probe.graph + (COPIES * gradients + 1) * seen
    return weights + sample * _batch(bench)


def _batch(bench: Bench) -> int:
    """Photographs of the largest batch that there is."""
    return min(bench.opened.config.data.batch_size, len(bench.opened.photographs))


def _forwards(bench: Bench) -> int:
    """Passes of a batch: one, as long as the gradients for all targets are in memory at once."""
    return -(-bench.probe.targets // columns_at_once(_seen(bench))) if _differentiates(bench) else 1


def _differentiates(bench: Bench) -> bool:
    return any(request.method.needs.gradients for request in bench.requests())


def _seen(bench: Bench) -> int:
    """Bytes of the activations of one photograph at all taps."""
    taps = {tap for request in bench.requests() for tap in request.taps}
    return sum(math.prod(bench.probe.shapes[str(tap)]) for tap in taps) * bench.probe.row.element_size()


def machine_memory(device: torch.device) -> int | None:
    """Bytes of memory that a device has, whoever uses them; None where that is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not of this system
        return None


def _chunks(bench: Bench) -> str:
    """How many variants are in memory at once, where a method makes some."""
    probe = bench.probe
    needs = union(request.method.needs for request in bench.evidence.values())
    parts = [f"{rows_of_inputs(probe.row)} variants of inputs"] if needs.reruns else []
    for layer in dict.fromkeys(layer for ways in probe.ways.values() for layer in ways):
        row = torch.empty(1, *probe.shapes[layer], device="meta")
        parts.append(f"{rows_of_activations(row)} of {layer}")
    return f"at most in memory at once: {', '.join(parts)}" if parts else ""
