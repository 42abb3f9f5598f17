"""similarity: the cosine to a reference, from wherever it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cosine_similarity

import xaikit
from helpers.nets import Spec, distance
from xaikit import ConfigError
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit_targets.similarity import Similarity

REFERENCE = (1.0, -2.0, 0.5)


def embeddings(seed: int = 0) -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_score_is_the_cosine_and_dot_the_projection() -> None:
    output, reference = embeddings(), torch.tensor(REFERENCE).double()
    cosine, dot = (
        Similarity(REFERENCE, measure).pin(output, None).scores(output)[:, 0] for measure in ("cosine", "dot")
    )
    torch.testing.assert_close(cosine, cosine_similarity(output, reference[None]))
    torch.testing.assert_close(dot, output @ reference / reference.norm())


def test_the_gradient_is_that_of_the_cosine() -> None:
    output = embeddings().requires_grad_()
    scores, expected = (
        torch.autograd.grad(scores.sum(), output)[0]
        for scores in (
            Similarity(REFERENCE).pin(output, None).scores(output),
            cosine_similarity(output, torch.tensor([REFERENCE]).double()),
        )
    )
    torch.testing.assert_close(scores, expected)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_length_of_neither_matters(scale: float) -> None:
    output = embeddings().float()
    one = Similarity(REFERENCE).pin(output, None).scores(output)
    other = Similarity(tuple(scale * number for number in REFERENCE)).pin(output, None).scores(output * scale)
    torch.testing.assert_close(one, other)


def test_an_embedding_of_zeros_is_like_nothing() -> None:
    output = torch.zeros(1, 3, requires_grad=True)
    scores = Similarity(REFERENCE).pin(output, None).scores(output)
    (gradient,) = torch.autograd.grad(scores.sum(), output)
    assert scores.tolist() == [[0.0]]
    assert gradient.isfinite().all()


def test_self_is_each_samples_own_embedding_of_the_clean_pass() -> None:
    clean, later, index = embeddings(), embeddings(1), torch.tensor([3, 0, 3])
    pinned = Similarity("self").pin(clean, None)
    torch.testing.assert_close(pinned.scores(later)[:, 0], cosine_similarity(later, clean))
    torch.testing.assert_close(pinned.rows(index).scores(later[index]), pinned.scores(later)[index])
    assert not hasattr(pinned, "probabilities")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_self_has_no_gradient_on_the_clean_pass_not_even_by_rounding(dtype: torch.dtype) -> None:
    output = embeddings().to(dtype).requires_grad_()
    (gradient,) = torch.autograd.grad(Similarity("self").pin(output, None).scores(output).sum(), output)
    assert not gradient.any()


@pytest.mark.parametrize("name", ["r.npy", "r.pt", "r.safetensors"])
def test_a_file_holds_the_reference(tmp_path: Path, name: str) -> None:
    vector, path = torch.tensor(REFERENCE), tmp_path / name
    if name.endswith("npy"):
        np.save(path, vector.numpy()[None])
    elif name.endswith("pt"):
        torch.save(vector, path)
    else:
        save_file({"text": vector}, path)
    output = embeddings()
    assert torch.equal(
        Similarity(str(path)).pin(output, None).scores(output), Similarity(REFERENCE).pin(output, None).scores(output)
    )


def test_a_file_that_does_not_serve_is_named(tmp_path: Path) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            Similarity(str(path)).pin(embeddings(), None)
        return str(caught.value)

    save_file({"a": torch.ones(3), "b": torch.ones(3)}, tmp_path / "two.safetensors")
    np.save(tmp_path / "long.npy", np.ones(5))
    np.save(tmp_path / "many.npy", np.ones((2, 3)))
    np.save(tmp_path / "zero.npy", np.zeros(3))
    (tmp_path / "text.pt").write_text("none")
    assert "there is no file" in refusal(tmp_path / "none.pt")
    assert "expected one tensor in" in refusal(tmp_path / "two.safetensors")
    assert "to: expected 3 numbers, got a tensor of shape (5,)" in refusal(tmp_path / "long.npy")
    assert "to: expected 3 numbers, got a tensor of shape (2, 3)" in refusal(tmp_path / "many.npy")
    assert "to: expected numbers that are not all zero" in refusal(tmp_path / "zero.npy")
    assert "cannot be read: " in refusal(tmp_path / "text.pt")


@pytest.mark.parametrize("output", [torch.zeros(2, 3, 4, 4), torch.zeros(3), None])
def test_what_is_no_embedding_is_refused(output: Any) -> None:
    with pytest.raises(ConfigError, match=r"^target similarity: expected an embedding \(N, D\), got .*model.output$"):
        Similarity("self").pin(output, None)


@pytest.mark.parametrize("to", [(), (0.0, 0.0), ""])
def test_no_reference_is_refused(to: Any) -> None:
    with pytest.raises(ValueError, match=r"^to: expected numbers that are not all zero, a file or 'self', got "):
        Similarity(to)
    with pytest.raises(ValueError, match=r"^measure: expected 'cosine' or 'dot', got 'angle'$"):
        Similarity("self", "angle")  # type: ignore[arg-type]


def test_a_config_says_the_reference() -> None:
    registry = Registry()
    assert instantiate("target", Use("similarity", {"to": [1, -2, 0.5]}), registry) == Similarity(REFERENCE)
    assert instantiate("target", Use("similarity", {"to": "self"}), registry) == Similarity("self")


def test_maps_by_gradients_and_by_scoring_again() -> None:
    model, x = Spec().build()

    def of(method: str, target: Any) -> Tensor:
        return xaikit.explain(model, x, method, layers="features", target=target)[method].maps["features"]

    def by_hand(output: Tensor) -> Tensor:
        return cosine_similarity(output, torch.tensor([REFERENCE]).double())

    assert distance(of("gradcam", {"use": "similarity", "to": [1, -2, 0.5]}), of("gradcam", by_hand)) < 1e-12
    assert of("gradcam", {"use": "similarity", "to": "self", "measure": "dot"}).any()
    assert of("ablationcam", {"use": "similarity", "to": "self"}).any()


def test_a_gradient_method_says_why_there_is_no_map_of_self() -> None:
    model, x = Spec().build()
    explanation = xaikit.explain(model, x, "gradcam", layers="features", target={"use": "similarity", "to": "self"})[
        "gradcam"
    ]
    assert not explanation.maps["features"].any()
    assert {remark.reason for remark in explanation.warnings} == {"zero gradients"}
