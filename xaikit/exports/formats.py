"""Files of an explained model, by the ending of their names."""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.export import ExportedProgram

from xaikit.errors import ConfigError
from xaikit.exports.operators import Rules, backward_by_forward


class Format(Protocol):
    """How a program is written, and run from the file."""

    def decompositions(self) -> Rules:
        """Operations that the format does not have, by others."""

    def write(self, program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Write it; tensors go by these names. Raises ConfigError."""

    def run(self, path: Path, inputs: Sequence[Tensor], outputs: Sequence[str]) -> Mapping[str, Tensor] | None:
        """What the file says, by name; None where nothing here can run it."""


class Pt2:
    """For ``torch.export.load``."""

    def decompositions(self) -> Rules:
        return {}

    def write(self, program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        torch.export.save(program, path)

    def run(self, path: Path, inputs: Sequence[Tensor], outputs: Sequence[str]) -> Mapping[str, Tensor] | None:
        returned: Mapping[str, Tensor] = torch.export.load(path).module()(*inputs)
        return returned


class Onnx:
    """For runtimes of ONNX; weights lie beside the file where they are above 2 GB."""

    def decompositions(self) -> Rules:
        return backward_by_forward()

    def write(self, program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        if not all(map(importlib.util.find_spec, ("onnx", "onnxscript"))):
            raise ConfigError("onnx is not installed: pip install 'xaikit[export]'")
        with _quiet():
            try:
                converted: Any = torch.onnx.export(
                    program, dynamo=True, input_names=list(inputs), output_names=list(outputs), verbose=False
                )
            except torch.onnx.OnnxExporterError as error:
                raise ConfigError(
                    f"export: ONNX does not have every operation of these maps: {_operation(error)}; write a .pt2, which has, or "
                    "explain a layer nearer to the output"
                ) from error
            converted.save(path)

    def run(self, path: Path, inputs: Sequence[Tensor], outputs: Sequence[str]) -> Mapping[str, Tensor] | None:
        if importlib.util.find_spec("onnxruntime") is None:
            return None
        import onnxruntime

        try:
            session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            feeds = {each.name: tensor.numpy() for each, tensor in zip(session.get_inputs(), inputs, strict=True)}
            arrays = session.run(list(outputs), feeds)
        except Exception as error:  # onnxruntime has no class of its own for them
            raise ConfigError(f"export: expected a file that onnxruntime runs, got {error}; write a .pt2") from error
        return dict(zip(outputs, map(torch.from_numpy, arrays), strict=True))


def _operation(error: BaseException) -> str:
    """The name of what ONNX lacks, from a long report."""
    found = re.search(r"No ONNX function found for (?:<OpOverload\(op='([^']+)'[^>]*>|(.+?)\. Failure)", str(error))
    return next(filter(None, found.groups())) if found else str(error).splitlines()[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own parts."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


FORMATS: Mapping[str, Format] = {".onnx": Onnx(), ".pt2": Pt2()}


SMALL = 1e-12
"""Of a map that is zero there is no share; what is off by less is rounding."""

CLOSE = 1e-4
"""How near what a file says has to come to xaikit's own."""


def difference(returned: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The largest between what a file says and what it has to say, in units of the largest value of an output.

    Raises:
        ConfigError: an output is another.
    """
    largest = 0.0
    for name, tensor in expected.items():
        scale = tensor.double().abs().nan_to_num().amax().clamp_min(SMALL)
        off = ((returned[name].double() - tensor.double()).abs().nan_to_num().amax() / scale).item()
        if off > CLOSE or not torch.equal(returned[name].isnan(), tensor.isnan()):
            raise ConfigError(
                f"export: expected {name} within {CLOSE:.0e} of xaikit's own, got {off:.0e} off: nothing is written"
            )
        largest = max(largest, off)
    return largest
