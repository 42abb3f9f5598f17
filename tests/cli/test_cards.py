from __future__ import annotations

import re

import pytest
import yaml

from xaikit.cli.cards import _needs, card, catalogue, shown
from xaikit.needs import Needs
from xaikit.registry import Entry, Registry


def test_shown_is_yaml_with_origins() -> None:
    plain = {"seed": 3, "layers": ["a", "auto"], "model": {"source": "x", "output": None}, "empty": {}}
    text = shown(plain, {"seed": "run.yaml:2:1", "model.source": "override 'model.source=x'"})
    assert yaml.safe_load(text) == plain
    lines = text.splitlines()
    assert lines[0].split("#")[1].strip() == "run.yaml:2:1"
    assert "# default" in lines[1]
    assert lines[2] == "model:"
    assert "# override 'model.source=x'" in lines[3]


def test_catalogue_names_the_distribution_of_a_third_party() -> None:
    rows = catalogue([Entry("gradcam", "xaikit", "1", "m", "One."), Entry("mine", "xaikit-mine", "2", "n", "Two.")])
    assert rows == "gradcam  One.\nmine     Two.  [xaikit-mine]"
    assert catalogue([]) == "there are none"


def test_card_has_citation_equation_options_and_needs() -> None:
    text = card(Registry().find("method", "gradcampp"))
    for part in (
        "arXiv:1710.11063",
        "g^2 / (2 g^2 + g^3 sum_ab A_k(a,b))",
        "variant:",
        "= 'paper'",
        "gradients 1",
        "rectify relu",
    ):
        assert part in text
    assert "to: tuple[int, ...] = (required)" in card(Registry().find("resizer", "size"))
    assert "options: none" in card(Registry().find("method", "gradcam"))


OWN = [entry.name for entry in Registry().catalogue("method") if entry.distribution == "xaikit"]
CITATION = re.compile(r"(19|20)\d\d, |pytorch-grad-cam's|a control and no paper's method")


@pytest.mark.parametrize("name", OWN)
def test_the_card_of_every_method_says_what_a_user_asks_first(name: str) -> None:
    plugin = Registry().find("method", name)
    _, summary, _, *rest = card(plugin).splitlines()
    assert CITATION.search(summary), "where it comes from: authors and year, the library, or that it is a control"
    equation = "\n".join(rest).partition("\n\n")[0]
    assert " = " in equation or " ~ " in equation or "min |" in equation, "the card begins with the equation"
    for label in ("Cost", "Fails", "Peers"):
        paragraphs = [line for line in rest if line.startswith(f"{label}: ")]
        assert len(paragraphs) == 1, f"expected one paragraph {label}:, got {len(paragraphs)}"
    for line in ("needs: ", "deterministic: ", "class specific: "):
        assert sum(one.startswith(line) for one in rest) == 1


def test_card_says_in_plain_words_what_a_method_declares() -> None:
    def lines(name: str) -> list[str]:
        return card(Registry().find("method", name)).splitlines()

    assert {"deterministic: yes", "class specific: yes"} <= set(lines("gradcam"))
    assert "deterministic: no, drawn from the seed" in lines("smoothgradcampp")
    assert "class specific: no, the target plays no part" in lines("eigencam")
    assert "needs: activations" in lines("eigencam")
    assert "needs: inputs, layers none" in lines("edges")
    assert "traits: class_specific, deterministic, linear, per_sample, scale_free" in lines("gradcam")


def test_needs_are_listed_with_their_levels() -> None:
    assert _needs(Needs(attention=1, gradients=1, layers="all")) == "gradients 1, attention 1, layers all"
    assert (
        _needs(Needs(biases=True, gradients=1, inputs=True, layers="all")) == "gradients 1, inputs, biases, layers all"
    )
    assert _needs(Needs(head=True)) == "activations, head"
