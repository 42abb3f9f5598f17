"""``xaikit.export``: what a config explains, as one file that needs neither xaikit nor autograd."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from xaikit.bench.bench import Bench
from xaikit.bench.objects import Objects
from xaikit.bench.resolve import resolve_bench
from xaikit.config import load
from xaikit.config.overrides import listed
from xaikit.engine import Batch, Request
from xaikit.engine.requests import equal
from xaikit.engine.session import distinct, trace_requests
from xaikit.errors import ConfigError
from xaikit.evidence.pinned import readout_of
from xaikit.exports.formats import FORMATS, Format, difference
from xaikit.exports.forward import LOGITS, ExplainedForward
from xaikit.exports.program import by_engine, named, program_of
from xaikit.exports.refusals import check_exportable
from xaikit.passes.dependence import normalizes_batches
from xaikit.registry import Registry
from xaikit.reruns.context import PassContext
from xaikit.reruns.head import classifier_of
from xaikit.schema.sections import Config
from xaikit.targets import Target
from xaikit.trials.expansion import expand
from xaikit.trials.placement import groups

Source = str | Path | Mapping[str, Any] | Config


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    inputs      their shapes by name, of one sample
    outputs     likewise: the logits, and the maps by label
    samples     how many the file takes at once; None: any number
    difference  the largest between what it says and what xaikit does; None where nothing here can run it
    """

    path: Path
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    samples: int | None
    difference: float | None

    def __str__(self) -> str:
        checked = f"within {self.difference:.1g} of xaikit's own"
        if self.difference is None:
            checked = "not tried, as onnxruntime is not installed"
        return f"{self.path}: {self._listed(self.inputs)} -> {self._listed(self.outputs)}; {checked}"

    def _listed(self, shapes: Mapping[str, tuple[int, ...]]) -> str:
        count = str(self.samples or "N")
        return ", ".join(f"{name} ({', '.join([count, *map(str, shape)])})" for name, shape in shapes.items())


def export(
    source: Source,
    to: str | Path,
    overrides: Sequence[str] = (),
    *,
    model: nn.Module | None = None,
    data: Any = None,
) -> Exported:
    """Write the model of a configuration with its maps as one plain forward: from inputs to logits and finished maps.

    For methods of one pass. The gradients that they read are in the file as plain operations, so that no runtime needs autograd;
    how pictures are prepared is not in it. What is written is run where it can be, and compared with xaikit's own maps.

    Args:
        source: a path, a mapping, or a Config of one model; its data gives the shape of the inputs.
        to: ``model.onnx``, for runtimes of ONNX (extra ``export``), or ``model.pt2``, for ``torch.export.load``.
        overrides: ``"key.of.it=value"``, later ones win.
        model, data: in place of those of the config, as in :func:`xaikit.run`.

    Raises:
        ConfigError: a method that makes further passes, an operation that the format lacks, or outputs that are not xaikit's.
    """
    path, form = Path(to), _format(to)
    registry, objects = Registry(), Objects(model, data)
    config = load(source, [*objects.overrides(), *listed(overrides)], registry)
    bench = _bench(replace(config, objects=objects, device="cpu" if model is None else config.device), registry)
    batch = bench.opened.first_batch()
    explained = _explained(bench, batch)
    if taken := explained.requests.keys() & {LOGITS, *named(batch.inputs)}:
        raise ConfigError(
            f"export: expected labels unlike the names of inputs and logits, got {', '.join(sorted(taken))}"
        )
    program, tried, samples = program_of(explained, batch, form.decompositions())
    expected = by_engine(explained, tried)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".xaikit-") as folder:
        written = Path(folder) / path.name
        form.write(program, written, list(named(batch.inputs)), list(expected))
        returned = form.run(written, list(named(tried.inputs).values()), list(expected))
        off = None if returned is None else difference(returned, expected)
        for each in sorted(Path(folder).iterdir()):  # weights may lie beside it
            shutil.move(each, path.parent / each.name)
    return Exported(path, _shapes(named(batch.inputs)), _shapes(expected), samples, off)


def _format(to: str | Path) -> Format:
    ending = Path(to).suffix
    if ending not in FORMATS:
        raise ConfigError(f"export: expected a file that ends in {' or '.join(FORMATS)}, got {str(to)!r}")
    return FORMATS[ending]


def _bench(config: Config, registry: Registry) -> Bench:
    """The one model of a config with what it explains. Raises ConfigError where there are several."""
    found = groups(expand(config, registry))
    if len(found) > 1:
        raise ConfigError(
            f"export: expected a configuration of one model and one data set, got {len(found)} by its sweep"
        )
    bench = resolve_bench(config, found[0], registry)
    if bench.opened.device.type != "cpu":
        raise ConfigError(
            f"export: expected a model on the CPU, got one on {bench.opened.device}; model.cpu() moves it"
        )
    return bench


def _explained(bench: Bench, batch: Batch) -> ExplainedForward:
    model, config = bench.opened.model.module, bench.opened.config.model
    requests = {
        each.name: replace(bench.evidence[each.trial.evidence], label=each.name, finish=bench.finishes[each.trial.id])
        for each in bench.trials
    }
    for label, request in requests.items():
        check_exportable(label, request)
    if config.mode == "as_is" and normalizes_batches(model.modules()):
        raise ConfigError(
            "export: expected a model that evaluates, got batch normalization in training; set model.mode: eval"
        )
    clean = trace_requests(model, batch, list(requests.values()), output=config.output, mode=config.mode)
    targets = distinct(request.target for request in requests.values())
    readout = readout_of(targets, config.output, config.mode)
    classifiers = {
        (label, tap): classifier_of(PassContext(model, clean.narrowed([_place(targets, request)], [tap]), tap, readout))
        for label, request in requests.items()
        if request.method.needs.head
        for tap in request.taps
    }
    return ExplainedForward(model, requests, readout, clean, classifiers)


def _place(targets: Sequence[Target], request: Request) -> int:
    return next(place for place, target in enumerate(targets) if equal(target, request.target))


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape[1:]) for name, tensor in tensors.items()}
