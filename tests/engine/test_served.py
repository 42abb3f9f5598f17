"""Every model and call that has to be served gets the right numbers, to the bit, and is as before afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
import torchvision
from torch import Tensor

import xaikit
from helpers import unusual_nets
from helpers.hard_nets import Plain, images, seeded, uncut
from helpers.requests import REGISTRY
from helpers.served_models import CASES, Case, top_score
from helpers.untouched import untouched
from xaikit import ConfigError, Needs
from xaikit.view import View


@pytest.mark.parametrize("name", CASES)
def test_evidence_is_that_of_the_plain_net(name: str) -> None:
    case = CASES[name]
    actual, expected = case.evidence(), case.expected()
    assert len(actual) == len(expected)
    for mine, theirs in zip(actual, expected, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert bool(other.any())
            assert torch.equal(one, other)


@dataclass(frozen=True)
class Again:
    """Scores the inputs themselves and a half of them; ``found`` gets these and the true scores."""

    pairs: list[tuple[Tensor, Tensor]]
    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)

    def explain(self, view: View) -> Tensor:
        image = view.image.unsqueeze(1)
        self.pairs.append((view.rescore(2, lambda part: torch.cat([image, image / 2], 1)[:, part]), view.scores))
        return view.activations.mean(view.channel)


@dataclass(frozen=True)
class Replayed(Again):
    """Scores the activations themselves and a half of them."""

    needs: ClassVar[Needs] = Needs(replays=True)

    def explain(self, view: View) -> Tensor:
        activations = view.activations
        variants = torch.cat([activations, activations / 2], 1)
        self.pairs.append((view.rescore_with(2, lambda part: variants[:, part]), view.scores))
        return activations.mean(view.channel)


@pytest.mark.parametrize("method", [Again, Replayed])
@pytest.mark.parametrize("name", CASES)
def test_further_passes_give_the_true_scores(name: str, method: Any) -> None:
    case, pairs = CASES[name], []
    with case.world():
        case.explain(case.model(), {"mine": method(pairs)})
    assert len(pairs) == len(case.names or case.layers)
    exact = case.dtype == torch.float64
    for scores, truth in pairs:
        torch.testing.assert_close(scores[..., 0], truth.to(scores), rtol=0, atol=1e-12 if exact else 3e-2)
        assert not torch.equal(scores[..., 1], scores[..., 0])


class TestOtherSizes:
    def test_a_ragged_last_batch_and_samples_alone_get_the_same_maps(self) -> None:
        model, x, labels = seeded(Plain), images(5, 2, 8, 7), [2, 0, 1, 1, 2]
        methods = ["gradcam", "layercam", "smoothgradcampp", "ablationcam", "scorecam", "eigencam"]

        def maps(size: int) -> dict[str, Tensor]:
            parts = []
            for start in range(0, 5, size):
                part = slice(start, min(start + size, 5))
                ids = list(map(str, range(5)))[part]
                with untouched(model, x):
                    explanations = xaikit.explain(model, x[part], methods, layers="conv2", target=labels[part], ids=ids)
                parts.append({use: one.maps["conv2"] for use, one in explanations.items()})
            return {use: torch.cat([part[use] for part in parts]) for use in methods}

        alone = maps(1)
        for size in (2, 5):
            for use, together in maps(size).items():
                assert bool(together.any())
                torch.testing.assert_close(together, alone[use], rtol=1e-12, atol=1e-12, msg=f"{use} by {size}")

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_is_close_to_float32(self, dtype: torch.dtype) -> None:
        methods = ["gradcam", "gradcampp", "layercam", "smoothgradcampp", "eigencam", "ablationcam", "scorecam"]

        def maps(kind: torch.dtype) -> dict[str, xaikit.Explanation]:
            model, x = seeded(Plain, kind), images(dtype=kind)
            with untouched(model, x):
                return xaikit.explain(model, x, methods, layers="conv2", target=[2, 0], finish={"rectify": "none"})

        exact = maps(torch.float32)
        for use, explanation in maps(dtype).items():
            saliency, truth = explanation.maps["conv2"].float(), exact[use].maps["conv2"]
            assert bool(saliency.isfinite().all())
            cosine = torch.nn.functional.cosine_similarity(saliency.flatten(1), truth.flatten(1))
            assert float(cosine.min()) > 0.98, f"{use}: {cosine.tolist()}"

    def test_a_detector_of_torchvision(self) -> None:
        build = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn
        model = seeded(
            lambda: build(weights=None, weights_backbone=None, min_size=64, box_score_thresh=0), torch.float32
        )
        x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        # the rest of it writes anchors and scales into its own modules at every forward
        with untouched(model.backbone, x):
            explanation = xaikit.explain(model, x, layers="backbone.body.13", target=top_score)["gradcam"]
        output, activations, gradients = uncut(
            model, x, ["backbone.body.13"], [0, 0], lambda output: top_score(output).unsqueeze(1)
        )
        expected = cam(activations["backbone.body.13"], gradients["backbone.body.13"])
        torch.testing.assert_close(explanation.scores, output.squeeze(1).detach())
        torch.testing.assert_close(explanation.maps["backbone.body.13"], expected)


def cam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM by its definition."""
    return (gradients.mean((2, 3), keepdim=True) * activations).sum(1)


