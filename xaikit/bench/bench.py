"""One opened model with its taps, data and targets: what the trials of one model share."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from xaikit.bench.fingerprint import architecture_of, digest_of
from xaikit.bench.loader import Loader, Picture
from xaikit.config import Config
from xaikit.engine import Batch, Request
from xaikit.evidence.taps import Tap
from xaikit.finish import Finish
from xaikit.layouts import Arrangement, stride
from xaikit.sources import OpenedModel, Photograph, Transform
from xaikit.trials.placement import NamedTrial
from xaikit.trials.trial import Trial


@dataclass(frozen=True)
class PlannedEvidence:
    """One evidence, resolved.

    request  the question it is put as, together with all trials that differ in layers or finish alone
    taps     its own among the taps of that request
    keys     under which the raw map of each tap is kept: the same for all evidence that has it
    """

    evidence: str
    request: Request
    taps: tuple[Tap, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class ProbeResult:
    """What the pass over the first photograph found out.

    shapes  (channels, *space) by layer
    ways    by question and layer, how its replays will be made
    row     one input, its shape alone
    gradient_calls  that a batch costs
    space   of the model's input
    """

    gradient_calls: int
    shapes: Mapping[str, tuple[int, ...]]
    ways: Mapping[str, Mapping[str, str]]
    row: Tensor
    space: tuple[int, ...]

    def stride(self, layer: str) -> float:
        """Input pixels a cell."""
        return stride(self.shapes[layer][1:], self.space)


@dataclass(frozen=True)
class Bench:
    """What the trials of one model work on.

    opened       the model and what its source knows, on ``device``
    transform    from photograph to input
    photographs  all of them, in order
    placed       the trials
    asked        what they need, by evidence; several trials may share one
    finishes     by the id of a trial
    reached      what one pass over the first photograph found out
    arrangement  how the tensors at its layers are arranged, where the config says it
    """

    config: Config
    opened: OpenedModel
    device: torch.device
    transform: Transform
    photographs: tuple[Photograph, ...]
    placed: tuple[NamedTrial, ...] = ()
    asked: Mapping[str, PlannedEvidence] = dataclasses.field(default_factory=dict)
    finishes: Mapping[str, Finish] = dataclasses.field(default_factory=dict)
    reached: ProbeResult | None = None
    arrangement: Arrangement | None = None

    @cached_property
    def weights(self) -> str:
        """The digest of the model's weights."""
        return digest_of(self.opened.module)

    @cached_property
    def key(self) -> str:
        """What a result depends on beside trial and photograph, in 16 hexadecimal digits."""
        said = [self.weights, architecture_of(self.opened.module), repr(self.transform), self.config.model.output]
        said += [] if self.config.model.layout is None else [repr(self.config.model.layout)]
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]

    @cached_property
    def loader(self) -> Loader:
        """What reads the photographs."""
        classes = self.opened.classes, self.opened.wnids
        labelled = any(is_labelled(placed.trial) for placed in self.placed)
        return Loader(self.transform, *classes, labelled=labelled, workers=self.config.data.workers)

    @cached_property
    def labelled(self) -> frozenset[str]:
        """The requests whose target is the class that the data states."""
        trials = [placed.trial for placed in self.placed if is_labelled(placed.trial)]
        return frozenset(self.asked[trial.evidence].request.label for trial in trials)

    def requests(self, evidence: Sequence[str]) -> list[Request]:
        """What to ask of the engine for some evidence: each question once, at the taps that are needed for it."""
        taps: dict[str, dict[Tap, None]] = {}
        for key in evidence:
            asked = self.asked[key]
            taps.setdefault(asked.request.label, {}).update(dict.fromkeys(asked.taps))
        known = {asked.request.label: asked.request for asked in self.asked.values()}
        return [dataclasses.replace(known[label], taps=tuple(wanted)) for label, wanted in taps.items()]

    def batch(self, pictures: Sequence[Picture]) -> Batch:
        """Pictures as the engine takes them, on the model's device."""
        inputs = torch.stack([picture.pixels for picture in pictures]).to(self.device)
        labels = [picture.label for picture in pictures]
        known = None if None in labels else torch.tensor(labels, dtype=torch.long, device=self.device)
        return Batch(inputs, tuple(picture.digest for picture in pictures), known)


def is_labelled(trial: Trial) -> bool:
    """Whether a trial explains the class that the data states: the target ``label``, or ``of: label`` of another."""
    return trial.target.use == "label" or trial.target.options.get("of") == "label"


def map_key(request: str, layer: str) -> str:
    """Under which a raw map is kept: the same for every trial that asks the same question at that layer."""
    return hashlib.sha256(f"{request}|{layer}".encode()).hexdigest()[:16]
