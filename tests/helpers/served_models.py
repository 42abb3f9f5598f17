"""The models and calls that have to be served: each with the same weights computed plainly, to compare with."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

import xaikit
from helpers import unusual_nets
from helpers.hard_nets import Inference, Nested, NoGrad, Plain, Stochastic, Twice, TwoInputs, images, seeded, uncut
from helpers.nets import Spec
from helpers.requests import Probe
from helpers.untouched import untouched
from xaikit.passes.nests import copied
from xaikit.view import View

Context = Callable[[], AbstractContextManager[Any]]


def same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Case:
    """A model and a call of it, as a user has them; all of its nets have a module ``head`` behind the layers.

    layers   as the user names them
    names    the modules of the plain net that return the same tensors; the layers by themselves
    life     what has happened to the model since it was built
    plain    the same weights with plain ways of computing; the net itself by itself
    pick     the scores (N, classes) out of what the plain net returns
    target   what the user asks for; by itself a class a sample
    arranged  a tensor of the plain net as a map
    caller   what the user has entered
    world    what the plain net is in as well
    """

    build: Callable[[], nn.Module] = Plain
    layers: Any = ("conv1", "conv2")
    names: Sequence[str] = ()
    inputs: Callable[[], Any] = images
    dtype: torch.dtype = torch.float64
    life: Callable[[nn.Module], Any] = same
    plain: Callable[[], nn.Module] | None = None
    classes: Sequence[int] = (2, 0)
    pick: Callable[[Any], Tensor] = same
    target: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    arranged: Callable[[Tensor], Tensor] = same
    caller: Context = nullcontext
    world: Context = nullcontext

    def model(self) -> Any:
        """The model, the same every time."""
        return self.life(seeded(self.build, self.dtype))

    def explain(self, model: Any, methods: Any, target: Any = None) -> dict[str, xaikit.Explanation]:
        """What the user gets, inside the kit."""
        inputs = self.inputs()
        target = target if target is not None else self.target or list(self.classes)
        with self.caller(), untouched(model, inputs):
            return xaikit.explain(model, inputs, methods, layers=self.layers, target=target, **self.options)

    def evidence(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Activations, gradients and scores as a method sees them, by layer."""
        evidence: list[tuple[Tensor, Tensor, Tensor]] = []

        def look(view: View) -> None:
            evidence.append((view.activations.squeeze(1), view.gradients.squeeze(1), view.scores.squeeze(1)))

        with self.world():
            self.explain(self.model(), {"mine": Probe(look)})
        return evidence

    def expected(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """The same by one full graph of the plain net, without xaikit."""
        names = self.names or self.layers
        with self.world():
            model = seeded(self.plain or self.build, self.dtype)
            output, activations, gradients = uncut(model, copied(self.inputs()), names, self.classes, self.pick)
        scores = output[torch.arange(len(self.classes)), torch.tensor(self.classes)]
        return [(self.arranged(activations[name]), self.arranged(gradients[name]), scores) for name in names]


def half_frozen(model: nn.Module) -> nn.Module:
    model.conv2.requires_grad_(False)
    return model


def of_inference_weights(model: nn.Module) -> nn.Module:
    with torch.inference_mode():
        return copy.deepcopy(model)


def inference_images() -> Tensor:
    with torch.inference_mode():
        return images()


def compiled(model: nn.Module) -> Any:
    """Compiled, and run so: there is compiled code that would be taken again."""
    fast = torch.compile(model, backend="eager")
    fast(images())
    return fast


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager")
    model(images())
    return model


def compiled_inside(model: nn.Module) -> nn.Module:
    model.block = torch.compile(model.block, backend="eager")
    with torch.no_grad():
        model(images())
    return model


@contextmanager
def world_of_one() -> Iterator[None]:
    """A process group with this process alone in it."""
    with tempfile.TemporaryDirectory() as folder:
        torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
        try:
            yield
        finally:
            torch.distributed.destroy_process_group()


def of_tokens(tokens: Tensor) -> Tensor:
    """One class token and a grid of 4 x 6 as a map."""
    return tokens[:, 1:].reshape(len(tokens), 4, 6, -1).movedim(-1, 1)


def top_score(output: list[dict[str, Tensor]]) -> Tensor:
    """The score of a detector's best box, one a sample."""
    return torch.stack([detections["scores"].max() for detections in output])


def mapping(key: str) -> Callable[[], nn.Module]:
    return lambda: unusual_nets.Packed(lambda logits, features: {"features": features, key: logits})


def single(key: str | int) -> Callable[[Any], Tensor]:
    return lambda output: output[key]


WIDE = {"inputs": lambda: images(2, 2, 8, 12), "arranged": of_tokens}
FLOAT = {"dtype": torch.float32, "inputs": lambda: images(dtype=torch.float32)}
NESTED = {"names": ("block.left", "block.right"), "layers": ("block[0]", "block[1]")}
DEAD = {"names": ("block.right",), "layers": ("block",), "inputs": images}
CHECKPOINTED = {"build": unusual_nets.Checkpointed, "plain": unusual_nets.Three}

CASES: dict[str, Case] = {
    "plain": Case(),
    "layers: auto": Case(layers="auto", names=("act2",)),
    "in-place ReLU behind the taps": Case(lambda: Plain(inplace=True)),
    "in-place ReLU, what became of it": Case(
        lambda: Plain(inplace=True), ("conv1+",), ("act1",), plain=lambda: Plain(inplace=False)
    ),
    "frozen": Case(life=lambda model: model.requires_grad_(False)),
    "half frozen": Case(life=half_frozen),
    "caller under no_grad": Case(caller=torch.no_grad),
    "caller under inference_mode": Case(caller=torch.inference_mode),
    "caller under autocast": Case(world=lambda: torch.autocast("cpu", torch.bfloat16), **FLOAT),
    "inference inputs": Case(inputs=inference_images),
    "inference inputs under inference_mode": Case(inputs=inference_images, caller=torch.inference_mode),
    "inference weights": Case(life=of_inference_weights),
    "in training, with normalization and dropout": Case(Stochastic, ("conv1", "norm"), life=lambda m: m.train()),
    "no_grad forward": Case(NoGrad, plain=Plain),
    "inference_mode forward": Case(Inference, plain=Plain),
    "called twice, the first": Case(Twice, ("conv2@first",), ("conv2",), plain=unusual_nets.TwiceApart),
    "called twice, the last": Case(
        Twice, ({"name": "conv2", "call": "last"},), ("again",), plain=unusual_nets.TwiceApart
    ),
    "a tuple": Case(lambda: Nested(lambda a, b: (a, b), same), **NESTED),
    "a list": Case(lambda: Nested(lambda a, b: [a, b], same), **NESTED),
    "a dict": Case(
        lambda: Nested(lambda a, b: {"a": a, "b": b}, lambda nest: (nest["a"], nest["b"])),
        **(NESTED | {"layers": ("block[a]", "block[b]")}),
    ),
    "a model output inside": Case(
        lambda: Nested(
            lambda a, b: unusual_nets.ModelOutput(hidden=a, other=b), lambda nest: (nest.hidden, nest["other"])
        ),
        **(NESTED | {"layers": ("block[hidden]", "block[other]")}),
    ),
    "the first that matters": Case(unusual_nets.DeadFirst, **DEAD),
    "the first that matters, in a forward without grad": Case(
        unusual_nets.DeadFirstNoGrad, plain=unusual_nets.DeadFirst, **DEAD
    ),
    "output tuple": Case(lambda: unusual_nets.Packed(lambda logits, features: (logits, features)), pick=single(0)),
    "output tuple, the second": Case(
        lambda: unusual_nets.Packed(lambda logits, features: (features, logits)), pick=single(1), options={"output": 1}
    ),
    "output dict": Case(mapping("logits"), pick=single("logits")),
    "output dict of one tensor": Case(
        lambda: unusual_nets.Packed(lambda logits, _: {"out": logits}), pick=single("out")
    ),
    "output dict, by key": Case(mapping("out"), pick=single("out"), options={"output": "out"}),
    "output dataclass": Case(lambda: unusual_nets.Packed(unusual_nets.Result), pick=lambda output: output.logits),
    "output dataclass, by attribute": Case(
        lambda: unusual_nets.Packed(unusual_nets.OtherResult),
        pick=lambda output: output.classes,
        options={"output": "classes"},
    ),
    "model output": Case(
        lambda: unusual_nets.Packed(lambda logits, features: unusual_nets.ModelOutput(hidden=features, logits=logits)),
        pick=single("logits"),
    ),
    "model output, by index": Case(
        lambda: unusual_nets.Packed(lambda logits, features: unusual_nets.ModelOutput(hidden=features, out=logits)),
        pick=single("out"),
        options={"output": 1},
    ),
    "detector": Case(
        unusual_nets.Detector, classes=(0, 0), pick=lambda output: top_score(output).unsqueeze(1), target=top_score
    ),
    "several inputs": Case(TwoInputs, inputs=lambda: (images(), images(2, 5))),
    "several named inputs": Case(TwoInputs, inputs=lambda: {"image": images(), "extra": images(2, 5)}),
    "1-D": Case(lambda: Spec(dims=1).build()[0], ("features.conv0", "features.act1"), inputs=lambda: images(2, 2, 11)),
    "3-D": Case(
        lambda: Spec(dims=3).build()[0], ("features.conv0", "features.act1"), inputs=lambda: images(2, 2, 5, 4, 3)
    ),
    "one sample": Case(inputs=lambda: images(1, 2, 8, 7), classes=(1,)),
    "bfloat16": Case(dtype=torch.bfloat16, inputs=lambda: images(dtype=torch.bfloat16)),
    "float16": Case(dtype=torch.float16, inputs=lambda: images(dtype=torch.float16)),
    "compiled": Case(life=compiled),
    "compiled in place": Case(life=compiled_in_place),
    "compiled submodule": Case(unusual_nets.Staged, ("conv1", "block", "block.0"), life=compiled_inside),
    "DataParallel": Case(life=DataParallel),
    "DistributedDataParallel": Case(life=DistributedDataParallel, world=world_of_one),
    "compiled DistributedDataParallel": Case(life=lambda m: compiled(DistributedDataParallel(m)), world=world_of_one),
    "shared parameters": Case(unusual_nets.SharedWeights, ("conv1", "conv2", "conv3")),
    "checkpointed, before": Case(layers=("conv1",), **CHECKPOINTED),
    "checkpointed, inside": Case(layers=("block.0",), **CHECKPOINTED),
    "checkpointed, after": Case(layers=("conv3",), **CHECKPOINTED),
    "checkpointed, everywhere": Case(layers=("conv1", "block.0", "block", "conv3"), **CHECKPOINTED),
    "checkpointed, inside, of inference weights": Case(layers=("block.0",), life=of_inference_weights, **CHECKPOINTED),
    "scaled_dot_product_attention": Case(unusual_nets.Attending, ("block", "norm"), **WIDE),
    "MultiheadAttention": Case(
        unusual_nets.MultiHeaded, ("block.attention", "block"), ("block.after", "block"), **WIDE
    ),
    "TransformerEncoderLayer": Case(unusual_nets.Encoding, ("block", "norm"), **WIDE),
    "a view of a map, four samples": Case(
        unusual_nets.Flat,
        dtype=torch.float32,
        inputs=lambda: images(4, 2, 8, 7, dtype=torch.float32),
        classes=(2, 0, 1, 1),
    ),
}