@dataclass(frozen=True)
class Curved:
    """Asks for a Hessian product; ``found`` gets the vector and the product."""

    pairs: list[tuple[Tensor, Tensor]]
    needs: ClassVar[Needs] = Needs(gradients=2)

    def explain(self, view: View) -> Tensor:
        vector = torch.linspace(-1, 1, view.gradients.numel()).to(view.gradients).reshape(view.gradients.shape)
        self.pairs.append((vector, view.hvp(vector)))
        return view.gradients.sum(view.channel)


@pytest.mark.parametrize("target", [[2, 0], {"use": "classes", "of": [1, 2]}])
class TestSecondOrder:
    def product(self, case: Case, target: Any) -> tuple[Tensor, Tensor]:
        pairs: list[tuple[Tensor, Tensor]] = []
        case.explain(case.model(), {"mine": Curved(pairs)}, target)
        return pairs[0]

    def test_zeros_on_a_linear_tail(self, target: Any) -> None:
        vector, product = self.product(Case(layers=("act2",)), target)
        assert product.shape == vector.shape
        assert not bool(product.any())

    @pytest.mark.parametrize("build", [unusual_nets.Three, unusual_nets.Checkpointed])
    def test_the_hessian_on_a_tail_that_is_none(self, build: Any, target: Any) -> None:
        vector, product = self.product(Case(build, ("conv1",)), target)
        net = seeded(unusual_nets.Three)
        point = net.conv1(images()).detach()
        classes = [[2], [0]] if isinstance(target, list) else [[1, 2]] * 2
        for column in range(vector.shape[1]):
            chosen = torch.tensor([row[column] for row in classes])

            def score(value: Tensor, chosen: Tensor = chosen) -> Tensor:
                out = net.classify(net.conv3(net.middle(net.act1(value))).sigmoid())
                return out[torch.arange(2), chosen].sum()

            expected = torch.autograd.functional.hvp(score, point, vector[:, column])[1]
            assert bool(expected.any())
            torch.testing.assert_close(product[:, column], expected, rtol=0, atol=1e-12)

    def test_the_hessian_through_attention(self, target: Any) -> None:
        for build in (unusual_nets.Attending, unusual_nets.MultiHeaded, unusual_nets.Encoding):
            vector, product = self.product(Case(build, ("embed",), inputs=lambda: images(2, 2, 8, 12)), target)
            assert bool(product.any())
            assert product.shape == vector.shape


REFUSED = {"cam", "rollout", "gae", "legrad", "rawattention"}
"""By this model: what lies behind its layer is more than pooling, and it has no attention."""
BLIND = {"center", "uniform"}
"""To any input."""
COUPLED = {"dff"}
"""Its concepts are those of the whole batch: without a sample they are others."""
METHODS = [name for name in REGISTRY.names("method") if name not in REFUSED | BLIND | COUPLED]


@pytest.mark.parametrize("use", sorted(REFUSED))
def test_what_this_model_does_not_have_is_refused(use: str) -> None:
    model, x = seeded(Plain), images(3, 2, 8, 7)
    with untouched(model, x), pytest.raises(ConfigError, match="expected"):
        xaikit.explain(model, x, use, layers="conv2", target=[2, 0, 1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("use", METHODS)
def test_a_sample_that_is_no_number_stays_visible_and_alone(use: str, bad: float) -> None:
    model, x = seeded(Plain), images(3, 2, 8, 7)

    def explained() -> xaikit.Explanation:
        with untouched(model, x):
            return xaikit.explain(model, x, use, layers="conv2", target=[2, 0, 1])[use]

    clean = explained()
    x[1, 0, 3, 3] = bad
    spoiled = explained()
    (layer,) = spoiled.maps
    assert not bool(spoiled.maps[layer][1].isfinite().all())
    assert not bool(spoiled.map[1].isfinite().all())
    for row in (0, 2):
        assert torch.equal(spoiled.maps[layer][row], clean.maps[layer][row])
        assert torch.equal(spoiled.map[row], clean.map[row])
    about = [str(remark) for remark in spoiled.warnings]
    assert f"sample 1, {layer}: values that are NaN or infinite" in about
    others = [[remark for remark in each.warnings if remark.sample != 1] for each in (spoiled, clean)]
    assert others[0] == others[1]
